//! `/v1/dashboard/apikeys`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::{ApiKeys, store};
use crate::auth::Dashboard;
use crate::db::{Page, PageRequest};
use crate::foundation::{Mode, PublicId};
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, Path, Posted, Query, Result, page_bounds};
use crate::product::App;

const ID: &str = "key";

#[derive(Deserialize, Validate, ToSchema)]
pub struct NewKey {
    /// What to call it; unique among the tenant's unrevoked keys of the mode.
    #[validate(length(min = 1, max = 100))]
    #[schema(example = "till 7", min_length = 1, max_length = 100)]
    name: String,
    /// `live` when absent.
    #[serde(default)]
    mode: Mode,
}

/// A key with its secret. No `Debug`: the secret is for the caller alone.
#[derive(Serialize, ToSchema)]
pub struct IssuedKey {
    #[schema(example = "key_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    id: String,
    name: String,
    mode: Mode,
    /// The secret. It is in this answer and nowhere else.
    #[schema(example = "sk_live_…")]
    key_secret: String,
    /// The secret's beginning, by which it can be told from others.
    #[schema(example = "sk_live_1f0c9a2e")]
    prefix: String,
    created_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
pub struct ListedKey {
    #[schema(example = "key_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    id: String,
    name: String,
    #[schema(value_type = Mode)]
    mode: String,
    #[schema(example = "sk_live_1f0c9a2e")]
    prefix: String,
    created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<DateTime<Utc>>,
}

/// Issues an API key. The secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/dashboard/apikeys", operation_id = "issue_api_key", tag = "API keys", security(("bearer" = [])),
    request_body = NewKey,
    responses((status = 201, description = "The key, with its secret", body = IssuedKey),
        (status = 403, description = "The token does not permit this", body = CaasError), CaasErrors, CaasPostErrors))]
pub async fn create(caller: Dashboard, State(app): State<App>, posted: Posted<NewKey>) -> Result<Response> {
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = posted.once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    let NewKey { name, mode } = posted.body;
    let (key, secret) = ApiKeys::issue(&mut tx, name, mode, app.clock.now()).await?;
    let answer = IssuedKey {
        id: PublicId::format(ID, key.id),
        name: key.name,
        mode: key.mode,
        key_secret: secret.expose_secret().to_owned(),
        prefix: key.prefix,
        created_at: key.created_at,
    };
    posted.once.commit(tx, StatusCode::CREATED, &answer).await
}

/// Lists API keys, newest first, revoked ones too.
#[utoipa::path(get, path = "/v1/dashboard/apikeys", operation_id = "list_api_keys", tag = "API keys", security(("bearer" = [])),
    params(PageRequest), responses((status = 200, description = "A page of keys", body = Page<ListedKey>),
        (status = 403, description = "The token does not permit this", body = CaasError), CaasErrors))]
pub async fn list(
    caller: Dashboard,
    State(app): State<App>,
    Query(page): Query<PageRequest>,
) -> Result<Json<Page<ListedKey>>> {
    let (limit, after) = page_bounds(&page)?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let rows = store::list(&mut tx, after, limit).await?;
    tx.commit().await?;
    Ok(Json(Page::of(rows, limit, |row| row.id).map(ListedKey::from)))
}

/// Revokes an API key. It stops working within a second.
#[utoipa::path(delete, path = "/v1/dashboard/apikeys/{id}", operation_id = "revoke_api_key", tag = "API keys", security(("bearer" = [])),
    params(("id" = String, Path, example = "key_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")),
    responses((status = 204, description = "Revoked"),
        (status = 403, description = "The token does not permit this", body = CaasError),
        (status = 404, description = "There is no such key", body = CaasError), CaasErrors))]
pub async fn revoke(caller: Dashboard, State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode> {
    let unknown = || Error::not_found("key_not_found", "there is no such API key, or it is revoked already");
    let id = PublicId::parse(ID, &id).map_err(|_| unknown())?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if !ApiKeys::revoke(&mut tx, id, app.clock.now()).await? {
        return Err(unknown());
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<store::Row> for ListedKey {
    fn from(row: store::Row) -> Self {
        Self {
            id: PublicId::format(ID, row.id),
            name: row.name,
            mode: row.mode,
            prefix: row.prefix,
            created_at: row.created_at,
            revoked_at: row.revoked_at,
        }
    }
}
