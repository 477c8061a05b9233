//! Bringing withdrawals to where the operations that sweep their tokens stand.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::store::{self, NewPayout, Row, Step};
use super::{KIND, Status, events};
use crate::chain::{self, Follower, News, OperationState};
use crate::foundation::{FailPoint, Mode, TenantId};
use crate::ledger::{self, End};
use crate::product::App;
use crate::webhooks::{self, NewEvent};

/// Why withdrawals could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// Somebody asked for operations in the name of withdrawals.
    #[error("{0} operations belong to no withdrawal that waits for them")]
    NoWithdrawal(usize),
}

/// Brings withdrawals to where their sweeps stand; those whose tokens have arrived get a payout.
pub struct Sweeps(pub App);

impl Follower for Sweeps {
    const KIND: &'static str = KIND;
    type Error = Error;

    async fn settle(&self, news: &[News]) -> Result<usize, Error> {
        let app = &self.0;
        let tenants: BTreeSet<TenantId> = news.iter().map(|item| item.tenant).collect();
        let mut tx = app.db.tenants(&Vec::from_iter(tenants)).begin_many().await?;
        let won = chain::take_note(&mut tx, news).await?;
        if won.is_empty() {
            return Ok(0);
        }
        // A withdrawal, its transfer and its operation share one id.
        let ends: Vec<(TenantId, Uuid, End)> =
            won.iter().filter_map(|item| end(item).map(|end| (item.tenant, item.operation, end))).collect();
        ledger::end_all(&mut tx, &ends).await?;
        let moves: Vec<(&News, Status)> = won.iter().map(|item| (item, status(item))).collect();
        let moved = store::advance(&mut tx, &moves).await?;
        let left = moves.len().saturating_sub(moved.len());
        if left > 0 {
            return Err(Error::NoWithdrawal(left));
        }
        store::add_payouts(&mut tx, &payouts(app, &moved)).await?;
        store::add_steps(&mut tx, &moved.iter().flat_map(steps).collect::<Vec<_>>()).await?;
        let told: Result<Vec<NewEvent>, sqlx::Error> = moved.iter().flat_map(|row| tell(app, row)).collect();
        webhooks::emit(&mut tx, &told?).await?;
        tx.commit().await?;
        FailPoint::Noted.reached();
        for (_, status) in &moves {
            metrics::counter!("diolkos_withdrawals_total", "status" => status.as_str()).increment(1);
        }
        Ok(won.len())
    }
}

/// How the reservation ends; a test key's withdrawal has none.
fn end(news: &News) -> Option<End> {
    match (news.mode, news.state) {
        (Mode::Live, OperationState::Succeeded) => Some(End::Post),
        (Mode::Live, OperationState::Failed) => Some(End::Void),
        (Mode::Live, OperationState::Submitted | OperationState::Review) | (Mode::Test, _) => None,
    }
}

/// Succeeded says the engine only of the very transfer that was asked for, in a block that is deep enough. Under review
/// the withdrawal stays where it is, until somebody has looked.
fn status(news: &News) -> Status {
    match news.state {
        OperationState::Succeeded => Status::CryptoReceived,
        OperationState::Failed => Status::Failed,
        OperationState::Submitted => Status::Submitted,
        OperationState::Review => {
            tracing::error!(withdrawal = %news.operation, tenant = %news.tenant, tx = ?news.tx_hash, "the chain did something else than a withdrawal asked for");
            Status::Submitted
        }
    }
}

fn payouts(app: &App, moved: &[Row]) -> Vec<NewPayout> {
    let received = moved.iter().filter(|row| row.status == Status::CryptoReceived.as_str());
    received
        .map(|row| {
            let mode = Mode::from_word(&row.mode).unwrap_or_default();
            app.payouts.new_payout(row.tenant_id, row.id, mode)
        })
        .collect()
}

/// The states that are new, also one that nobody noticed while it lasted.
fn new_states(row: &Row) -> impl Iterator<Item = (Status, DateTime<Utc>)> {
    let submitted = row.submitted_at.filter(|_| !row.was_submitted).map(|at| (Status::Submitted, at));
    let ended = row.received_at.or(row.ended_at);
    submitted.into_iter().chain(Status::from_word(&row.status).zip(ended))
}

fn steps(row: &Row) -> impl Iterator<Item = Step> {
    new_states(row).map(|(status, at)| {
        let failure = row.failure.clone().filter(|_| status == Status::Failed);
        Step::of(row, status.as_str(), at).in_transaction(row.tx_hash.clone()).saying(failure)
    })
}

fn tell<'a>(app: &'a App, row: &'a Row) -> impl Iterator<Item = Result<NewEvent, sqlx::Error>> + 'a {
    let token = app.tokens.by_symbol(&row.token);
    new_states(row).map(move |(status, at)| events::told(row, status, at, token))
}
