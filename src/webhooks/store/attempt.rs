//! What is sent, and what became of it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgListener;
use uuid::Uuid;

use super::{Claimed, NEWS};
use crate::db::{self, Db, TenantTx};
use crate::webhooks::transport::Outcome;

/// What is to be sent, and where.
pub struct Parcel {
    pub url: String,
    pub event_id: Uuid,
    pub body: String,
    /// Sealed secrets by their ids, the newest first.
    pub secrets: Vec<(Uuid, Vec<u8>)>,
}

/// What is to be sent for a delivery of the transaction's tenant; `None` when its endpoint is deleted.
pub async fn parcel(tx: &mut TenantTx, delivery: Uuid, now: DateTime<Utc>) -> db::Result<Option<Parcel>> {
    let tenant = tx.tenant().0;
    let row = sqlx::query!(
        "select e.id as endpoint_id, e.url, v.id as event_id, v.body
        from webhook_delivery d
        join webhook_endpoint e on e.tenant_id = d.tenant_id and e.id = d.endpoint_id and e.deleted_at is null
        join webhook_event v on v.tenant_id = d.tenant_id and v.id = d.event_id
        where d.tenant_id = $1 and d.id = $2",
        tenant,
        delivery,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let secrets = sqlx::query!(
        "select id, sealed from webhook_secret
        where tenant_id = $1 and endpoint_id = $2 and (expires_at is null or expires_at > $3) order by id desc",
        tenant,
        row.endpoint_id,
        now,
    )
    .fetch_all(&mut **tx)
    .await?;
    let secrets = secrets.into_iter().map(|secret| (secret.id, secret.sealed)).collect();
    Ok(Some(Parcel { url: row.url, event_id: row.event_id, body: row.body, secrets }))
}

/// An attempt that is over.
pub struct Finished {
    pub claimed: Claimed,
    pub started_at: DateTime<Utc>,
    pub outcome: Outcome,
    /// How long the next attempt waits, if there is one.
    pub pause: Duration,
    /// An endpoint that takes longer is in trouble.
    pub slow: Duration,
}

/// Writes the log of an attempt, where its delivery stands, whose turn it is now, and how the endpoint does. `false` when
/// somebody else has taken the delivery over or it is over: then only the log is written.
pub async fn finish(tx: &mut TenantTx, finished: &Finished) -> db::Result<bool> {
    let Finished { claimed, outcome, .. } = finished;
    let tenant = tx.tenant().0;
    let trouble = sqlx::query_scalar!(
        "select trouble from webhook_endpoint where tenant_id = $1 and id = $2 for no key update",
        tenant,
        claimed.endpoint,
    )
    .fetch_one(&mut **tx)
    .await?;
    insert_attempt(tx, finished).await?;
    let row = sqlx::query!(
        r#"update webhook_delivery set
            status = case when $4 then 'delivered' when now() >= expires_at then 'failed' else 'pending' end,
            ended_at = case when $4 or now() >= expires_at then now() end,
            next_at = least(now() + make_interval(secs => $5), greatest(expires_at, now())),
            lease_until = null,
            status_code = $6,
            failure = $7
        where tenant_id = $1 and id = $2 and attempts = $3 and status = 'pending'
        returning resource, ended_at is not null as "ended!""#,
        tenant,
        claimed.id,
        claimed.attempt,
        outcome.is_delivered(),
        finished.pause.as_secs_f64(),
        outcome.status_code.and_then(|code| i16::try_from(code).ok()),
        outcome.error,
    )
    .fetch_optional(&mut **tx)
    .await?;
    if let Some(row) = row.as_ref().filter(|row| row.ended) {
        next_turn(tx, claimed.endpoint, &row.resource).await?;
    }
    let well = outcome.is_delivered() && outcome.duration <= finished.slow;
    let trouble_now = if well { 0 } else { trouble.saturating_add(1) };
    if trouble_now != trouble {
        sqlx::query!(
            "update webhook_endpoint set trouble = $3 where tenant_id = $1 and id = $2",
            tenant,
            claimed.endpoint,
            trouble_now,
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(row.is_some())
}

/// Gives up a delivery whose endpoint was deleted while it was being stored.
pub async fn abandon(tx: &mut TenantTx, delivery: Uuid) -> db::Result<()> {
    sqlx::query!(
        "update webhook_delivery
        set status = 'failed', ended_at = now(), lease_until = null, failure = 'the webhook was deleted'
        where tenant_id = $1 and id = $2 and status = 'pending'",
        tx.tenant().0,
        delivery,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

async fn insert_attempt(tx: &mut TenantTx, finished: &Finished) -> db::Result<()> {
    let Finished { claimed, outcome, .. } = finished;
    sqlx::query!(
        "insert into webhook_attempt (tenant_id, delivery_id, number, started_at, duration_ms, status_code, error, answer)
        values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing",
        tx.tenant().0,
        claimed.id,
        claimed.attempt,
        finished.started_at,
        i32::try_from(outcome.duration.as_millis()).unwrap_or(i32::MAX),
        outcome.status_code.and_then(|code| i16::try_from(code).ok()),
        outcome.error,
        outcome.answer,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Lets the resource's next delivery, if it was put off, go out now.
async fn next_turn(tx: &mut TenantTx, endpoint: Uuid, resource: &str) -> db::Result<()> {
    sqlx::query!(
        "update webhook_delivery set next_at = now()
        where tenant_id = $1 and next_at > now() and lease_until is null and id = (
            select id from webhook_delivery
            where tenant_id = $1 and endpoint_id = $2 and resource = $3 and status = 'pending'
            order by seq limit 1)",
        tx.tenant().0,
        endpoint,
        resource,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Hears of new deliveries.
pub async fn listen(db: &Db) -> db::Result<PgListener> {
    let mut listener = PgListener::connect_with(db.pool()).await?;
    listener.listen(NEWS).await?;
    Ok(listener)
}
