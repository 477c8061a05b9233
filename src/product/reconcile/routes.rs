//! `/admin/reconcile`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::run::{Depth, ReconcileError, Report, run};
use crate::auth::Operator;
use crate::http::openapi::{CaasError, CaasErrors};
use crate::http::{Error, Query, Result};
use crate::product::App;

/// How far back.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HowFar {
    /// From where reconciliation began; from the last block up to which everything agreed when absent.
    full: Option<bool>,
}

/// Compares the ledger, the operations and the tenants' books with the chain, now.
#[utoipa::path(get, path = "/admin/reconcile", tag = "Admin", security(("operator" = [])), params(HowFar),
    responses(
        (status = 200, description = "What was found; `ok` when nothing", body = Report),
        (status = 502, description = "The chain does not answer", body = CaasError),
        CaasErrors))]
pub async fn reconcile(_: Operator, State(app): State<App>, Query(wanted): Query<HowFar>) -> Result<Json<Report>> {
    let depth = if wanted.full == Some(true) { Depth::Full } else { Depth::SinceAgreed };
    Ok(Json(run(&app, depth).await?))
}

impl From<ReconcileError> for Error {
    fn from(error: ReconcileError) -> Self {
        match error {
            ReconcileError::Database(error) => error.into(),
            ReconcileError::Books(error) => error,
            ReconcileError::Chain(error) => Self::bad_gateway("chain_unavailable", "the chain does not answer", error),
        }
    }
}
