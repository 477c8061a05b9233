//! `/v1/dashboard/webhooks/logs`

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::routes;
use super::store::{self, Filter, LogRow};
use crate::auth::Dashboard;
use crate::db::{Page, PageRequest};
use crate::foundation::PublicId;
use crate::http::openapi::{CaasError, CaasErrors};
use crate::http::{Query, Result, page_bounds};
use crate::product::App;
use crate::webhooks::{EVENT_ID, EventType};

/// What names a delivery to callers.
pub const ID: &str = "log";

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = WebhookStatus)]
pub enum Status {
    /// It waits for its turn or for another attempt.
    Pending,
    /// It was answered with 2xx.
    Delivered,
    /// It was given up, or the webhook was deleted.
    Failed,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WantedLogs {
    /// Only what was for this webhook.
    #[param(example = "webhook_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    endpoint: Option<String>,
    /// Only these events.
    event: Option<EventType>,
    /// Only what stands there.
    status: Option<Status>,
    /// At most this many, 1 to 100 (20 when absent).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// One event for one endpoint, and every attempt to deliver it.
#[derive(Serialize, ToSchema)]
pub struct WebhookLog {
    #[schema(example = "log_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    id: String,
    #[schema(example = "webhook_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    endpoint_id: String,
    /// Sent as `webhook-id`.
    #[schema(example = "evt_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    event_id: String,
    #[schema(value_type = EventType, example = "deposit.settled")]
    event: String,
    #[schema(value_type = Status, example = "delivered")]
    status: String,
    /// The last answer's HTTP status.
    #[schema(example = 200)]
    status_code: Option<i16>,
    /// Why it is not delivered.
    #[schema(example = "no answer within 10 seconds")]
    error: Option<String>,
    created_at: DateTime<Utc>,
    /// When it was delivered or given up.
    ended_at: Option<DateTime<Utc>>,
    /// When it is tried next; absent when it is over.
    next_attempt_at: Option<DateTime<Utc>>,
    /// Oldest first.
    attempts: Vec<WebhookAttempt>,
}

/// One request.
#[derive(Serialize, ToSchema)]
pub struct WebhookAttempt {
    #[schema(example = 1)]
    pub number: i32,
    pub at: DateTime<Utc>,
    /// From the look-up of the host to the end of the answer.
    #[schema(example = 87)]
    pub duration_ms: i32,
    #[schema(example = 503)]
    pub status_code: Option<i16>,
    #[schema(example = "answered 503 Service Unavailable")]
    pub error: Option<String>,
    /// The first characters of the answer's body.
    pub answer: Option<String>,
}

/// Lists what was sent or is to be sent, newest first, with every attempt. Kept for 30 days.
#[utoipa::path(get, path = "/v1/dashboard/webhooks/logs", operation_id = "list_webhook_logs", tag = "Webhooks",
    security(("bearer" = [])), params(WantedLogs),
    responses((status = 200, description = "A page of logs", body = Page<WebhookLog>),
        (status = 403, description = "The token does not permit waas", body = CaasError),
        (status = 404, description = "There is no such webhook", body = CaasError), CaasErrors))]
pub async fn list(
    caller: Dashboard,
    State(app): State<App>,
    Query(wanted): Query<WantedLogs>,
) -> Result<Json<Page<WebhookLog>>> {
    let WantedLogs { endpoint, event, status, limit, cursor } = wanted;
    let (limit, after) = page_bounds(&PageRequest { limit, cursor })?;
    let endpoint = endpoint.as_deref().map(routes::read_id).transpose()?;
    let filter = Filter { endpoint, event: event.map(EventType::as_str), status: status.map(Status::as_str) };
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(endpoint) = endpoint
        && !store::ever_existed(&mut tx, endpoint).await?
    {
        return Err(routes::unknown());
    }
    let rows = store::logs(&mut tx, &filter, after.map(|cursor| cursor.0), limit).await?;
    let page = Page::of(rows, limit, |row| row.id);
    let ids: Vec<_> = page.data.iter().map(|row| row.id).collect();
    let mut attempts = store::attempts(&mut tx, &ids).await?;
    tx.commit().await?;
    Ok(Json(page.map(|row| {
        let attempts = attempts.remove(&row.id).unwrap_or_default();
        WebhookLog::of(row, attempts)
    })))
}

impl WebhookLog {
    fn of(row: LogRow, attempts: Vec<WebhookAttempt>) -> Self {
        Self {
            id: PublicId::format(ID, row.id),
            endpoint_id: PublicId::format(routes::ID, row.endpoint_id),
            event_id: PublicId::format(EVENT_ID, row.event_id),
            event: row.event,
            status: row.status,
            status_code: row.status_code,
            error: row.failure,
            created_at: row.created_at,
            ended_at: row.ended_at,
            next_attempt_at: row.ended_at.is_none().then_some(row.next_at),
            attempts,
        }
    }
}
