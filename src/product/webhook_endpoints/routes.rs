//! `/v1/dashboard/webhooks`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, SubsecRound, Utc};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::secrets::add_secret;
use super::store;
use crate::auth::Dashboard;
use crate::db::{Page, PageRequest};
use crate::foundation::{Mode, PublicId};
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, Path, Posted, Query, Result, page_bounds};
use crate::product::App;
use crate::webhooks::EventType;

/// What names an endpoint to callers.
pub const ID: &str = "webhook";

/// Endpoints that a tenant may have at once.
const MOST: i64 = 20;

#[derive(Deserialize, Validate, ToSchema)]
pub struct NewWebhook {
    /// Where to send events: `https://`, a public host, at most 2048 characters.
    #[schema(example = "https://example.com/hooks/diolkos", max_length = 2048)]
    url: String,
    /// The events that are wanted; all, also those that come later, when absent.
    #[validate(length(min = 1, max = 100))]
    #[schema(value_type = Option<Vec<EventType>>, example = json!(["deposit.settled", "deposit.failed"]),
        min_items = 1, max_items = 100)]
    events: Option<Vec<String>>,
    /// Whatever you want to remember.
    #[validate(length(max = 500))]
    #[schema(max_length = 500)]
    description: Option<String>,
}

/// An endpoint with its secret. No `Debug`: the secret is for the caller alone.
#[derive(Serialize, ToSchema)]
pub struct CreatedWebhook {
    #[serde(flatten)]
    webhook: Webhook,
    /// Signs what is sent (Standard Webhooks). It is in this answer and nowhere else.
    #[schema(example = "whsec_…")]
    secret: String,
}

#[derive(Serialize, ToSchema)]
pub struct Webhook {
    #[schema(example = "webhook_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    id: String,
    #[schema(example = "https://example.com/hooks/diolkos")]
    url: String,
    /// The events that it wants; null: all.
    #[schema(value_type = Option<Vec<EventType>>, example = json!(["deposit.settled", "deposit.failed"]))]
    events: Option<Vec<String>>,
    description: Option<String>,
    created_at: DateTime<Utc>,
}

/// Makes an endpoint. Its secret is in this answer and nowhere else.
///
/// Each event is sent as a POST of `{"event", "timestamp", "data"}`, signed as [Standard
/// Webhooks](https://www.standardwebhooks.com) define, at least once and in the order of what happened to one deposit or
/// top-up. Answer 2xx within 10 seconds; anything else is tried again for 24 hours, later each time.
#[utoipa::path(post, path = "/v1/dashboard/webhooks", operation_id = "create_webhook", tag = "Webhooks",
    security(("bearer" = [])), request_body = NewWebhook,
    responses((status = 201, description = "The endpoint, with its secret", body = CreatedWebhook),
        (status = 403, description = "The token does not permit waas", body = CaasError), CaasErrors, CaasPostErrors))]
pub async fn create(caller: Dashboard, State(app): State<App>, posted: Posted<NewWebhook>) -> Result<Response> {
    let NewWebhook { url, events, description } = posted.body;
    if let Some(unknown) = events.iter().flatten().find(|event| EventType::from_word(event).is_none()) {
        let shown: String = unknown.chars().take(50).collect();
        return Err(Error::invalid_field("events", format!("has {shown:?}, which is no event")));
    }
    let url = app.webhooks.check(url.trim()).await.map_err(|why| Error::invalid_field("url", why))?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = posted.once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    let webhook = store::Row {
        id: Uuid::now_v7(),
        url: url.into(),
        events,
        description,
        created_at: app.clock.now().trunc_subsecs(6),
    };
    if !store::insert(&mut tx, &webhook, MOST).await? {
        let message = format!("a tenant has at most {MOST} webhooks; delete one first");
        return Err(Error::conflict("too_many_webhooks", message));
    }
    let secret = add_secret(&mut tx, &app, webhook.id, webhook.created_at).await?;
    let answer = CreatedWebhook { webhook: webhook.into(), secret: secret.expose_secret().to_owned() };
    posted.once.commit(tx, StatusCode::CREATED, &answer).await
}

/// Lists endpoints, newest first.
#[utoipa::path(get, path = "/v1/dashboard/webhooks", operation_id = "list_webhooks", tag = "Webhooks",
    security(("bearer" = [])), params(PageRequest),
    responses((status = 200, description = "A page of endpoints", body = Page<Webhook>),
        (status = 403, description = "The token does not permit waas", body = CaasError), CaasErrors))]
pub async fn list(
    caller: Dashboard,
    State(app): State<App>,
    Query(page): Query<PageRequest>,
) -> Result<Json<Page<Webhook>>> {
    let (limit, after) = page_bounds(&page)?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let rows = store::list(&mut tx, after.map(|cursor| cursor.0), limit).await?;
    tx.commit().await?;
    Ok(Json(Page::of(rows, limit, |row| row.id).map(Webhook::from)))
}

/// Deletes an endpoint with its secrets. What was on its way to it is not sent any more; its logs stay.
#[utoipa::path(delete, path = "/v1/dashboard/webhooks/{id}", operation_id = "delete_webhook", tag = "Webhooks",
    security(("bearer" = [])), params(("id" = String, Path, example = "webhook_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")),
    responses((status = 204, description = "Deleted"),
        (status = 403, description = "The token does not permit waas", body = CaasError),
        (status = 404, description = "There is no such webhook", body = CaasError), CaasErrors))]
pub async fn delete(caller: Dashboard, State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode> {
    let id = read_id(&id)?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if !store::delete(&mut tx, id, app.clock.now()).await? {
        return Err(unknown());
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reads an endpoint's id; 404 when it is none.
pub fn read_id(text: &str) -> Result<Uuid> {
    PublicId::parse(ID, text).map_err(|_| unknown())
}

/// 404: there is no such endpoint of the caller's.
#[track_caller]
pub fn unknown() -> Error {
    Error::not_found("webhook_not_found", "there is no such webhook, or it is deleted")
}

impl From<store::Row> for Webhook {
    fn from(row: store::Row) -> Self {
        let store::Row { id, url, events, description, created_at } = row;
        Self { id: PublicId::format(ID, id), url, events, description, created_at }
    }
}
