//! `POST /tenant/business-user`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, SubsecRound, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::checks::check_number;
use super::reading::Told;
use super::refusal;
use super::request::NewBusinessUser;
use super::store::{self, By};
use crate::auth::Tenant;
use crate::db::TenantTx;
use crate::foundation::{BlindIndex, Mode, TenantId};
use crate::http::openapi::{WalletErrorEntry, WalletErrors, WalletPostErrors};
use crate::http::{Error, OnConstraint, Posted, Result};
use crate::product::App;
use crate::product::customers::{Claim, KeptAnswer, Kind, Newcomer, Refusals, check_allowed, plain};
use crate::product::users::{Identities, Known};

/// The answer to an onboarding.
#[derive(Serialize, ToSchema)]
pub struct OnboardedBusinessUser {
    data: OnboardedBusiness,
    #[schema(example = "Business user onboarded successfully")]
    message: &'static str,
}

/// What is known of a new business.
#[derive(Serialize, ToSchema)]
pub struct OnboardedBusiness {
    domain: Value,
    business_user_name: Value,
    business_user_metadata: OnboardedMetadata,
    is_active: bool,
    created_at: DateTime<Utc>,
    start_date: DateTime<Utc>,
    /// Null: it does not end.
    end_date: Option<DateTime<Utc>>,
    tenant_id: TenantId,
}

/// What it has told.
#[derive(Serialize, ToSchema)]
pub struct OnboardedMetadata {
    email: Value,
    phone: String,
    legal_name: Value,
    tax_id: Value,
    #[serde(rename = "businessUserId")]
    business_user_id: Uuid,
    #[serde(rename = "businessUserMetadataId")]
    business_user_metadata_id: Uuid,
    business_entity_name: Value,
    company_address: Value,
}

/// Why a business was not onboarded.
#[derive(Serialize, ToSchema)]
pub struct NotOnboarded {
    /// One.
    pub r#type: Vec<WalletErrorEntry>,
    /// For people.
    #[schema(example = "Business domain already exists")]
    pub message: String,
}

/// Who is to be onboarded.
struct Asked {
    claim: Claim,
    badge: Uuid,
    phone: String,
    told: Told,
    indexes: Indexes,
}

/// By which the business is found.
struct Indexes {
    domain: BlindIndex,
    name: BlindIndex,
    email: BlindIndex,
    control_persons: Vec<BlindIndex>,
}

/// Onboards a business by an address that it controls, with those who own, control and sign for it, and has it looked at.
///
/// All fields are required but for `customNamespace`, `provider`, `businessEntityId` and one of `taxId` and `taxIdNumber`.
/// The body may have 16 MiB.
#[utoipa::path(post, path = "/tenant/business-user", operation_id = "onboard_business_user", tag = "Business users",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])),
    request_body = NewBusinessUser,
    responses(
        WalletErrors, WalletPostErrors,
        (status = 201, description = "The business, whose compliance is pending", body = OnboardedBusinessUser),
        (status = 400, description = "The request makes no sense, or cannot be done as things are",
            body = Vec<NotOnboarded>)))]
pub async fn onboard(
    caller: Tenant,
    State(app): State<App>,
    posted: Result<Posted<NewBusinessUser>>,
) -> Result<Response> {
    let onboarded = async { onboard_once(&app, &caller, posted?).await };
    onboarded.await.map_err(refusal::enveloped)
}

async fn onboard_once(app: &App, caller: &Tenant, posted: Posted<NewBusinessUser>) -> Result<Response> {
    let Posted { body, once } = posted;
    // As when a person is onboarded: a repetition is answered before anything is looked at.
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = once.first(&mut tx, caller.mode).await? {
        return KeptAnswer::repeat(app, &mut tx, caller.mode, first).await?.ok_or_else(refusal::no_account);
    }
    tx.commit().await?;
    let now = app.clock.now().trunc_subsecs(6);
    let asked = read(app, caller, body, now).await?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = once.first(&mut tx, caller.mode).await? {
        return KeptAnswer::repeat(app, &mut tx, caller.mode, first).await?.ok_or_else(refusal::no_account);
    }
    let (known, answer) = create(app, &mut tx, caller, &asked, now).await?;
    KeptAnswer::commit(&once, tx, &known, StatusCode::CREATED, &answer).await
}

