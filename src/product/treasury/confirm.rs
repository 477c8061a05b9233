//! `/v1/dashboard/treasury/topup/{id}/confirm`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::routes::ListedTopup;
use super::topup::Topups;
use crate::auth::OperatorOrSuperAdmin;
use crate::foundation::Mode;
use crate::http::idempotency::Once;
use crate::http::openapi::{CaasError, CaasErrors};
use crate::http::{Error, Path, Result};
use crate::product::App;

/// Says that a top-up's money has arrived, and credits it. Once, however often this is called.
#[utoipa::path(post, path = "/v1/dashboard/treasury/topup/{id}/confirm", operation_id = "confirm_topup", tag = "Treasury",
    security(("bearer" = []), ("operator" = [])),
    params(("id" = String, Path, example = "topup_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")),
    responses(
        (status = 200, description = "The top-up, credited now or before", body = ListedTopup),
        (status = 403, description = "Only an operator or a super admin may confirm", body = CaasError),
        (status = 404, description = "There is no such top-up", body = CaasError),
        (status = 409, description = "The Idempotency-Key was sent with another request, or is being served", body = CaasError),
        (status = 413, description = "The body is larger than 1 MiB", body = CaasError),
        CaasErrors))]
pub async fn confirm(
    caller: OperatorOrSuperAdmin,
    State(app): State<App>,
    Path(id): Path<String>,
    once: Once,
) -> Result<Response> {
    let unknown = || Error::not_found("topup_not_found", "there is no such top-up");
    let id = Topups::read_id(&id).ok_or_else(unknown)?;
    let (tenant, by) = match caller {
        OperatorOrSuperAdmin::Operator => {
            (Topups::owner(&app.db, id).await?.ok_or_else(unknown)?, "operator".to_owned())
        }
        OperatorOrSuperAdmin::SuperAdmin(user) => (user.tenant, format!("user:{}", user.subject)),
    };
    let mut tx = app.db.tenant(tenant).begin().await?;
    if let Some(first) = once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    let topup = Topups::confirm(&mut tx, id, &by, app.clock.now()).await?.ok_or_else(unknown)?;
    let answer = ListedTopup::of(&app.tokens, topup)?;
    once.commit(tx, StatusCode::OK, &answer).await
}
