//! SQL of what people were shown.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::super::agreement::Status;
use crate::db::{self, TenantTx};
use crate::foundation::{Mode, Sealed, WrappedKey};

/// An agreement as it is made.
pub struct NewAgreement<'a> {
    pub id: Uuid,
    pub mode: Mode,
    pub template: Uuid,
    pub account: &'a [u8],
    pub customer: Option<Uuid>,
    pub key: &'a WrappedKey,
    pub sealed: &'a Sealed,
    pub created_at: DateTime<Utc>,
}

/// An agreement as it is kept.
pub struct Row {
    pub id: Uuid,
    pub kind: String,
    pub account_address: Vec<u8>,
    pub customer_id: Option<Uuid>,
    pub wrapped_key: Option<Vec<u8>>,
    pub sealed: Vec<u8>,
    pub status: String,
    pub created_at: DateTime<Utc>,
    pub decided_at: Option<DateTime<Utc>>,
}

pub async fn insert(tx: &mut TenantTx, new: &NewAgreement<'_>) -> db::Result<()> {
    sqlx::query!(
        "insert into agreement (tenant_id, id, mode, template_id, account_address, customer_id, wrapped_key, sealed,
            created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        tx.tenant().0,
        new.id,
        new.mode.as_str(),
        new.template,
        new.account,
        new.customer,
        new.key.0,
        new.sealed.0,
        new.created_at,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// The customer of a mode whose wallet this is, whom nobody forgets until the transaction ends.
pub async fn customer_of(tx: &mut TenantTx, mode: Mode, account: &[u8]) -> db::Result<Option<Uuid>> {
    let customer = sqlx::query_scalar!(
        "select c.id from wallet w join customer c on c.tenant_id = w.tenant_id and c.id = w.customer_id
        where w.tenant_id = $1 and w.address = $2 and c.mode = $3 and c.forgotten_at is null
        limit 1 for share of c",
        tx.tenant().0,
        account,
        mode.as_str(),
    );
    customer.fetch_optional(&mut **tx).await
}

/// The newest agreements, `limit` at most.
pub async fn list(tx: &mut TenantTx, mode: Mode, limit: i64) -> db::Result<Vec<Row>> {
    let rows = sqlx::query_as!(
        Row,
        "select a.id, t.kind, a.account_address, a.customer_id, a.wrapped_key, a.sealed, a.status, a.created_at,
            a.decided_at
        from agreement a join agreement_template t on t.tenant_id = a.tenant_id and t.id = a.template_id
        where a.tenant_id = $1 and a.mode = $2 order by a.id desc limit $3",
        tx.tenant().0,
        mode.as_str(),
        limit,
    );
    rows.fetch_all(&mut **tx).await
}

/// One agreement; whoever means to decide on it has it alone until the transaction ends.
pub async fn find(tx: &mut TenantTx, mode: Mode, id: Uuid, to_decide: bool) -> db::Result<Option<Row>> {
    if to_decide {
        let locked = sqlx::query!(
            "select id from agreement where tenant_id = $1 and mode = $2 and id = $3 for update",
            tx.tenant().0,
            mode.as_str(),
            id,
        );
        locked.fetch_optional(&mut **tx).await?;
    }
    let row = sqlx::query_as!(
        Row,
        "select a.id, t.kind, a.account_address, a.customer_id, a.wrapped_key, a.sealed, a.status, a.created_at,
            a.decided_at
        from agreement a join agreement_template t on t.tenant_id = a.tenant_id and t.id = a.template_id
        where a.tenant_id = $1 and a.mode = $2 and a.id = $3",
        tx.tenant().0,
        mode.as_str(),
        id,
    );
    row.fetch_optional(&mut **tx).await
}

/// A decision as it is written.
pub struct Decided<'a> {
    pub status: Status,
    pub by_key: Uuid,
    pub from: Option<&'a Sealed>,
    pub at: DateTime<Utc>,
}

/// Writes a decision down, and the customer as the row has it; `false` when there is one already.
pub async fn decide(tx: &mut TenantTx, row: &Row, decided: &Decided<'_>) -> db::Result<bool> {
    let decided = sqlx::query!(
        "update agreement set status = $3, customer_id = $4, decided_by = $5, decided_at = $6, decided_from = $7
        where tenant_id = $1 and id = $2 and status = 'PENDING'",
        tx.tenant().0,
        row.id,
        decided.status.as_str(),
        row.customer_id,
        decided.by_key,
        decided.at,
        decided.from.map(|sealed| sealed.0.as_slice()),
    );
    Ok(decided.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Throws the keys away of what a customer was shown, also under wallets that became theirs later; returns how many.
/// A customer of the other mode with the same address keeps theirs.
pub async fn forget(tx: &mut TenantTx, customer: Uuid) -> db::Result<u64> {
    // Two statements, each answered from an index: a tenant may have any number of agreements, and the customer waits.
    let theirs = sqlx::query!(
        "update agreement set wrapped_key = null
        where tenant_id = $1 and customer_id = $2 and wrapped_key is not null",
        tx.tenant().0,
        customer,
    );
    let theirs = theirs.execute(&mut **tx).await?.rows_affected();
    let of_nobody = sqlx::query!(
        "update agreement a set wrapped_key = null from wallet w
        where w.tenant_id = $1 and w.customer_id = $2 and a.tenant_id = $1 and a.account_address = w.address
            and a.mode = w.mode and a.customer_id is null and a.wrapped_key is not null",
        tx.tenant().0,
        customer,
    );
    Ok(theirs + of_nobody.execute(&mut **tx).await?.rows_affected())
}

/// Throws the keys away of what was shown before `before` to people who said nothing and became nobody's customer,
/// `limit` at most; returns how many.
pub async fn forget_undecided(tx: &mut TenantTx, before: DateTime<Utc>, limit: i64) -> db::Result<u64> {
    let forgotten = sqlx::query!(
        "update agreement set wrapped_key = null
        where tenant_id = $1 and status = 'PENDING' and id = any (array(
            select a.id from agreement a
            where a.tenant_id = $1 and a.status = 'PENDING' and a.customer_id is null and a.wrapped_key is not null
                and a.created_at < $2 and not exists (
                    select from wallet w where w.tenant_id = a.tenant_id and w.mode = a.mode
                        and w.address = a.account_address)
            order by a.created_at limit $3))",
        tx.tenant().0,
        before,
        limit,
    );
    Ok(forgotten.execute(&mut **tx).await?.rows_affected())
}

/// How an agreement was decided on, for who has to prove it.
pub struct Evidence {
    pub kind: String,
    pub version: i32,
    pub mode: String,
    pub customer_id: Option<Uuid>,
    pub status: String,
    pub created_at: DateTime<Utc>,
    pub decided_at: Option<DateTime<Utc>>,
    /// The name of the API key.
    pub decided_by: Option<String>,
    pub decided_from: Option<Vec<u8>>,
    pub wrapped_key: Option<Vec<u8>>,
}

/// How an agreement of either mode was decided on.
pub async fn evidence(tx: &mut TenantTx, id: Uuid) -> db::Result<Option<Evidence>> {
    let evidence = sqlx::query_as!(
        Evidence,
        r#"select t.kind, t.version, a.mode, a.customer_id, a.status, a.created_at, a.decided_at,
            k.name as "decided_by?", a.decided_from, a.wrapped_key
        from agreement a
        join agreement_template t on t.tenant_id = a.tenant_id and t.id = a.template_id
        left join api_key k on k.tenant_id = a.tenant_id and k.id = a.decided_by
        where a.tenant_id = $1 and a.id = $2"#,
        tx.tenant().0,
        id,
    );
    evidence.fetch_optional(&mut **tx).await
}
