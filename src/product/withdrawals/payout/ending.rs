//! How payouts end: in the books, in the withdrawal, and for those who want to know, all in one transaction.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::super::store::{self, Due, Note, Row, Step};
use super::super::{Status, events};
use crate::db::{self, TenantTx};
use crate::foundation::{Mode, TenantId};
use crate::http::{Error, Result};
use crate::ledger::{self, AccountKind, Outcome, Posting};
use crate::product::App;
use crate::webhooks;

/// The tokens that were owed for are the house's. To be called before any row is locked; `false` when that has happened
/// already. A test key's withdrawal has no books.
pub async fn post_paid(tx: &mut TenantTx, row: &Row) -> Result<bool> {
    if row.mode != Mode::Live.as_str() {
        return Ok(true);
    }
    let posting = Posting {
        tenant: TenantId(row.tenant_id),
        id: Uuid::now_v7(),
        debit: AccountKind::Payouts,
        credit: AccountKind::House,
        token: row.token.clone(),
        amount: row.amount,
        reason: "payout",
        // One for each withdrawal: local money is paid for it once.
        reference: format!("payout:{}", row.id),
    };
    match ledger::post(tx, &[posting]).await?[..] {
        [Outcome::Accepted] => Ok(true),
        [Outcome::Duplicate] => Ok(false),
        _ => Err(Error::internal("the tokens of a withdrawal that was paid are not there")),
    }
}

/// The withdrawal is COMPLETED; `false` when it does not wait for that.
pub async fn complete(
    tx: &mut TenantTx,
    app: &App,
    id: Uuid,
    reference: &str,
    note: Option<String>,
    at: DateTime<Utc>,
) -> Result<bool> {
    if !store::complete(tx, id, reference, at).await? {
        return Ok(false);
    }
    let row = store::find(tx, id).await?.ok_or(db::Error::RowNotFound)?;
    let step = Step::of(&row, Status::Completed.as_str(), at).known_as(reference.to_owned()).saying(note);
    tell(tx, app, &row, Status::Completed, step).await?;
    Ok(true)
}

/// The withdrawal is PAYOUT_FAILED and its tokens go back at `refund_at`; `false` when it does not wait for that.
pub async fn refuse(
    tx: &mut TenantTx,
    app: &App,
    id: Uuid,
    why: &str,
    at: DateTime<Utc>,
    refund_at: DateTime<Utc>,
) -> Result<bool> {
    if !store::refuse(tx, id, why, at, refund_at).await? {
        return Ok(false);
    }
    let row = store::find(tx, id).await?.ok_or(db::Error::RowNotFound)?;
    let step = Step::of(&row, Status::PayoutFailed.as_str(), at).saying(why.to_owned());
    tell(tx, app, &row, Status::PayoutFailed, step).await?;
    Ok(true)
}

async fn tell(tx: &mut TenantTx, app: &App, row: &Row, status: Status, step: Step) -> Result<()> {
    let at = step.at;
    store::add_steps(tx, &[step]).await?;
    webhooks::emit(tx, &[events::told(row, status, at, app.tokens.by_symbol(&row.token))?]).await?;
    metrics::counter!("diolkos_withdrawals_total", "status" => status.as_str()).increment(1);
    Ok(())
}

/// Notes what a provider said of a payout that it was asked for.
pub async fn note(app: &App, due: &Due, withdrawal: Uuid, said: Note<'_>) -> Result<()> {
    let now = app.clock.now();
    let mut tx = app.db.tenant(due.tenant).begin().await?;
    let Some(row) = store::find(&mut tx, withdrawal).await? else { return Ok(()) };
    let ended = match said {
        Note::Paid(reference) => {
            post_paid(&mut tx, &row).await?
                && store::end_payout(&mut tx, due, said, now).await?
                && complete(&mut tx, app, withdrawal, reference, None, now).await?
        }
        Note::Refused(why) => {
            store::end_payout(&mut tx, due, said, now).await?
                && refuse(&mut tx, app, withdrawal, why, now, now + app.payouts.refund_after).await?
        }
    };
    if ended {
        return Ok(tx.commit().await?);
    }
    drop(tx);
    match said {
        Note::Paid(reference) => paid_too_late(app, due, &row, reference).await,
        Note::Refused(_) => Ok(()),
    }
}

/// A payout that has ended otherwise was paid all the same: nobody may overlook that.
async fn paid_too_late(app: &App, due: &Due, row: &Row, reference: &str) -> Result<()> {
    let mut tx = app.db.tenant(due.tenant).begin().await?;
    if store::state_of_payout(&mut tx, due.id).await? == "paid" {
        return Ok(());
    }
    tracing::error!(payout = %due.id, withdrawal = %row.id, tenant = %due.tenant, "a payout that has ended was paid all the same");
    metrics::counter!("diolkos_payouts_paid_too_late_total").increment(1);
    let note = "a payout that had ended was paid all the same".to_owned();
    let step = Step::of(row, "PAID_TOO_LATE", app.clock.now()).known_as(reference.to_owned()).saying(note);
    store::add_steps(&mut tx, &[step]).await?;
    Ok(tx.commit().await?)
}
