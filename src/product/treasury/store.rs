//! SQL of top-ups.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::topup::{Status, Topup};
use crate::db::{self, EngineTx, Error, TenantTx};
use crate::foundation::{Amount, TenantId};

struct Row {
    id: Uuid,
    token: String,
    amount: Amount,
    reference: String,
    note: Option<String>,
    status: String,
    created_at: DateTime<Utc>,
    confirmed_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Topup {
    type Error = Error;

    fn try_from(row: Row) -> db::Result<Self> {
        let status = Status::from_word(&row.status);
        let status = status.ok_or_else(|| Error::Decode(format!("{} is no status of a top-up", row.status).into()))?;
        Ok(Self {
            id: row.id,
            token: row.token,
            amount: row.amount,
            reference: row.reference,
            note: row.note,
            status,
            created_at: row.created_at,
            confirmed_at: row.confirmed_at,
        })
    }
}

/// Stores a top-up; `false` when one of the tenant's has this reference.
pub async fn insert(tx: &mut TenantTx, topup: &Topup) -> db::Result<bool> {
    let inserted = sqlx::query!(
        "insert into topup (tenant_id, id, token, amount, reference, note, status, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        on conflict on constraint topup_reference_unique do nothing",
        tx.tenant().0,
        topup.id,
        topup.token,
        topup.amount as Amount,
        topup.reference,
        topup.note,
        topup.status.as_str(),
        topup.created_at,
    )
    .execute(&mut **tx)
    .await?;
    Ok(inserted.rows_affected() > 0)
}

/// Marks a pending top-up as confirmed; nothing when it is confirmed already or not there.
pub async fn confirm(tx: &mut TenantTx, id: Uuid, by: &str, now: DateTime<Utc>) -> db::Result<Option<Topup>> {
    let row = sqlx::query_as!(
        Row,
        r#"update topup set status = 'CONFIRMED', confirmed_at = $3, confirmed_by = $4
        where tenant_id = $1 and id = $2 and status = 'PENDING'
        returning id, token, amount as "amount: Amount", reference, note, status, created_at, confirmed_at"#,
        tx.tenant().0,
        id,
        now,
        by,
    );
    row.fetch_optional(&mut **tx).await?.map(Topup::try_from).transpose()
}

pub async fn find(tx: &mut TenantTx, id: Uuid) -> db::Result<Option<Topup>> {
    let row = sqlx::query_as!(
        Row,
        r#"select id, token, amount as "amount: Amount", reference, note, status, created_at, confirmed_at
        from topup where tenant_id = $1 and id = $2"#,
        tx.tenant().0,
        id,
    );
    row.fetch_optional(&mut **tx).await?.map(Topup::try_from).transpose()
}

pub async fn find_by_reference(tx: &mut TenantTx, reference: &str) -> db::Result<Option<Topup>> {
    let row = sqlx::query_as!(
        Row,
        r#"select id, token, amount as "amount: Amount", reference, note, status, created_at, confirmed_at
        from topup where tenant_id = $1 and reference = $2"#,
        tx.tenant().0,
        reference,
    );
    row.fetch_optional(&mut **tx).await?.map(Topup::try_from).transpose()
}

/// Up to `limit + 1` top-ups, newest first, after the cursor.
pub async fn list(
    tx: &mut TenantTx,
    status: Option<Status>,
    after: Option<Uuid>,
    limit: i64,
) -> db::Result<Vec<Topup>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, token, amount as "amount: Amount", reference, note, status, created_at, confirmed_at
        from topup
        where tenant_id = $1 and ($2::text is null or status = $2) and ($3::uuid is null or id < $3)
        order by id desc limit $4"#,
        tx.tenant().0,
        status.map(Status::as_str),
        after,
        limit + 1,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(Topup::try_from).collect()
}

/// Whose top-up this is.
pub async fn owner(tx: &mut EngineTx, id: Uuid) -> db::Result<Option<TenantId>> {
    let owner = sqlx::query_scalar!("select tenant_id from topup where id = $1", id);
    Ok(owner.fetch_optional(&mut **tx).await?.map(TenantId))
}

/// A top-up and a transfer that contradict each other.
pub struct Contradiction {
    pub reference: Option<String>,
    pub topup: Option<Uuid>,
}

/// Transfers for top-ups without a confirmed one, and confirmed top-ups without their transfer.
pub async fn contradictions(tx: &mut TenantTx) -> db::Result<Vec<Contradiction>> {
    sqlx::query_as!(
        Contradiction,
        r#"select t.reference as "reference?", u.id as "topup?"
        from (select * from ledger_transfer where tenant_id = any($1) and reason = 'topup') t
        full join (select * from topup where tenant_id = any($1) and status = 'CONFIRMED') u on u.tenant_id = t.tenant_id and u.id = t.id
        where t.id is null or u.id is null or t.amount <> u.amount or t.token <> u.token or t.state <> 'posted'
        limit 100"#,
        &tx.scope(),
    )
    .fetch_all(&mut **tx)
    .await
}
