//! `/tenant/agreement`: reading what was shown, and what there is to be shown.

use axum::Json;
use axum::extract::{FromRef, FromRequestParts, State};
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::agreement::{self, Agreement, Status, could_not_fetch};
use super::{Documents, Kind};
use crate::auth::{Auth, Tenant, TenantOrDevice};
use crate::http::openapi::{WalletError, WalletErrors};
use crate::http::{Error, Query, Result};
use crate::product::App;

/// Agreements that one answer lists at most.
const MOST: i64 = 100;

/// A tenant's back end, told in this surface's words that `api-key` goes with `tenant-id`.
pub struct BackEnd(pub Tenant);

impl<S: Send + Sync> FromRequestParts<S> for BackEnd
where
    Auth: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        Tenant::from_request_parts(parts, state).await.map(Self).map_err(|refused| match refused.code() {
            "missing_tenant_id" => {
                Error::bad_request("missing_tenant_id", "Tenant Id is missing in Headers").of_type("Agreement")
            }
            _ => refused,
        })
    }
}

#[derive(Serialize, ToSchema)]
pub struct AgreementsAnswer {
    #[schema(example = "Agreements fetched successfully")]
    message: &'static str,
    data: Vec<AgreementView>,
}

/// An agreement. Of somebody who was forgotten the names, e-mail, IP and text are null.
#[derive(Serialize, ToSchema)]
pub struct AgreementView {
    id: Uuid,
    /// HTML, as it was shown.
    content: Option<String>,
    status: Status,
    #[schema(example = "Jone")]
    first_name: Option<String>,
    #[schema(example = "Doe")]
    last_name: Option<String>,
    #[schema(example = "lorem@mygmail.com")]
    email: Option<String>,
    #[schema(example = "0x874259C8E1d58aC53f6F22e3F3E5a5DC86773248")]
    account_address: String,
    #[schema(example = "0.0.0.0")]
    ip: Option<String>,
    agreement_type: Kind,
    created_at: DateTime<Utc>,
    #[serde(rename = "agreementId")]
    agreement_id: Uuid,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// One agreement; without it the newest hundred are listed.
    #[serde(rename = "agreementId")]
    agreement_id: Option<String>,
}

/// Lists agreements, or shows one.
#[utoipa::path(get, path = "/tenant/agreement/get-agreement", operation_id = "list_agreements", tag = "Agreements",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])), params(Asked),
    responses((status = 200, description = "The newest first", body = AgreementsAnswer),
        (status = 404, description = "There is none", body = WalletError), WalletErrors))]
pub async fn list(
    BackEnd(caller): BackEnd,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Json<AgreementsAnswer>> {
    let id = asked.agreement_id.map(|id| Uuid::try_parse(&id)).transpose();
    let id = id.map_err(|error| could_not_fetch().because(error))?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let found = match id {
        Some(id) => agreement::find(&mut tx, &app.keys, caller, id).await?.into_iter().collect(),
        None => agreement::newest(&mut tx, &app.keys, caller, MOST).await?,
    };
    tx.commit().await?;
    AgreementsAnswer::of(found).map(Json)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AskedDocument {
    /// A kind of template, such as `PRIVACY_POLICY` or `TERMS_CONDITIONS`.
    #[param(example = "PRIVACY_POLICY")]
    r#type: String,
}

#[derive(Serialize, ToSchema)]
pub struct AgreementTemplateAnswer {
    #[schema(example = "Fetched template successfully")]
    message: &'static str,
    data: AgreementTemplateView,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgreementTemplateView {
    template_id: Uuid,
    /// With lines to fill in where it speaks of a person.
    html: String,
    r#type: Kind,
}

/// Shows the text that counts: terms, a privacy policy, or what will be filled in.
#[utoipa::path(get, path = "/tenant/agreement/terms-and-privacy-agreements", operation_id = "get_agreement_template",
    tag = "Agreements", security(("api_key" = []), ("tenant_id" = [], "tenant_key" = []), ("preauth" = [])),
    params(AskedDocument), responses((status = 200, description = "The text", body = AgreementTemplateAnswer), WalletErrors))]
pub async fn document(
    caller: TenantOrDevice,
    State(app): State<App>,
    Query(asked): Query<AskedDocument>,
) -> Result<Json<AgreementTemplateAnswer>> {
    let named: String = asked.r#type.chars().take(60).collect();
    let no_template =
        || Error::bad_request("no_template", format!("No Template with the type {named}")).of_type("Agreement");
    let kind = Kind::try_from(asked.r#type).map_err(|_| no_template())?;
    let mut tx = app.db.tenant(caller.tenant()?).begin().await?;
    let document = Documents::read(&mut tx, &kind, app.clock.now()).await?;
    tx.commit().await?;
    let document = document.ok_or_else(no_template)?;
    let data = AgreementTemplateView { template_id: document.id, html: document.html, r#type: kind };
    Ok(Json(AgreementTemplateAnswer { message: "Fetched template successfully", data }))
}

impl AgreementsAnswer {
    /// 404 when there is none.
    pub fn of(agreements: Vec<Agreement>) -> Result<Self> {
        if agreements.is_empty() {
            return Err(no_data());
        }
        let data = agreements.into_iter().map(AgreementView::from).collect();
        Ok(Self { message: "Agreements fetched successfully", data })
    }
}

/// 404: there is no such agreement, or none at all, or it is another tenant's.
#[track_caller]
pub fn no_data() -> Error {
    Error::not_found("agreement_not_found", "No data found").of_type("fetch")
}

impl From<Agreement> for AgreementView {
    fn from(agreement: Agreement) -> Self {
        let mut view = Self {
            id: agreement.id,
            content: None,
            status: agreement.status,
            first_name: None,
            last_name: None,
            email: None,
            account_address: agreement.account.to_checksum(None),
            ip: None,
            agreement_type: agreement.kind,
            created_at: agreement.created_at,
            agreement_id: agreement.id,
        };
        if let Some(shown) = agreement.shown {
            (view.first_name, view.last_name) = (Some(shown.first_name), Some(shown.last_name));
            (view.email, view.ip) = (Some(shown.email), Some(shown.ip.to_string()));
            view.content = Some(shown.content);
        }
        view
    }
}
