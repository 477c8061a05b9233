//! `/admin/chain/reviews`

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use crate::auth::Operator;
use crate::chain::{self, Disputed, Resolution, Undone};
use crate::db::{Page, PageRequest};
use crate::foundation::TenantId;
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, Path, Posted, Query, Result, page_bounds};
use crate::product::App;
use crate::product::funding::{self, Deposits};

#[derive(Serialize, ToSchema)]
pub struct ReviewView {
    id: Uuid,
    #[schema(value_type = String)]
    tenant: TenantId,
    /// Which feature asked, and its reference.
    #[schema(example = "deposit")]
    kind: String,
    #[schema(example = "dep_001_20240601")]
    reference: String,
    /// The ERC-20 contract.
    token: String,
    recipient: String,
    /// Base units.
    #[schema(example = "19620000")]
    amount: String,
    /// The transaction to look at.
    tx_hash: Option<String>,
    /// What is odd.
    reason: Option<String>,
    since: Option<DateTime<Utc>>,
}

/// Lists payments with which the chain did something else than was asked, and those that were settled, that a reorg undid
/// and that cannot be made again, newest first. Their money stays reserved, or spent.
#[utoipa::path(get, path = "/admin/chain/reviews", operation_id = "list_reviews", tag = "Admin",
    security(("operator" = [])), params(PageRequest),
    responses((status = 200, description = "A page of payments under review", body = Page<ReviewView>), CaasErrors))]
pub async fn list(
    _: Operator,
    State(app): State<App>,
    Query(page): Query<PageRequest>,
) -> Result<Json<Page<ReviewView>>> {
    let (limit, after) = page_bounds(&page)?;
    let rows = chain::disputed(&app.db, limit + 1, after.map(|cursor| cursor.0)).await?;
    Ok(Json(Page::of(rows, limit, |row| row.id).map(ReviewView::from)))
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct Verdict {
    outcome: VerdictOutcome,
}

#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum VerdictOutcome {
    /// The payment counts as made.
    Succeeded,
    /// The payment counts as not made: its money is available again.
    Failed,
}

#[derive(Serialize, ToSchema)]
pub struct Reviewed {
    id: Uuid,
    outcome: VerdictOutcome,
}

/// Ends a review: the payment counts as made, or its money is available again (of a deposit that was settled, by a new entry
/// in the ledger).
#[utoipa::path(post, path = "/admin/chain/reviews/{id}", operation_id = "end_review", tag = "Admin",
    security(("operator" = [])), params(("id" = Uuid, Path)), request_body = Verdict,
    responses((status = 200, description = "The review has ended", body = Reviewed),
        (status = 404, description = "No such payment is under review", body = CaasError),
        CaasErrors, CaasPostErrors))]
pub async fn end(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<String>,
    posted: Posted<Verdict>,
) -> Result<Json<Reviewed>> {
    let unknown = || Error::not_found("review_not_found", "no such payment is under review");
    let id = Uuid::try_parse(&id).map_err(|_| unknown())?;
    let outcome = posted.body.outcome;
    let resolution = match outcome {
        VerdictOutcome::Succeeded => Resolution::Succeeded,
        VerdictOutcome::Failed => Resolution::Failed,
    };
    match chain::undone(&app.db, id).await? {
        Some(undone) => {
            if resolution == Resolution::Failed {
                reverse(&app, &undone, id).await?;
            }
            chain::see_to_undone(&app.db, id).await?;
        }
        None if chain::resolve(&app.db, id, resolution).await? => {}
        None => return Err(unknown()),
    }
    tracing::warn!(operation = %id, ?resolution, "an operator ended a review");
    Ok(Json(Reviewed { id, outcome }))
}

/// What was told as final stays; the ledger gets an entry of its own that undoes the first.
async fn reverse(app: &App, undone: &Undone, id: Uuid) -> Result<()> {
    if undone.kind != funding::KIND {
        return Err(Error::conflict(
            "payment_not_reversible",
            "only a deposit's money can go back; make good what was lost and end the review as succeeded",
        ));
    }
    Deposits::reverse(&app.db, undone.tenant, id).await
}

impl From<Disputed> for ReviewView {
    fn from(disputed: Disputed) -> Self {
        Self {
            id: disputed.id,
            tenant: disputed.tenant,
            kind: disputed.kind,
            reference: disputed.reference,
            token: disputed.token.to_string(),
            recipient: disputed.recipient.to_string(),
            amount: disputed.amount.to_string(),
            tx_hash: disputed.tx_hash.map(|hash| hash.to_string()),
            reason: disputed.failure,
            since: disputed.ended_at,
        }
    }
}
