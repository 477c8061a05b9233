//! `/admin/tenants/{id}/agreements/{agreement_id}`: how an agreement was decided on, for who has to prove it. Nothing of it
//! is the person's own: names and text are the tenant's to show.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::agreement::{Status, open_decision};
use super::store;
use crate::auth::Operator;
use crate::foundation::{Mode, Sealed, WrappedKey};
use crate::http::openapi::{CaasError, CaasErrors};
use crate::http::{Error, Path, Result};
use crate::product::App;
use crate::product::ops::Tenants;

/// What became of an agreement, and who says so.
#[derive(Serialize, ToSchema)]
pub struct AgreementEvidence {
    id: Uuid,
    mode: Mode,
    #[schema(example = "US_PATRIOTIC_ACT")]
    r#type: String,
    /// Which version of the template was shown.
    #[schema(example = 2)]
    version: i32,
    status: Status,
    customer_id: Option<Uuid>,
    created_at: DateTime<Utc>,
    decided_at: Option<DateTime<Utc>>,
    /// The name of the API key with which the tenant's back end said so.
    decided_by: Option<String>,
    /// From which IP address it did; null also once the agreement's key was thrown away.
    #[schema(example = "203.0.113.7")]
    decided_from: Option<String>,
}

/// Shows how an agreement was decided on: when, by which API key and from where.
#[utoipa::path(get, path = "/admin/tenants/{id}/agreements/{agreement_id}", operation_id = "get_agreement_evidence",
    tag = "Admin", security(("operator" = [])), params(("id" = String, Path), ("agreement_id" = String, Path)),
    responses((status = 200, description = "How it was decided on", body = AgreementEvidence),
        (status = 404, description = "There is no such tenant or agreement", body = CaasError), CaasErrors))]
pub async fn show(
    _: Operator,
    State(app): State<App>,
    Path((id, agreement)): Path<(String, String)>,
) -> Result<Json<AgreementEvidence>> {
    let unknown = || Error::not_found("agreement_not_found", "there is no such agreement");
    let mut tx = Tenants::open(&app.db, &id).await?;
    let key = app.keys.of(&mut tx).await?;
    let id = Uuid::try_parse(&agreement).map_err(|_| unknown())?;
    let found = store::evidence(&mut tx, id).await?.ok_or_else(unknown)?;
    let decided_from = match (found.wrapped_key, found.decided_from) {
        (Some(wrapped), Some(sealed)) => {
            Some(open_decision(&key, tx.tenant(), id, &WrappedKey(wrapped), &Sealed(sealed))?)
        }
        (None, _) | (_, None) => None,
    };
    tx.commit().await?;
    Ok(Json(AgreementEvidence {
        id,
        mode: Mode::from_word(&found.mode).ok_or_else(|| Error::internal("an agreement has an unknown mode"))?,
        r#type: found.kind,
        version: found.version,
        status: Status::from_word(&found.status)?,
        customer_id: found.customer_id,
        created_at: found.created_at,
        decided_at: found.decided_at,
        decided_by: found.decided_by,
        decided_from,
    }))
}
