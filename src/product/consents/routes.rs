//! `/consent`: what consent is asked for, whether it was given, and giving it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::consent::{self, Consent, Party, Status};
use super::refusal::{documented, no_consent, no_vendor, went_wrong};
use super::vendor::{self, Purpose};
use crate::auth::TenantOrCustomer;
use crate::foundation::TenantId;
use crate::http::openapi::{WalletError, WalletErrorEntry, WalletErrors, WalletPostErrors};
use crate::http::{Error, Path, Posted, Query, Result};
use crate::product::App;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub struct AskedMessage {
    #[serde(rename = "subCategory")]
    #[param(example = "Deposits")]
    sub_category: Option<String>,
    #[param(example = "ACH")]
    r#type: Option<String>,
    #[serde(rename = "paymentPartner")]
    #[param(example = "PLAID")]
    payment_partner: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ConsentMessageAnswer {
    data: ConsentMessageView,
    #[schema(example = "Vendor consent details fetched successfully")]
    message: &'static str,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsentMessageView {
    #[schema(example = "Plaid Inc.")]
    vendor_name: String,
    #[schema(example = "v1.0.3")]
    current_active_version: String,
    #[schema(example = "I authorize the platform to retrieve my banking data...")]
    consent_message: String,
    /// `dssVendorId` when consent is given.
    #[schema(example = "dss_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    dss_id: String,
}

/// Shows the words that consent is given to. Of several vendors that serve the purpose it is the first.
#[utoipa::path(get, path = "/consent/consent-message/{tenantId}", operation_id = "get_consent_message", tag = "Consents",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = []), ("wallet" = [])),
    params(("tenantId" = String, Path), AskedMessage),
    responses((status = 200, description = "The vendor and its message", body = ConsentMessageAnswer),
        (status = 404, description = "Nobody's consent is asked for that", body = WalletErrorEntry), WalletErrors))]
