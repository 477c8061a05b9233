//! `POST /tenant/customer`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, SubsecRound, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::admission::{Admitted, Claim, Newcomer, Refusals, check_allowed, is_own};
use super::kept::KeptAnswer;
use super::kind::Kind;
use super::request::{CustomerDetails, Document, Object};
use super::told::{Told, is_blank};
use super::{refusal, store};
use crate::auth::Tenant;
use crate::db::TenantTx;
use crate::foundation::{BlindIndex, Mode, Phone, TenantId};
use crate::http::openapi::{WalletErrors, WalletPostErrors};
use crate::http::{Error, Posted, Result};
use crate::product::App;
use crate::product::users::{Identities, Known};

/// The answer to an onboarding.
#[derive(Serialize, ToSchema)]
pub struct OnboardedCustomer {
    data: Onboarded,
    #[schema(
        example = "User has successfully onboarded with the badge Bronze [8d16684e-ee0a-4c10-83c0-c4d89e6a8666]."
    )]
    message: String,
}

/// What is known of a new customer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Onboarded {
    first_name: Value,
    middle_name: Value,
    last_name: Value,
    #[schema(example = "0xA1b2C3d4E5F60718293a4B5c6D7e8F9001122334")]
    account_address: String,
    tenant_id: TenantId,
    date_of_birth: Value,
    email: Value,
    gender: Value,
    phone_number: String,
    address: Value,
    tax: Value,
    /// Each paper's `content` is its id.
    #[schema(value_type = Vec<Document>)]
    documents: Vec<Object>,
    /// The id of the picture of the customer's face.
    face_image: Value,
    #[schema(example = "PENDING")]
    compliance_status: &'static str,
    customer_account_id: Uuid,
    /// What the badge is called.
    #[schema(example = "Bronze")]
    customer_account_category: String,
    assigned_identification_badge: Uuid,
    #[schema(example = "acme.jonedoe.ul")]
    domain_namespace: String,
}

/// Who is to be onboarded.
struct Asked {
    claim: Claim,
    badge: Uuid,
    phone: Phone,
    told: Told,
}

/// Onboards a customer by an address that they control, and has them looked at.
///
/// Required: `identificationBadgeId`, `firstName` and `lastName` or else `fullName`, `accountAddress`,
/// `customerMetaData`, `tenantId`, `dateOfBirth`, `email`, `phoneNumber`, `ip_address`, `address`, `selfieContent`,
/// `bankAccountDetails`. A customer who has a wallet by this phone number already keeps it. The body may have 16 MiB.
#[utoipa::path(post, path = "/tenant/customer", operation_id = "onboard_customer", tag = "Customers",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])),
    request_body = CustomerDetails,
    responses(
        (status = 201, description = "The customer, whose compliance is pending", body = OnboardedCustomer),
        WalletErrors, WalletPostErrors))]
pub async fn onboard(caller: Tenant, State(app): State<App>, posted: Posted<CustomerDetails>) -> Result<Response> {
    let Posted { body, once } = posted;
    // A repetition is answered before anything is looked at, which the first request may have changed; and looking at what
    // other tenants have takes a connection of its own.
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = once.first(&mut tx, caller.mode).await? {
        return KeptAnswer::repeat(&app, &mut tx, caller.mode, first).await?.ok_or_else(refusal::no_account);
    }
    tx.commit().await?;
    let asked = read(&app, &caller, body).await?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = once.first(&mut tx, caller.mode).await? {
        return KeptAnswer::repeat(&app, &mut tx, caller.mode, first).await?.ok_or_else(refusal::no_account);
    }
    let now = app.clock.now().trunc_subsecs(6);
    let (known, answer) = create(&app, &mut tx, &caller, &asked, now).await?;
    KeptAnswer::commit(&once, tx, &known, StatusCode::CREATED, &answer).await
}

