//! SQL of the kept answers.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Result, still_running};
use crate::db::{Db, TenantTx};
use crate::foundation::{Mode, TenantId};
use crate::http::OnConstraint;

/// A kept answer.
#[derive(Clone)]
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

/// Forgets the answer that was kept for a request.
pub async fn remove(tx: &mut TenantTx, mode: Mode, key: &str, digest: &[u8]) -> Result<()> {
    sqlx::query!(
        "delete from idempotency_record where tenant_id = $1 and mode = $2 and key = $3 and digest = $4",
        tx.tenant().0,
        mode.as_str(),
        key,
        digest,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// An answer to be kept.
pub struct New<'a> {
    pub tenant: TenantId,
    pub mode: Mode,
    pub key: &'a str,
    pub digest: [u8; 32],
    pub status: i16,
    pub answer: Vec<u8>,
}

/// [`lock`] for many keys: which of them are ours.
pub async fn lock_all(tx: &mut TenantTx, numbers: &[i64]) -> Result<Vec<bool>> {
    let locked = sqlx::query_scalar!(
        r#"select pg_try_advisory_xact_lock(number) as "locked!"
        from unnest($1::bigint[]) with ordinality as k (number, ord) order by ord"#,
        numbers,
    );
    Ok(locked.fetch_all(&mut **tx).await?)
}

/// [`find`] for many keys.
pub async fn find_all(
    tx: &mut TenantTx,
    names: &[(TenantId, Mode, &str)],
) -> Result<HashMap<(TenantId, Mode, String), Record>> {
    let rows = sqlx::query!(
        "select r.tenant_id, r.mode, r.key, r.digest, r.status, r.answer
        from unnest($1::uuid[], $2::text[], $3::text[]) as k (tenant_id, mode, key)
        join idempotency_record r using (tenant_id, mode, key)
        where r.created_at > now() - interval '24 hours'",
        &names.iter().map(|(tenant, ..)| tenant.0).collect::<Vec<Uuid>>(),
        &names.iter().map(|(_, mode, _)| mode.as_str()).collect::<Vec<_>>() as &[&str],
        &names.iter().map(|(.., key)| *key).collect::<Vec<_>>() as &[&str],
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let name = (TenantId(row.tenant_id), Mode::from_word(&row.mode)?, row.key);
            Some((name, Record { digest: row.digest, status: row.status, answer: row.answer }))
        })
        .collect())
}

/// [`insert`] for many answers under different keys.
pub async fn insert_all(tx: &mut TenantTx, new: &[New<'_>]) -> Result<()> {
    let tenants: Vec<Uuid> = new.iter().map(|one| one.tenant.0).collect();
    let modes: Vec<&str> = new.iter().map(|one| one.mode.as_str()).collect();
    let keys: Vec<&str> = new.iter().map(|one| one.key).collect();
    sqlx::query!(
        "delete from idempotency_record r
        using unnest($1::uuid[], $2::text[], $3::text[]) as k (tenant_id, mode, key)
        where r.tenant_id = k.tenant_id and r.mode = k.mode and r.key = k.key
            and r.created_at <= now() - interval '24 hours'",
        &tenants,
        &modes as &[&str],
        &keys as &[&str],
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "insert into idempotency_record (tenant_id, mode, key, digest, status, answer)
        select * from unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::smallint[], $6::bytea[])",
        &tenants,
        &modes as &[&str],
        &keys as &[&str],
        &new.iter().map(|one| one.digest.to_vec()).collect::<Vec<_>>(),
        &new.iter().map(|one| one.status).collect::<Vec<_>>(),
        &new.iter().map(|one| one.answer.clone()).collect::<Vec<_>>(),
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