pub async fn message(
    caller: Result<TenantOrCustomer>,
    State(app): State<App>,
    Path(tenant): Path<String>,
    asked: Result<Query<AskedMessage>>,
) -> Result<Json<ConsentMessageAnswer>> {
    let (caller, Query(asked)) = (caller.map_err(documented)?, asked.map_err(documented)?);
    if tenant.parse::<TenantId>() != Ok(caller.tenant()) {
        return Err(other_tenant());
    }
    let purpose = Purpose {
        sub_category: asked.sub_category.as_deref(),
        kind: asked.r#type.as_deref(),
        payment_partner: asked.payment_partner.as_deref(),
    };
    let mut tx = app.db.tenant(caller.tenant()).begin().await?;
    let vendor = vendor::find(&mut tx, &purpose, app.clock.now()).await?;
    tx.commit().await?;
    let vendor = vendor.ok_or_else(no_vendor)?;
    let data = ConsentMessageView {
        dss_id: vendor::public_id(vendor.id),
        vendor_name: vendor.name,
        current_active_version: vendor.version,
        consent_message: vendor.message,
    };
    Ok(Json(ConsentMessageAnswer { data, message: "Vendor consent details fetched successfully" }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AskedStatus {
    #[serde(rename = "subCategory")]
    #[param(example = "Deposits")]
    sub_category: String,
    #[param(example = "ACH")]
    r#type: String,
    /// Whose consent. A customer has no need to say; without it a tenant asks for its own.
    #[serde(rename = "customerAccountId")]
    customer_account_id: Option<String>,
    /// The same by the address of one of the customer's wallets.
    #[serde(rename = "accountAddress")]
    account_address: Option<String>,
    #[serde(rename = "paymentPartner")]
    #[param(example = "PLAID")]
    payment_partner: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ConsentStatusAnswer {
    data: ConsentStatusView,
    /// One: `Consent is accepted`, or `Consent is not valid. Please accept the consent`.
    #[schema(example = json!(["Consent is accepted"]))]
    message: [&'static str; 1],
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsentStatusView {
    /// The version that counts now.
    #[schema(example = "v1.0.3")]
    latest_consent_version: String,
}

/// Says whether consent was given, and to the words that count.
#[utoipa::path(get, path = "/consent/consent-status", operation_id = "get_consent_status", tag = "Consents",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = []), ("wallet" = [])), params(AskedStatus),
    responses((status = 200, description = "Whether it is valid", body = ConsentStatusAnswer),
        (status = 404, description = "Nothing was ever consented to", body = WalletError), WalletErrors))]
pub async fn status(
    caller: Result<TenantOrCustomer>,
    State(app): State<App>,
    asked: Result<Query<AskedStatus>>,
) -> Result<Json<ConsentStatusAnswer>> {
    let (caller, Query(asked)) = (caller.map_err(documented)?, asked.map_err(documented)?);
    let purpose = Purpose {
        sub_category: Some(&asked.sub_category),
        kind: Some(&asked.r#type),
        payment_partner: asked.payment_partner.as_deref(),
    };
    let (id, account) = (asked.customer_account_id.as_deref(), asked.account_address.as_deref());
    let mut tx = app.db.tenant(caller.tenant()).begin().await?;
    let party = Party::meant(&mut tx, caller, id, account).await?.ok_or_else(no_consent)?;
    let vendor = vendor::find(&mut tx, &purpose, app.clock.now()).await?.ok_or_else(no_consent)?;
    let last = consent::last(&mut tx, caller, party, vendor.id).await?.ok_or_else(no_consent)?;
    tx.commit().await?;
    let is_valid = last.status == Status::Accepted && last.version == vendor.version;
    let message = if is_valid { "Consent is accepted" } else { "Consent is not valid. Please accept the consent" };
    Ok(Json(ConsentStatusAnswer {
        data: ConsentStatusView { latest_consent_version: vendor.version },
        message: [message],
    }))
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptConsent {
    /// Whose consent. A customer has no need to say; without it a tenant gives its own.
    customer_account_id: Option<String>,
    /// `dssId` of the message.
    #[schema(example = "dss_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    dss_vendor_id: String,
    consent_status: Status,
    /// The version that was shown: the one that counts.
    #[schema(example = "v1.0.3")]
    consent_version: String,
    /// The vendor's type.
    #[schema(example = "ACH")]
    r#type: String,
}

#[derive(Serialize, ToSchema)]
pub struct ConsentAnswer {
    data: ConsentView,
    #[schema(example = "Customer consent updated successfully")]
    message: &'static str,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsentView {
    customer_consent_id: Uuid,
    /// Null for the tenant's own.
    customer_account_id: Option<Uuid>,
    #[schema(example = "dss_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    dss_vendor_id: String,
    consent_status: Status,
    #[schema(example = "v1.0.3")]
    consent_version: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// Writes down a customer's consent, or the tenant's own, to the words that count; `REJECTED` takes it back.
#[utoipa::path(post, path = "/consent/accept-consent", operation_id = "accept_consent", tag = "Consents",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = []), ("wallet" = [])), request_body = AcceptConsent,
    responses((status = 201, description = "Written down", body = ConsentAnswer), WalletErrors, WalletPostErrors))]
pub async fn accept(
    caller: Result<TenantOrCustomer>,
    State(app): State<App>,
    posted: Result<Posted<AcceptConsent>>,
) -> Result<Response> {
    let (caller, Posted { body, once }) = (caller.map_err(documented)?, posted.map_err(documented)?);
    let once = once.by(caller.customer());
    let mut tx = app.db.tenant(caller.tenant()).begin().await?;
    if let Some(first) = once.replay(&mut tx, caller.mode()).await? {
        return Ok(first);
    }
    let party = Party::meant(&mut tx, caller, body.customer_account_id.as_deref(), None).await?;
    let party = party.ok_or_else(|| went_wrong("there is no such customer"))?;
    let vendor = vendor::parse_id(&body.dss_vendor_id).map_err(went_wrong)?;
    let vendor = vendor::with_id(&mut tx, vendor).await?.filter(|vendor| vendor.kind == body.r#type);
    let vendor = vendor.ok_or_else(|| went_wrong("there is no such vendor of this type"))?;
    if vendor.version != body.consent_version {
        return Err(went_wrong("the version is not the one that counts"));
    }
    let given = consent::give(&mut tx, caller, (party, &vendor), body.consent_status, app.clock.now()).await?;
    let answer =
        ConsentAnswer { data: ConsentView::of(given, vendor.id), message: "Customer consent updated successfully" };
    once.commit(tx, StatusCode::CREATED, &answer).await
}

impl ConsentView {
    fn of(consent: Consent, vendor: Uuid) -> Self {
        Self {
            customer_consent_id: consent.id,
            customer_account_id: consent.party.customer(),
            dss_vendor_id: vendor::public_id(vendor),
            consent_status: consent.status,
            consent_version: consent.version,
            created_at: consent.created_at,
            // A consent never changes: another one takes its place.
            updated_at: consent.created_at,
        }
    }
}

/// 403: the path names another tenant than the caller's.
#[track_caller]
fn other_tenant() -> Error {
    Error::forbidden("other_tenant", "this is another tenant's")
}
