//! `/admin/outbox`: messages that a development server would have sent.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Operator;
use crate::http::openapi::{CaasError, CaasErrors};
use crate::http::{Error, Result};
use crate::product::App;
use crate::providers::messages::Sent;

#[derive(Serialize, ToSchema)]
pub struct Messages {
    messages: Vec<Sent>,
}

/// Text messages and e-mails that were not sent because they land here, newest first. There is no such page where
/// messages are sent.
#[utoipa::path(get, path = "/admin/outbox", operation_id = "read_outbox", tag = "Admin", security(("operator" = [])),
    responses(
        (status = 200, description = "The messages of this process", body = Messages),
        (status = 404, description = "Messages are sent, or nobody takes them", body = CaasError),
        CaasErrors))]
pub async fn list(_: Operator, State(app): State<App>) -> Result<Json<Messages>> {
    let outbox = app.messages.outbox().ok_or_else(|| Error::from_status(axum::http::StatusCode::NOT_FOUND))?;
    Ok(Json(Messages { messages: outbox.messages() }))
}