/// Reads and checks what can be without looking at the tenant's other customers.
async fn read(app: &App, caller: &Tenant, mut details: CustomerDetails) -> Result<Asked> {
    let tenant = details.tenant_id.take().ok_or_else(|| Error::missing_field("tenantId"))?;
    if tenant.trim().parse::<Uuid>().is_err() {
        return Err(refusal::no_tenants_id());
    }
    is_own(caller, &tenant)?;
    let address = details.account_address.take().ok_or_else(|| Error::missing_field("accountAddress"))?;
    let claim = Claim::read(app, &address, details.custom_namespace.take(), details.provider.take())?;
    let badge = details.identification_badge_id.take();
    let badge = badge.ok_or_else(|| Error::missing_field("identificationBadgeId"))?;
    let phone = details.phone_number.take().ok_or_else(|| Error::missing_field("phoneNumber"))?;
    let phone = Phone::of_form(&phone).map_err(|why| Error::invalid_field("phoneNumber", why))?;
    let missing = [
        ("customerMetaData", details.customer_meta_data.is_none()),
        ("dateOfBirth", details.date_of_birth.is_none()),
        ("email", details.email.is_none()),
        ("ip_address", is_blank(details.ip_address.as_deref())),
        ("address", details.address.is_none()),
        ("selfieContent", details.selfie_content.is_none()),
        ("bankAccountDetails", details.bank_account_details.is_none()),
    ];
    if let Some((name, _)) = missing.into_iter().find(|(_, is_missing)| *is_missing) {
        return Err(Error::missing_field(name));
    }
    let ul_namespace = details.ul_namespace.take();
    let told = Told::of(details, app.clock.now().date_naive())?;
    // Before the wait for other tenants' names.
    told.profile.identifiers(&app.blind_indexer, caller.tenant, caller.mode)?;
    let badge = badge.parse().map_err(|_| refusal::badge_not_allocated())?;
    let mut claim = claim;
    claim.check_elsewhere(app, caller, ul_namespace.as_deref()).await?;
    Ok(Asked { claim, badge, phone, told })
}

/// Stores a customer with all that belongs to one; the database sees to it that of several at once one is let in.
async fn create(
    app: &App,
    tx: &mut TenantTx,
    caller: &Tenant,
    asked: &Asked,
    now: DateTime<Utc>,
) -> Result<(Known, OnboardedCustomer)> {
    let (tenant, mode) = (caller.tenant, caller.mode);
    check_allowed(tx).await?;
    let Told { profile, papers } = &asked.told;
    let email = profile.email_index(&app.blind_indexer, tenant, mode)?;
    let person = profile.identifiers(&app.blind_indexer, tenant, mode)?;
    check_unknown(tx, mode, asked, &email, &person).await?;
    let identities = Identities::new(&app.keys, &app.blind_indexer, mode);
    let known = identities.of_phone(tx, &asked.phone, now).await?;
    if store::has_profile(tx, known.id).await? {
        // Whoever was faster had the same phone number; perhaps everything else too.
        check_unknown(tx, mode, asked, &email, &person).await?;
        return Err(refusal::already_onboarded());
    }
    let newcomer = Newcomer {
        kind: Kind::Person,
        known: &known,
        claim: &asked.claim,
        profile,
        papers,
        email: &email,
        identification: &person,
        badge: asked.badge,
    };
    let refusals = Refusals {
        email: refusal::email_taken,
        identification: refusal::same_person,
        badge: refusal::badge_not_allocated,
    };
    let Admitted { namespace, badge } = newcomer.admit(tx, mode, refusals, now).await?;

    let message = format!("User has successfully onboarded with the badge {} [{}].", badge.name, badge.badge_id);
    let data = Onboarded {
        first_name: profile.get("firstName"),
        middle_name: profile.get("middleName"),
        last_name: profile.get("lastName"),
        account_address: asked.claim.address.to_checksum(None),
        tenant_id: tenant,
        date_of_birth: profile.get("dateOfBirth"),
        email: profile.get("email"),
        gender: profile.get("gender"),
        phone_number: asked.phone.e164().to_owned(),
        address: profile.get("address"),
        tax: profile.get("tax"),
        documents: profile.documents(),
        face_image: profile.get("selfieContent"),
        compliance_status: super::status::Standing::ONBOARDED.compliance.as_str(),
        customer_account_id: known.id,
        customer_account_category: badge.name,
        assigned_identification_badge: badge.badge_id,
        domain_namespace: namespace.as_str().to_owned(),
    };
    Ok((known, OnboardedCustomer { data, message }))
}

/// Says in a fixed order what of this customer another one has.
async fn check_unknown(
    tx: &mut TenantTx,
    mode: Mode,
    asked: &Asked,
    email: &BlindIndex,
    person: &[BlindIndex],
) -> Result<()> {
    if store::by_address(tx, mode, asked.claim.address).await?.is_some() {
        return Err(refusal::address_taken());
    }
    if store::find_by_email(tx, mode, email).await?.is_some() {
        return Err(refusal::email_taken());
    }
    if store::find_by_person(tx, mode, person).await?.is_some() {
        return Err(refusal::same_person());
    }
    Ok(())
}
