//! SQL of what was sent.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{self, TenantTx};
use crate::product::webhook_endpoints::log::WebhookAttempt;

/// A delivery as the logs show it.
pub struct LogRow {
    pub id: Uuid,
    pub endpoint_id: Uuid,
    pub event_id: Uuid,
    pub event: String,
    pub status: String,
    pub status_code: Option<i16>,
    pub failure: Option<String>,
    pub created_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub next_at: DateTime<Utc>,
}

/// Which deliveries the logs show.
pub struct Filter {
    pub endpoint: Option<Uuid>,
    pub event: Option<&'static str>,
    pub status: Option<&'static str>,
}

/// Up to `limit + 1` deliveries, newest first, after the cursor.
pub async fn logs(tx: &mut TenantTx, filter: &Filter, after: Option<Uuid>, limit: i64) -> db::Result<Vec<LogRow>> {
    sqlx::query_as!(
        LogRow,
        "select id, endpoint_id, event_id, event, status, status_code, failure, created_at, ended_at, next_at
        from webhook_delivery
        where tenant_id = $1 and ($2::uuid is null or endpoint_id = $2) and ($3::text is null or event = $3)
            and ($4::text is null or status = $4) and ($5::uuid is null or id < $5)
        order by id desc limit $6",
        tx.tenant().0,
        filter.endpoint,
        filter.event,
        filter.status,
        after,
        limit + 1,
    )
    .fetch_all(&mut **tx)
    .await
}

/// The attempts of deliveries, oldest first.
pub async fn attempts(tx: &mut TenantTx, deliveries: &[Uuid]) -> db::Result<HashMap<Uuid, Vec<WebhookAttempt>>> {
    let rows = sqlx::query!(
        "select delivery_id, number, started_at, duration_ms, status_code, error, answer from webhook_attempt
        where tenant_id = $1 and delivery_id = any($2) order by delivery_id, number",
        tx.tenant().0,
        deliveries,
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut attempts: HashMap<Uuid, Vec<WebhookAttempt>> = HashMap::new();
    for row in rows {
        attempts.entry(row.delivery_id).or_default().push(WebhookAttempt {
            number: row.number,
            at: row.started_at,
            duration_ms: row.duration_ms,
            status_code: row.status_code,
            error: row.error,
            answer: row.answer,
        });
    }
    Ok(attempts)
}
