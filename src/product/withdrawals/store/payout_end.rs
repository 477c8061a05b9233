//! How payouts end: as their provider says, or as a person says.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Due;
use crate::db::{self, TenantTx};

/// How a payout ended.
#[derive(Clone, Copy, Debug)]
pub enum Note<'a> {
    /// Under this reference.
    Paid(&'a str),
    /// For this reason.
    Refused(&'a str),
}

impl<'a> Note<'a> {
    /// State, reference and failure in the database.
    const fn columns(self) -> (&'static str, Option<&'a str>, Option<&'a str>) {
        match self {
            Self::Paid(reference) => ("paid", Some(reference), None),
            Self::Refused(why) => ("refused", None, Some(why)),
        }
    }
}

/// Ends a payout as its provider says; `false` when it has ended otherwise. Money that was paid was paid, whoever heard
/// of it; a refusal counts only from whoever looks after the payout now.
pub async fn end(tx: &mut TenantTx, due: &Due, note: Note<'_>, at: DateTime<Utc>) -> db::Result<bool> {
    let (state, reference, failure) = note.columns();
    let ended = sqlx::query!(
        "update payout set state = $3, reference = $4, failure = $5, ended_at = $6, next_at = null, leased_until = null
        where tenant_id = $1 and id = $2 and state = 'asked' and ($3 = 'paid' or attempts = $7)",
        due.tenant.0,
        due.id,
        state,
        reference,
        failure,
        at,
        due.attempt,
    )
    .execute(&mut **tx)
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// Where a payout stands, in the database's word.
pub async fn state_of(tx: &mut TenantTx, id: Uuid) -> db::Result<String> {
    sqlx::query_scalar!("select state from payout where tenant_id = $1 and id = $2", tx.tenant().0, id)
        .fetch_one(&mut **tx)
        .await
}

/// A payout that has not ended.
pub struct Open {
    pub id: Uuid,
    /// Whether its provider may have heard of it.
    pub is_asked: bool,
    /// Whether its provider has said that it has it, or somebody looks after it at this moment.
    pub is_held: bool,
}

/// The payout of a withdrawal that has not ended, locked.
pub async fn open(tx: &mut TenantTx, withdrawal: Uuid) -> db::Result<Option<Open>> {
    sqlx::query_as!(
        Open,
        r#"select id, state = 'asked' as "is_asked!",
            (heard_at is not null or coalesce(leased_until > now(), false)) as "is_held!"
        from payout where tenant_id = $1 and withdrawal_id = $2 and state in ('ready', 'asked') for update"#,
        tx.tenant().0,
        withdrawal,
    )
    .fetch_optional(&mut **tx)
    .await
}

/// Ends an open payout as a person says; whoever was about to look after it finds that it has ended.
pub async fn confirm_open(tx: &mut TenantTx, id: Uuid, note: Note<'_>, at: DateTime<Utc>) -> db::Result<()> {
    let (state, reference, failure) = note.columns();
    sqlx::query!(
        "update payout set state = $3, reference = $4, failure = $5, ended_at = $6, next_at = null, leased_until = null,
            asked_at = coalesce(asked_at, $6)
        where tenant_id = $1 and id = $2 and state in ('ready', 'asked')",
        tx.tenant().0,
        id,
        state,
        reference,
        failure,
        at,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Stores a payout that a person has made.
pub async fn insert_paid(
    tx: &mut TenantTx,
    withdrawal: Uuid,
    mode: &str,
    reference: &str,
    at: DateTime<Utc>,
) -> db::Result<()> {
    sqlx::query!(
        "insert into payout (tenant_id, id, withdrawal_id, mode, provider, state, reference, next_at, ended_at)
        values ($1, $2, $3, $4, 'manual', 'paid', $5, null, $6)",
        tx.tenant().0,
        Uuid::new_v4(),
        withdrawal,
        mode,
        reference,
        at,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}
