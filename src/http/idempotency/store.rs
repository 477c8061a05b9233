//! SQL of the kept answers.

use super::{Result, still_running};
use crate::db::{Db, TenantTx};
use crate::foundation::Mode;
use crate::http::OnConstraint;

/// A kept answer.
pub struct Record {
    pub digest: Vec<u8>,
    pub status: i16,
    pub answer: Vec<u8>,
}

/// Takes a key's lock until the transaction ends; `false` when another transaction holds it.
pub async fn lock(tx: &mut TenantTx, number: i64) -> Result<bool> {
    let locked = sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1) as "locked!""#, number);
    Ok(locked.fetch_one(&mut **tx).await?)
}

/// The answer kept for a key within the last 24 hours.
pub async fn find(tx: &mut TenantTx, mode: Mode, key: &str) -> Result<Option<Record>> {
    let record = sqlx::query_as!(
        Record,
        "select digest, status, answer from idempotency_record
        where tenant_id = $1 and mode = $2 and key = $3 and created_at > now() - interval '24 hours'",
        tx.tenant().0,
        mode.as_str(),
        key,
    );
    Ok(record.fetch_optional(&mut **tx).await?)
}

/// Keeps an answer in place of an outdated one.
pub async fn insert(tx: &mut TenantTx, mode: Mode, key: &str, digest: &[u8], status: i16, answer: &[u8]) -> Result<()> {
    let tenant = tx.tenant().0;
    sqlx::query!(
        "delete from idempotency_record
        where tenant_id = $1 and mode = $2 and key = $3 and created_at <= now() - interval '24 hours'",
        tenant,
        mode.as_str(),
        key,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "insert into idempotency_record (tenant_id, mode, key, digest, status, answer) values ($1, $2, $3, $4, $5, $6)",
        tenant,
        mode.as_str(),
        key,
        digest,
        status,
        answer,
    )
    .execute(&mut **tx)
    .await
    .on_constraint("idempotency_record_pkey", |_| still_running())?;
    Ok(())
}

/// Deletes answers older than 24 hours, in portions that hold no lock for long; returns how many. For a periodic job.
pub async fn purge(db: &Db) -> Result<u64> {
    let mut purged = 0;
    loop {
        let mut tx = db.engine().await?;
        let portion = sqlx::query!(
            "delete from idempotency_record where (tenant_id, mode, key) in (
                select tenant_id, mode, key from idempotency_record
                where created_at <= now() - interval '24 hours' order by created_at limit 5000)",
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.commit().await?;
        purged += portion;
        if portion < 5000 {
            return Ok(purged);
        }
    }
}
