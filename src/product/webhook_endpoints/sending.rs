//! `/v1/dashboard/webhooks/{id}/test`, `/v1/dashboard/webhooks/logs/{id}/replay`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::SubsecRound;
use serde::Serialize;
use utoipa::ToSchema;

use super::log::{self, Status};
use super::{routes, store};
use crate::auth::Dashboard;
use crate::foundation::{Mode, PublicId};
use crate::http::idempotency::Once;
use crate::http::openapi::{CaasError, CaasErrors};
use crate::http::{Error, Path, Result};
use crate::product::App;
use crate::webhooks::{self, EVENT_ID, Enqueued};

/// An event on its way to one webhook.
#[derive(Serialize, ToSchema)]
pub struct EnqueuedWebhook {
    /// The entry of `/v1/dashboard/webhooks/logs` that tells what becomes of it.
    #[schema(example = "log_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    log_id: String,
    /// Sent as `webhook-id`.
    #[schema(example = "evt_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    event_id: String,
    #[schema(example = "pending")]
    status: Status,
}

/// Sends a `webhook.test` to this endpoint alone, whichever events it wants.
#[utoipa::path(post, path = "/v1/dashboard/webhooks/{id}/test", operation_id = "test_webhook", tag = "Webhooks",
    security(("bearer" = [])), params(("id" = String, Path, example = "webhook_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")),
    responses((status = 202, description = "It is on its way", body = EnqueuedWebhook),
        (status = 403, description = "The token does not permit waas", body = CaasError),
        (status = 404, description = "There is no such webhook", body = CaasError),
        (status = 409, description = "The Idempotency-Key was sent with another request, or is being served", body = CaasError),
        (status = 413, description = "The body is larger than 1 MiB", body = CaasError), CaasErrors))]
pub async fn test(caller: Dashboard, State(app): State<App>, Path(id): Path<String>, once: Once) -> Result<Response> {
    let id = routes::read_id(&id)?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    if !store::lock(&mut tx, id).await? {
        return Err(routes::unknown());
    }
    let enqueued = webhooks::enqueue_test(&mut tx, id, app.clock.now().trunc_subsecs(6)).await?;
    once.commit(tx, StatusCode::ACCEPTED, &EnqueuedWebhook::of(enqueued)?).await
}

/// Sends an event to its webhook again, now, under the same `webhook-id`; a log of its own tells what becomes of it.
#[utoipa::path(post, path = "/v1/dashboard/webhooks/logs/{id}/replay", operation_id = "replay_webhook",
    tag = "Webhooks", security(("bearer" = [])),
    params(("id" = String, Path, example = "log_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")),
    responses((status = 202, description = "It is on its way", body = EnqueuedWebhook),
        (status = 403, description = "The token does not permit waas", body = CaasError),
        (status = 404, description = "There is no such log", body = CaasError),
        (status = 409, description = "The event is on its way already, or the webhook is deleted; or the Idempotency-Key was sent with another request, or is being served", body = CaasError),
        (status = 413, description = "The body is larger than 1 MiB", body = CaasError), CaasErrors))]
pub async fn replay(caller: Dashboard, State(app): State<App>, Path(id): Path<String>, once: Once) -> Result<Response> {
    let unknown = || Error::not_found("log_not_found", "there is no such log");
    let id = PublicId::parse(log::ID, &id).map_err(|_| unknown())?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    let enqueued = webhooks::enqueue_replay(&mut tx, id).await?;
    once.commit(tx, StatusCode::ACCEPTED, &EnqueuedWebhook::of(enqueued)?).await
}

impl EnqueuedWebhook {
    /// What was enqueued; otherwise the refusal.
    fn of(enqueued: Enqueued) -> Result<Self> {
        match enqueued {
            Enqueued::New { delivery, event } => Ok(Self {
                log_id: PublicId::format(log::ID, delivery),
                event_id: PublicId::format(EVENT_ID, event),
                status: Status::Pending,
            }),
            Enqueued::Unknown => Err(Error::not_found("log_not_found", "there is no such log")),
            Enqueued::Pending => Err(Error::conflict("delivery_pending", "this event is on its way to that webhook")),
            Enqueued::NoEndpoint => Err(Error::conflict("webhook_deleted", "the webhook of this log is deleted")),
        }
    }
}
