//! `POST /tenant/agreement/preview-agreement` and `/preview-UL-agreement`: filling templates in for a person.

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::agreement::{self, Agreement, Status};
use super::kind::Occasion;
use super::person::{self, Particulars, Person, line, optional_line};
use super::routes::{AgreementsAnswer, BackEnd};
use crate::auth::Tenant;
use crate::db::TenantTx;
use crate::http::idempotency::Once;
use crate::http::openapi::{WalletError, WalletErrors, WalletPostErrors};
use crate::http::{Error, Posted, Result};
use crate::product::App;

/// Bytes that the ids of one preview's agreements take at most.
const MOST_KEPT: usize = 64 * 1024;

/// No `Debug`: all of it is personal.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlatformPreview {
    #[schema(example = "Jone", max_length = 100)]
    first_name: String,
    #[schema(example = "Doe", max_length = 100)]
    last_name: String,
    #[schema(example = "lorem@mygmail.com")]
    email: String,
    /// Where the person is, as the tenant sees it.
    #[schema(example = "0.0.0.0")]
    ip: String,
    #[schema(example = "0x874259c8e1d58ac53f6f22e3f3e5a5dc86773248")]
    account_address: String,
}

/// No `Debug`: all of it is personal.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnboardingPreview {
    #[schema(example = "Jone", max_length = 100)]
    first_name: String,
    middle_name: Option<String>,
    #[schema(example = "Doe", max_length = 100)]
    last_name: String,
    /// Where the person is, as the tenant sees it.
    #[schema(example = "0.0.0.0")]
    ip: String,
    #[schema(example = "0x874259c8e1d58ac53f6f22e3f3e5a5dc86773248")]
    account_address: String,
    /// Also with the year last.
    #[schema(example = "1997-02-02")]
    date_of_birth: String,
    #[schema(example = "lorem@mygmail.com")]
    email: String,
    /// ISO 3166-1 alpha-2.
    #[schema(example = "BO")]
    tax_country: String,
    #[schema(example = "122-22-2332", max_length = 50)]
    tax_id_number: String,
    phone_number: PreviewPhone,
    address: PreviewAddress,
}

#[derive(Deserialize, ToSchema)]
pub struct PreviewPhone {
    /// ISO 3166-1 alpha-2.
    #[schema(example = "IN")]
    country: String,
    #[schema(example = "7027779322")]
    number: String,
    /// Whether messages may be sent to it.
    #[expect(dead_code, reason = "documented, and nothing is sent by an agreement")]
    sms: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviewAddress {
    #[schema(example = "address1", max_length = 200)]
    address1: String,
    address2: Option<String>,
    postal_code: Option<String>,
    #[schema(example = "Lorem", max_length = 100)]
    city: String,
    state: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[schema(example = "BO")]
    country: String,
}

/// Fills in what a customer who is taken on has to agree to, and keeps it, pending.
#[utoipa::path(post, path = "/tenant/agreement/preview-agreement", operation_id = "preview_agreement",
    tag = "Agreements", security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])),
    request_body = OnboardingPreview,
    responses((status = 200, description = "What is to be shown", body = AgreementsAnswer),
        (status = 404, description = "There is no template for it", body = WalletError),
        WalletErrors, WalletPostErrors))]
pub async fn preview(
    BackEnd(caller): BackEnd,
    State(app): State<App>,
    posted: Posted<OnboardingPreview>,
) -> Result<Response> {
    let (person, particulars) = posted.body.checked(app.clock.now())?;
    prepare(&app, caller, &posted.once, (Occasion::Onboarding, &person, Some(&particulars))).await
}

/// Fills in the platform's own agreement, and keeps it, pending.
#[utoipa::path(post, path = "/tenant/agreement/preview-UL-agreement", operation_id = "preview_platform_agreement",
    tag = "Agreements", security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])),
    request_body = PlatformPreview,
    responses((status = 200, description = "What is to be shown", body = AgreementsAnswer),
        (status = 404, description = "There is no template for it", body = WalletError),
        WalletErrors, WalletPostErrors))]
