//! `/admin/tenants/{id}/consent-vendors`: operators say whose consent a tenant's customers are asked for, and in which words.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::store;
use super::vendor::{self, Message, Vendor};
use crate::auth::Operator;
use crate::db::{Page, PageRequest};
use crate::foundation::Mode;
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, Path, Posted, Query, Result, page_bounds};
use crate::product::App;
use crate::product::ops::Tenants;

#[derive(Deserialize, Validate, ToSchema)]
pub struct NewConsentVendor {
    #[validate(length(min = 1, max = 100))]
    #[schema(example = "Plaid Inc.", min_length = 1, max_length = 100)]
    name: String,
    #[validate(length(min = 1, max = 100))]
    #[schema(example = "Deposits", min_length = 1, max_length = 100)]
    sub_category: String,
    #[validate(length(min = 1, max = 100))]
    #[schema(example = "ACH", min_length = 1, max_length = 100)]
    r#type: String,
    #[validate(length(min = 1, max = 100))]
    #[schema(example = "PLAID", min_length = 1, max_length = 100)]
    payment_partner: String,
    #[validate(length(min = 1, max = 40))]
    #[schema(example = "v1.0.0", min_length = 1, max_length = 40)]
    version: String,
    /// Plain text that customers read.
    #[validate(length(min = 1, max = 20_000))]
    #[schema(min_length = 1, max_length = 20_000)]
    message: String,
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct NewConsentMessage {
    #[validate(length(min = 1, max = 40))]
    #[schema(example = "v1.0.1", min_length = 1, max_length = 40)]
    version: String,
    /// Plain text that customers read.
    #[validate(length(min = 1, max = 20_000))]
    #[schema(min_length = 1, max_length = 20_000)]
    message: String,
}

#[derive(Serialize, ToSchema)]
pub struct ConsentVendorView {
    #[schema(example = "dss_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    id: String,
    name: String,
    sub_category: String,
    r#type: String,
    payment_partner: String,
    /// The version that counts.
    version: String,
    message: String,
    created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retired_at: Option<DateTime<Utc>>,
}

/// Adds a vendor whose consent is asked for, with its first message.
#[utoipa::path(post, path = "/admin/tenants/{id}/consent-vendors", operation_id = "add_consent_vendor", tag = "Admin",
    security(("operator" = [])), params(("id" = String, Path)), request_body = NewConsentVendor,
    responses((status = 201, description = "The vendor", body = ConsentVendorView),
        (status = 404, description = "There is no such tenant", body = CaasError), CaasErrors, CaasPostErrors))]
pub async fn add(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<String>,
    posted: Posted<NewConsentVendor>,
) -> Result<Response> {
    let mut tx = Tenants::open(&app.db, &id).await?;
    if let Some(first) = posted.once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    let NewConsentVendor { name, sub_category, r#type: kind, payment_partner, version, message } = posted.body;
    let created_at = app.clock.now().trunc_subsecs(6);
    // The house's vendor neither stays away because another one came first, nor comes after it: ids tell the order.
    vendor::start_with_the_houses(&mut tx, created_at).await?;
    let id = Uuid::now_v7();
    let vendor =
        Vendor { id, name, sub_category, kind, payment_partner, version, message, created_at, retired_at: None };
    vendor::add(&mut tx, &vendor).await?;
    posted.once.commit(tx, StatusCode::CREATED, &ConsentVendorView::from(vendor)).await
}

/// Lists a tenant's vendors, newest first, retired ones too.
#[utoipa::path(get, path = "/admin/tenants/{id}/consent-vendors", operation_id = "list_consent_vendors", tag = "Admin",
    security(("operator" = [])), params(("id" = String, Path), PageRequest),
    responses((status = 200, description = "A page of vendors", body = Page<ConsentVendorView>),
        (status = 404, description = "There is no such tenant", body = CaasError), CaasErrors))]
pub async fn list(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<String>,
    Query(page): Query<PageRequest>,
) -> Result<Json<Page<ConsentVendorView>>> {
    let (limit, after) = page_bounds(&page)?;
    let mut tx = Tenants::open(&app.db, &id).await?;
    let vendors = store::list_vendors(&mut tx, after, limit).await?;
    tx.commit().await?;
    Ok(Json(Page::of(vendors, limit, |vendor| vendor.id).map(ConsentVendorView::from)))
}

/// Publishes new words for a vendor. Who consented to the ones before has to consent again.
#[utoipa::path(post, path = "/admin/tenants/{id}/consent-vendors/{vendor}/messages",
    operation_id = "publish_consent_message", tag = "Admin", security(("operator" = [])),
    params(("id" = String, Path), ("vendor" = String, Path, example = "dss_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")),
    request_body = NewConsentMessage,
    responses((status = 201, description = "The vendor with its new message", body = ConsentVendorView),
        (status = 404, description = "There is no such tenant, or no such vendor in use", body = CaasError),
        CaasErrors, CaasPostErrors))]
pub async fn publish(
    _: Operator,
    State(app): State<App>,
    Path((id, vendor)): Path<(String, String)>,
    posted: Posted<NewConsentMessage>,
) -> Result<Response> {
    let mut tx = Tenants::open(&app.db, &id).await?;
    if let Some(first) = posted.once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    let vendor = vendor::parse_id(&vendor).map_err(|_| unknown_vendor())?;
    let number = store::next_number(&mut tx, vendor).await?.ok_or_else(unknown_vendor)?;
    let message = Message { version: posted.body.version, text: posted.body.message };
    store::insert_message(&mut tx, vendor, number, &message, app.clock.now()).await?;
    let vendor = store::vendor(&mut tx, vendor).await?.ok_or_else(unknown_vendor)?;
    posted.once.commit(tx, StatusCode::CREATED, &ConsentVendorView::from(vendor)).await
}

/// Retires a vendor: nobody's consent is asked for it any more.
#[utoipa::path(delete, path = "/admin/tenants/{id}/consent-vendors/{vendor}", operation_id = "retire_consent_vendor",
    tag = "Admin", security(("operator" = [])),
    params(("id" = String, Path), ("vendor" = String, Path, example = "dss_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")),
    responses((status = 204, description = "Retired"),
        (status = 404, description = "There is no such tenant, or no such vendor in use", body = CaasError), CaasErrors))]
pub async fn retire(
    _: Operator,
    State(app): State<App>,
    Path((id, vendor)): Path<(String, String)>,
) -> Result<StatusCode> {
    let vendor = vendor::parse_id(&vendor).map_err(|_| unknown_vendor())?;
    let mut tx = Tenants::open(&app.db, &id).await?;
    if !store::retire_vendor(&mut tx, vendor, app.clock.now()).await? {
        return Err(unknown_vendor());
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[track_caller]
fn unknown_vendor() -> Error {
    Error::not_found("vendor_not_found", "there is no such vendor in use")
}

impl From<Vendor> for ConsentVendorView {
    fn from(vendor: Vendor) -> Self {
        Self {
            id: vendor::public_id(vendor.id),
            name: vendor.name,
            sub_category: vendor.sub_category,
            r#type: vendor.kind,
            payment_partner: vendor.payment_partner,
            version: vendor.version,
            message: vendor.message,
            created_at: vendor.created_at,
            retired_at: vendor.retired_at,
        }
    }
}
