//! `/admin/jobs`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::Operator;
use crate::db::{Page, PageRequest};
use crate::foundation::{Mode, TenantId};
use crate::http::idempotency::Once;
use crate::http::openapi::{CaasError, CaasErrors};
use crate::http::{Error, Path, Query, Result, page_bounds};
use crate::jobs::{Jobs, Listed, Retry, Status};
use crate::product::App;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WantedJobs {
    /// Only jobs that stand there.
    status: Option<Status>,
    /// At most this many, 1 to 100 (20 when absent).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists background jobs, newest first.
#[utoipa::path(get, path = "/admin/jobs", operation_id = "list_jobs", tag = "Admin", security(("operator" = [])),
    params(WantedJobs),
    responses((status = 200, description = "A page of jobs", body = Page<Listed>), CaasErrors))]
pub async fn list(_: Operator, State(app): State<App>, Query(wanted): Query<WantedJobs>) -> Result<Json<Page<Listed>>> {
    let WantedJobs { status, limit, cursor } = wanted;
    let (limit, after) = page_bounds(&PageRequest { limit, cursor })?;
    Ok(Json(Jobs::list(&app.db, status, limit, after.map(|cursor| cursor.0)).await?))
}

#[derive(Serialize, ToSchema)]
pub struct RetriedJob {
    /// The job.
    id: Uuid,
    /// `waiting`: it runs as soon as somebody is free.
    status: Status,
}

/// Runs a dead job again, with all its attempts before it.
#[utoipa::path(post, path = "/admin/jobs/{id}/retry", operation_id = "retry_job", tag = "Admin", security(("operator" = [])),
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "It waits to be run", body = RetriedJob),
        (status = 404, description = "There is no such job", body = CaasError),
        (status = 409, description = "It is not dead", body = CaasError),
        (status = 413, description = "The body is larger than 1 MiB", body = CaasError),
        CaasErrors))]
pub async fn retry(_: Operator, State(app): State<App>, Path(id): Path<String>, once: Once) -> Result<Response> {
    let unknown = || Error::not_found("job_not_found", "there is no such job");
    let id = Uuid::try_parse(&id).map_err(|_| unknown())?;
    let mut tx = app.db.tenant(TenantId::OPERATOR).begin().await?;
    if let Some(first) = once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    match Jobs::retry(&mut tx, id).await? {
        Retry::Waiting => once.commit(tx, StatusCode::OK, &RetriedJob { id, status: Status::Waiting }).await,
        Retry::NotDead(status) => {
            Err(Error::conflict("job_not_dead", "only a dead job can be retried").with("status", status))
        }
        Retry::Unknown => Err(unknown()),
    }
}
