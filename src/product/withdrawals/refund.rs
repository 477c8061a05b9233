//! Tokens of refused payouts go back to the wallets that they came from.
//!
//! ```text
//! due ──▶ sent ──▶ returned
//!           └────▶ failed      the ledger holds them for the customer; somebody must look
//! ```

use std::time::Duration;

use alloy::primitives::Address;
use chrono::TimeDelta;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::store::{self, Row, Step};
use super::{Refund, events, payout};
use crate::chain::{self, Follower, NewOperation, News, OperationState, Payer};
use crate::db::{self, TenantTx};
use crate::foundation::{FailPoint, Mode, Rehearsal, TenantId};
use crate::http::{Error, Result};
use crate::ledger::{self, AccountKind, End, Outcome, Posting};
use crate::product::App;
use crate::providers::payout::Progress;
use crate::webhooks;

/// The name under which the chain and the ledger know refunds.
const KIND: &str = "withdrawal_refund";

/// How often the worker looks for refunds that are due.
const POLL: Duration = Duration::from_millis(500);

/// Refunds in hand at once.
const IN_HAND: usize = 8;

/// How long nobody else looks at a refund.
const LEASE: Duration = Duration::from_secs(60);

/// How much later tokens go back whose payout's provider says that it still may pay.
const POSTPONED: TimeDelta = TimeDelta::seconds(60);

/// Sends tokens back when that is due, until told to stop.
pub async fn run(app: App, shutdown: CancellationToken) {
    let mut in_hand = JoinSet::new();
    loop {
        while in_hand.try_join_next().is_some() {}
        let free = i64::try_from(IN_HAND.saturating_sub(in_hand.len())).unwrap_or(0);
        match store::claim_refunds(&app.db, free, LEASE).await {
            Ok(due) => {
                for (tenant, id) in due {
                    let app = app.clone();
                    in_hand.spawn(async move {
                        // Tried again when the lease is over.
                        if let Err(error) = decide(&app, tenant, id).await {
                            tracing::error!(withdrawal = %id, %tenant, %error, "the tokens of a refused payout do not go back yet");
                        }
                    });
                }
            }
            Err(error) => tracing::warn!(%error, "refunds that are due cannot be found"),
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(POLL) => {}
        }
    }
    while in_hand.join_next().await.is_some() {}
}

/// What the payout's provider says now decides: it may have thought better of the refusal.
async fn decide(app: &App, tenant: TenantId, id: Uuid) -> Result<()> {
    let said = payout::last_word(app, tenant, id).await?;
    let mut tx = app.db.tenant(tenant).begin().await?;
    let Some(row) = store::find(&mut tx, id).await? else { return Ok(()) };
    match said {
        None | Some(Progress::Refused { .. } | Progress::Unknown) => send(app, tx, &row).await,
        Some(Progress::Paid { reference }) => {
            tracing::error!(withdrawal = %id, %tenant, "a payout that was refused has been paid; the tokens do not go back");
            payout::pay(&mut tx, app, &row, &reference, "paid after it was refused".to_owned()).await?;
            Ok(tx.commit().await?)
        }
        Some(Progress::Pending) => {
            store::postpone_refund(&mut tx, id, app.clock.now() + POSTPONED).await?;
            Ok(tx.commit().await?)
        }
    }
}

/// The reservation, the operation and the withdrawal that names it, together or not at all.
async fn send(app: &App, mut tx: TenantTx, row: &Row) -> Result<()> {
    let tenant = tx.tenant();
    let mode = Mode::from_word(&row.mode).ok_or_else(|| Error::internal("a withdrawal of no mode"))?;
    let token = app.tokens.by_symbol(&row.token);
    let token = token.ok_or_else(|| Error::internal(format!("the token {} is not configured", row.token)))?;
    let operation = NewOperation {
        tenant,
        mode,
        id: Uuid::now_v7(),
        kind: KIND,
        reference: String::new(),
        payer: Payer::Treasury(app.chain.treasury()),
        token: token.contract,
        recipient: Address::try_from(row.wallet.as_slice()).map_err(Error::internal)?,
        amount: row.amount,
        rehearsed_failure: chain::rehearsed_failure_of(mode, token, row.amount, Rehearsal::RefundReverts),
    };
    let operation = NewOperation { reference: operation.id.to_string(), ..operation };
    if mode == Mode::Live {
        let posting = Posting {
            tenant,
            id: operation.id,
            debit: AccountKind::Payouts,
            credit: AccountKind::Customers,
            token: row.token.clone(),
            amount: row.amount,
            reason: KIND,
            reference: format!("{KIND}:{}", operation.id),
        };
        if ledger::reserve(&mut tx, &[posting]).await? != [Outcome::Accepted] {
            return Err(Error::internal("the tokens of a refused payout are not there"));
        }
    }
    chain::enqueue(&mut tx, std::slice::from_ref(&operation)).await?;
    if !store::send_refund(&mut tx, row.id, operation.id).await? {
        return Ok(());
    }
    let step = Step::of(row, "REFUND_SENT", app.clock.now()).known_as(operation.id.to_string());
    store::add_steps(&mut tx, &[step]).await?;
    tx.commit().await?;
    FailPoint::RefundStored.reached();
    Ok(())
}

/// Brings refunds to where their operations stand.
pub struct Refunds(pub App);

impl Follower for Refunds {
    const KIND: &'static str = KIND;
    type Error = Error;

    async fn settle(&self, news: &[News]) -> Result<usize> {
        let mut noted = 0;
        // Few, and each for itself.
        for item in news {
            noted += usize::from(self.settle_one(item).await?);
        }
        Ok(noted)
    }
}

impl Refunds {
    async fn settle_one(&self, news: &News) -> Result<bool> {
        let app = &self.0;
        let mut tx = app.db.tenant(news.tenant).begin().await?;
        if chain::take_note(&mut tx, std::slice::from_ref(news)).await?.is_empty() {
            return Ok(false);
        }
        let (end, refund) = match news.state {
            OperationState::Succeeded => (End::Post, Refund::Returned),
            OperationState::Failed => (End::Void, Refund::Failed),
            OperationState::Submitted | OperationState::Review => {
                tx.commit().await?;
                return Ok(true);
            }
        };
        if news.mode == Mode::Live {
            ledger::end_all(&mut tx, &[(news.tenant, news.operation, end)]).await?;
        }
        let id = store::end_refund(&mut tx, news.tenant, news.operation, refund, news.tx_hash).await?;
        let id = id.ok_or_else(|| Error::internal("an operation belongs to no refund that waits for it"))?;
        let row = store::find(&mut tx, id).await?.ok_or(db::Error::RowNotFound)?;
        let at = news.ended_at.unwrap_or_else(|| app.clock.now());
        let state = if refund == Refund::Returned { "REFUND_RETURNED" } else { "REFUND_FAILED" };
        let step = Step::of(&row, state, at).in_transaction(news.tx_hash.map(|hash| hash.to_vec()));
        store::add_steps(&mut tx, &[step.saying(news.failure.clone())]).await?;
        if refund == Refund::Returned {
            let token = app.tokens.by_symbol(&row.token);
            webhooks::emit(&mut tx, &[events::refunded(&row, at, token)?]).await?;
        } else {
            tracing::error!(withdrawal = %id, tenant = %news.tenant, "the tokens of a refused payout could not be sent back");
        }
        tx.commit().await?;
        FailPoint::Noted.reached();
        Ok(true)
    }
}