pub async fn preview_platform(
    BackEnd(caller): BackEnd,
    State(app): State<App>,
    posted: Posted<PlatformPreview>,
) -> Result<Response> {
    let person = posted.body.checked()?;
    prepare(&app, caller, &posted.once, (Occasion::Platform, &person, None)).await
}

/// Of a request that may be repeated it is kept which agreements it made, not the answer: what people typed is to be
/// found under keys that can be thrown away and nowhere else.
async fn prepare(
    app: &App,
    caller: Tenant,
    once: &Once,
    shown_to: (Occasion, &Person, Option<&Particulars>),
) -> Result<Response> {
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = once.replay(&mut tx, caller.mode).await? {
        return again(&mut tx, app, caller, first).await;
    }
    let agreements = agreement::prepare(&mut tx, &app.keys, caller, shown_to, app.clock.now()).await?;
    let made: Vec<Uuid> = agreements.iter().map(|agreement| agreement.id).collect();
    let answer = AgreementsAnswer::of(agreements)?;
    once.keep(&mut tx, StatusCode::OK, &serde_json::to_vec(&made).map_err(Error::internal)?).await?;
    tx.commit().await?;
    Ok(Json(answer).into_response())
}

/// The first answer once more, out of what was kept of it.
async fn again(tx: &mut TenantTx, app: &App, caller: Tenant, first: Response) -> Result<Response> {
    let (head, kept) = first.into_parts();
    let kept = to_bytes(kept, MOST_KEPT).await.map_err(Error::internal)?;
    let made: Vec<Uuid> = serde_json::from_slice(&kept).map_err(Error::internal)?;
    let mut agreements = Vec::with_capacity(made.len());
    for id in made {
        let found = agreement::find(tx, &app.keys, caller, id).await?;
        // As they stood then, whatever was said since.
        agreements.extend(found.map(|agreement| Agreement { status: Status::Pending, ..agreement }));
    }
    let answer = serde_json::to_vec(&AgreementsAnswer::of(agreements)?).map_err(Error::internal)?;
    Ok(Response::from_parts(head, Body::from(answer)))
}

impl PlatformPreview {
    fn checked(&self) -> Result<Person> {
        Ok(Person {
            first_name: line("firstName", &self.first_name, 100)?,
            last_name: line("lastName", &self.last_name, 100)?,
            email: person::email("email", &self.email)?,
            ip: person::ip("ip", &self.ip)?,
            account: person::account("accountAddress", &self.account_address)?,
        })
    }
}

impl OnboardingPreview {
    fn checked(&self, now: DateTime<Utc>) -> Result<(Person, Particulars)> {
        let person = Person {
            first_name: line("firstName", &self.first_name, 100)?,
            last_name: line("lastName", &self.last_name, 100)?,
            email: person::email("email", &self.email)?,
            ip: person::ip("ip", &self.ip)?,
            account: person::account("accountAddress", &self.account_address)?,
        };
        let (phone, address) = (&self.phone_number, &self.address);
        let particulars = Particulars {
            middle_name: optional_line("middleName", self.middle_name.as_deref(), 100)?,
            date_of_birth: person::date_of_birth("dateOfBirth", &self.date_of_birth, now)?,
            tax_country: person::country("taxCountry", &self.tax_country)?,
            tax_id_number: line("taxIdNumber", &self.tax_id_number, 50)?,
            phone_country: person::country("phoneNumber.country", &phone.country)?,
            phone_number: person::telephone("phoneNumber.number", &phone.number)?,
            address1: line("address.address1", &address.address1, 200)?,
            address2: optional_line("address.address2", address.address2.as_deref(), 200)?,
            postal_code: optional_line("address.postalCode", address.postal_code.as_deref(), 20)?,
            city: line("address.city", &address.city, 100)?,
            state: optional_line("address.state", address.state.as_deref(), 100)?,
            country: person::country("address.country", &address.country)?,
        };
        Ok((person, particulars))
    }
}
