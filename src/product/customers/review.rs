//! `/admin/tenants/{id}/compliance-checks`: operators see which checks have not ended, and end one where no provider does.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::compliance::conclude;
use super::profile::seal;
use super::store::{self, OpenCheck};
use super::verified::Verified;
use crate::auth::Operator;
use crate::db::{Page, PageRequest};
use crate::foundation::Mode;
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, Path, Posted, Query, Result, page_bounds};
use crate::product::App;
use crate::product::ops::Tenants;
use crate::providers::compliance::{Denial, Verdict};

/// A compliance check that has not ended: nothing of it is the customer's own.
#[derive(Serialize, ToSchema)]
pub struct OpenComplianceCheck {
    id: Uuid,
    customer_id: Uuid,
    mode: Mode,
    /// `waiting` (no provider has heard of it), `pending` or `review`.
    #[schema(example = "review")]
    state: String,
    created_at: DateTime<Utc>,
    /// When a provider first heard of it.
    asked_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct ComplianceDecision {
    outcome: ComplianceOutcome,
    /// Why. It is kept with the check; a customer's tenant is shown why one was rejected.
    #[validate(length(min = 1, max = 500))]
    #[schema(example = "Seen in person at the branch", min_length = 1, max_length = 500)]
    reason: String,
    /// Why one was rejected, for programs.
    #[validate(length(max = 50))]
    #[schema(example = "l07", max_length = 50)]
    code: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ComplianceOutcome {
    /// They may be a customer.
    Accepted,
    /// They may not.
    Rejected,
}

#[derive(Serialize, ToSchema)]
pub struct ComplianceDecided {
    id: Uuid,
    customer_id: Uuid,
    outcome: ComplianceOutcome,
}

/// Lists a tenant's compliance checks that have not ended, newest first.
#[utoipa::path(get, path = "/admin/tenants/{id}/compliance-checks", operation_id = "list_compliance_checks", tag = "Admin",
    security(("operator" = [])), params(("id" = String, Path), PageRequest),
    responses((status = 200, description = "A page of open checks", body = Page<OpenComplianceCheck>),
        (status = 404, description = "There is no such tenant", body = CaasError), CaasErrors))]
pub async fn list(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<String>,
    Query(page): Query<PageRequest>,
) -> Result<Json<Page<OpenComplianceCheck>>> {
    let (limit, after) = page_bounds(&page)?;
    let mut tx = Tenants::open(&app.db, &id).await?;
    let rows = store::open_checks(&mut tx, after.map(|cursor| cursor.0), limit).await?;
    tx.commit().await?;
    Page::of(rows, limit, |row| row.id).try_map(OpenComplianceCheck::try_from).map(Json)
}

/// Ends a compliance check: what a provider says of it later counts no more.
///
/// Nothing of what the customer has told counts as verified by it.
#[utoipa::path(post, path = "/admin/tenants/{id}/compliance-checks/{check_id}", operation_id = "end_compliance_check",
    tag = "Admin", security(("operator" = [])), params(("id" = String, Path), ("check_id" = String, Path)),
    request_body = ComplianceDecision,
    responses((status = 200, description = "The check has ended", body = ComplianceDecided),
        (status = 404, description = "There is no such tenant, or no such check is open", body = CaasError),
        CaasErrors, CaasPostErrors))]
pub async fn decide(
    _: Operator,
    State(app): State<App>,
    Path((id, check)): Path<(String, String)>,
    posted: Posted<ComplianceDecision>,
) -> Result<Response> {
    let unknown = || Error::not_found("check_not_found", "no such compliance check is open");
    let mut tx = Tenants::open(&app.db, &id).await?;
    if let Some(first) = posted.once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    let check = Uuid::try_parse(&check).map_err(|_| unknown())?;
    let ComplianceDecision { outcome, reason, code } = posted.body;
    let verdict = match outcome {
        ComplianceOutcome::Accepted => Verdict::Accepted,
        ComplianceOutcome::Rejected => Verdict::Rejected(Denial { code, reason: Some(reason.clone()) }),
    };
    let known = conclude(&app, &mut tx, check, &verdict, app.clock.now()).await?.ok_or_else(unknown)?;
    store::set_verified(&mut tx, known.id, &Verified::default()).await?;
    let sealed = seal(&known.key, tx.tenant(), known.id, "decision on compliance", &reason)?;
    store::note_operator(&mut tx, check, &sealed).await?;
    let tenant = tx.tenant();
    let answer = posted
        .once
        .commit(tx, StatusCode::OK, &ComplianceDecided { id: check, customer_id: known.id, outcome })
        .await?;
    tracing::warn!(%tenant, %check, customer = %known.id, ?outcome, "an operator ended a compliance check");
    Ok(answer)
}

impl TryFrom<OpenCheck> for OpenComplianceCheck {
    type Error = Error;

    fn try_from(row: OpenCheck) -> Result<Self> {
        let mode = Mode::from_word(&row.mode).ok_or_else(|| Error::internal("a check has an unknown mode"))?;
        let OpenCheck { id, customer, state, created_at, asked_at, .. } = row;
        Ok(Self { id, customer_id: customer, mode, state, created_at, asked_at })
    }
}