/// Reads and checks what can be without looking at the tenant's other businesses.
async fn read(app: &App, caller: &Tenant, mut body: NewBusinessUser, now: DateTime<Utc>) -> Result<Asked> {
    let address = body.account_address.take().ok_or_else(|| Error::missing_field("accountAddress"))?;
    let mut claim = Claim::read(app, &address, body.custom_namespace.take(), body.provider.take())?;
    let badge = body.badge_id.take().ok_or_else(|| Error::missing_field("badgeId"))?;
    let phone = body.phone_number.take().ok_or_else(|| Error::missing_field("phoneNumber"))?;
    check_number("phoneNumber", Some(&phone))?;
    let told = Told::of(body, now.date_naive())?;
    let indexes = Indexes::of(app, caller.tenant, caller.mode, &told)?;
    let badge = badge.trim().parse().map_err(|_| refusal::not_onboarded())?;
    claim.check_elsewhere(app, caller, None).await?;
    Ok(Asked { claim, badge, phone, told, indexes })
}

impl Indexes {
    fn of(app: &App, tenant: TenantId, mode: Mode, told: &Told) -> Result<Self> {
        let index = |what: &str, text: &str| app.blind_indexer.identity(tenant, mode, what, &[&plain(text)]);
        let text = |name: &str| told.profile.text(name).ok_or_else(|| Error::missing_field(name));
        let domain = text("domain")?;
        if domain.chars().count() > 255 || domain.chars().any(char::is_whitespace) {
            return Err(Error::invalid_field("domain", "must be one word of at most 255 characters"));
        }
        Ok(Self {
            domain: index("domain of a business", domain),
            name: index("name of a business", text("businessUserName")?),
            email: index("email of a business", text("businessUserEmail")?),
            control_persons: told.control_emails.iter().map(|email| index("control person", email)).collect(),
        })
    }
}

/// Stores a business with all that belongs to one; the database sees to it that of several at once one is let in.
async fn create(
    app: &App,
    tx: &mut TenantTx,
    caller: &Tenant,
    asked: &Asked,
    now: DateTime<Utc>,
) -> Result<(Known, OnboardedBusinessUser)> {
    let (mode, Indexes { domain, name, email, control_persons }) = (caller.mode, &asked.indexes);
    check_allowed(tx).await?;
    check_unknown(tx, mode, &asked.indexes).await?;
    let identities = Identities::new(&app.keys, &app.blind_indexer, mode);
    let known = identities.of_business(tx, &asked.phone, now).await?;
    let newcomer = Newcomer {
        kind: Kind::Business,
        known: &known,
        claim: &asked.claim,
        profile: &asked.told.profile,
        papers: &asked.told.papers,
        email,
        identification: std::slice::from_ref(domain),
        badge: asked.badge,
    };
    let refusals =
        Refusals { email: refusal::email_taken, identification: refusal::domain_taken, badge: refusal::not_onboarded };
    newcomer.admit(tx, mode, refusals, now).await?;
    store::insert(tx, mode, known.id, name, now)
        .await
        .on_constraint("business_user_name_unique", |_| refusal::name_taken())?;
    store::insert_control_persons(tx, mode, known.id, control_persons)
        .await
        .on_constraint("business_control_person_pkey", |_| refusal::control_person_taken())?;

    let profile = &asked.told.profile;
    let data = OnboardedBusiness {
        domain: profile.get("domain"),
        business_user_name: profile.get("businessUserName"),
        business_user_metadata: OnboardedMetadata {
            email: profile.get("businessUserEmail"),
            phone: asked.phone.clone(),
            legal_name: profile.get("businessUserLegalName"),
            tax_id: profile.get("taxId"),
            business_user_id: known.id,
            business_user_metadata_id: known.id,
            business_entity_name: profile.get("businessEntityName"),
            company_address: profile.get("businessUserAddress"),
        },
        is_active: true,
        created_at: now,
        start_date: now,
        end_date: None,
        tenant_id: caller.tenant,
    };
    Ok((known, OnboardedBusinessUser { data, message: "Business user onboarded successfully" }))
}

/// Says in a fixed order what of this business another one has.
async fn check_unknown(tx: &mut TenantTx, mode: Mode, indexes: &Indexes) -> Result<()> {
    if store::exists(tx, mode, By::Domain(&indexes.domain)).await? {
        return Err(refusal::domain_taken());
    }
    if store::exists(tx, mode, By::Name(&indexes.name)).await? {
        return Err(refusal::name_taken());
    }
    if store::exists(tx, mode, By::Email(&indexes.email)).await? {
        return Err(refusal::email_taken());
    }
    for person in &indexes.control_persons {
        if store::exists(tx, mode, By::ControlPerson(person)).await? {
            return Err(refusal::control_person_taken());
        }
    }
    Ok(())
}
