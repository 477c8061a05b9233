//! `GET /tenant/customer/customer-full-details/{customerAccountId}`

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::directory::{Directory, NamedWallet};
use super::kind::Kind as CustomerKind;
use super::profile::{Profile, open};
use super::request::Object;
use super::seen::Seen;
use super::{refusal, store};
use crate::auth::Tenant;
use crate::db::TenantTx;
use crate::http::openapi::{WalletError, WalletErrors};
use crate::http::{Path, Result};
use crate::product::App;
use crate::product::badges::{AssignedBadge, Badges, Kind};

/// Notes that one answer tells of.
const MOST_NOTES: i64 = 100;

/// A customer in full.
#[derive(Serialize, ToSchema)]
pub struct CustomerInFull {
    #[schema(example = "Customer details fetched successfully")]
    message: &'static str,
    /// One.
    data: Vec<FullDetails>,
}

/// What is known of a customer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FullDetails {
    customer_account_id: Uuid,
    domain_namespace: Option<String>,
    custom_namespace: Option<String>,
    namespace_provider: Option<String>,
    tenant_name: String,
    first_name: Value,
    middle_name: Value,
    last_name: Value,
    tax_id_number: Value,
    ssn: Value,
    phone_number: String,
    date_of_birth: Value,
    address: Value,
    lat_long: Value,
    email: Value,
    account_address: Option<String>,
    #[schema(example = "PENDING")]
    kyc_status: &'static str,
    #[schema(example = "ACCEPTED")]
    funding_status: &'static str,
    #[schema(example = "ACCEPTED")]
    compliance_status: &'static str,
    #[schema(example = "ACTIVE")]
    account_status: &'static str,
    /// What the identification badge is called.
    customer_account_category: Option<String>,
    documents: Vec<Paper>,
    /// What was remarked with updates: the newest hundred, newest first.
    #[serde(rename = "tenant_customer_notes")]
    tenant_customer_notes: Vec<Note>,
    wallets: Vec<Wallet>,
    /// The identification badges that the customer has and has had, newest first.
    id_badge_logs: Vec<IdBadge>,
    info_badge: Vec<InfoBadge>,
}

/// A remark that came with an update.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CustomerNote)]
pub struct Note {
    tenant_customer_note_id: Uuid,
    customer_account_id: Uuid,
    comment: String,
    /// Empty: a remark comes with nothing.
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    attachment: Object,
    /// The name of the API key that made it.
    created_by: Option<String>,
}

/// What is said of a paper.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CustomerPaper)]
pub struct Paper {
    file_name: Value,
    side: Value,
    #[serde(rename = "type")]
    kind: Value,
    number: Value,
    expired: Value,
    description: Value,
    issued_country: Value,
    valid_from_date: Value,
    valid_till_date: Value,
    document_id: Value,
}

/// A wallet and its names.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CustomerWallet)]
pub struct Wallet {
    tenant_name: String,
    domain_namespace: Option<String>,
    account_address: String,
    /// Whether another tenant has the address too.
    is_global: bool,
    is_primary: bool,
    custom_namespace: Option<String>,
    namespace_provider: Option<String>,
}

/// An identification badge of a customer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdBadge {
    badge_id: Uuid,
    customer_account_id: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    badge_name: String,
    badge_type: &'static str,
    #[serde(rename = "IdBadgeTokens")]
    tokens: Vec<IdBadgeToken>,
}

/// A token that is ruled by a badge.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdBadgeToken {
    public_id: Uuid,
    identification_badge_id: Uuid,
    financial_badge_id: Option<Uuid>,
    token_symbol: String,
    financial_badge_name: Option<String>,
}

/// An information badge of a customer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfoBadge {
    information_badge_id: Uuid,
    customer_account_id: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    badge_name: String,
    badge_type: &'static str,
}

/// All that is known of a customer, but for the papers themselves.
#[utoipa::path(get, path = "/tenant/customer/customer-full-details/{customerAccountId}",
    operation_id = "show_customer_in_full", tag = "Customers",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])),
    params(("customerAccountId" = String, Path, description = "The customer's id")),
    responses(
        (status = 200, description = "The customer", body = CustomerInFull),
        (status = 404, description = "There is no such customer", body = WalletError),
        WalletErrors))]
pub async fn show(
    caller: Tenant,
    State(app): State<App>,
    Path(customer): Path<String>,
) -> Result<Json<CustomerInFull>> {
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let Some(seen) = Seen::of(&app, &mut tx, caller.mode, CustomerKind::Person, &customer).await? else {
        let is_anybody = store::has_customers(&mut tx, caller.mode).await?;
        return Err(if is_anybody { refusal::unknown() } else { refusal::nobody() });
    };
    let wallets = Directory::wallets(&mut tx, caller.mode, seen.id).await?;
    let badges = Badges::of_customer(&mut tx, seen.id).await?;
    let notes = Note::of(&mut tx, &seen).await?;
    let tenant_name = store::tenant(&mut tx).await?.1;
    tx.commit().await?;
    let data =
        vec![FullDetails { tenant_customer_notes: notes, ..FullDetails::of(seen, tenant_name, wallets, badges) }];
    Ok(Json(CustomerInFull { message: "Customer details fetched successfully", data }))
}

impl FullDetails {
    fn of(seen: Seen, tenant_name: String, wallets: Vec<NamedWallet>, badges: Vec<AssignedBadge>) -> Self {
        let Seen { id, phone, profile, standing, .. } = seen;
        let shown = NamedWallet::shown(&wallets).cloned();
        let of_kind = |kind| badges.iter().filter(move |badge| badge.kind == kind);
        let tax = profile.get("tax");
        Self {
            customer_account_id: id,
            domain_namespace: shown.as_ref().and_then(|wallet| wallet.namespace.clone()),
            custom_namespace: shown.as_ref().and_then(|wallet| wallet.custom_namespace.clone()),
            namespace_provider: shown.as_ref().and_then(|wallet| wallet.provider.clone()),
            account_address: shown.as_ref().map(|wallet| wallet.address.to_checksum(None)),
            first_name: profile.get("firstName"),
            middle_name: profile.get("middleName"),
            last_name: profile.get("lastName"),
            tax_id_number: tax.get("idNumber").cloned().unwrap_or(Value::Null),
            ssn: profile.get("ssn"),
            phone_number: phone,
            date_of_birth: profile.get("dateOfBirth"),
            address: profile.get("address"),
            lat_long: profile.get("lat_long"),
            email: profile.get("email"),
            kyc_status: standing.kyc.as_str(),
            funding_status: standing.funding.as_str(),
            compliance_status: standing.compliance.as_str(),
            account_status: standing.account.as_str(),
            customer_account_category: of_kind(Kind::Identification)
                .find(|badge| badge.ended_at.is_none())
                .map(|badge| badge.name.clone()),
            documents: papers(&profile),
            tenant_customer_notes: Vec::new(),
            id_badge_logs: of_kind(Kind::Identification).map(|badge| IdBadge::of(id, badge)).collect(),
            info_badge: of_kind(Kind::Information).map(|badge| InfoBadge::of(id, badge)).collect(),
            wallets: wallets.into_iter().map(|wallet| Wallet::of(&tenant_name, wallet)).collect(),
            tenant_name,
        }
    }
}

impl Note {
    async fn of(tx: &mut TenantTx, seen: &Seen) -> Result<Vec<Self>> {
        let remarks = store::remarks_of(tx, seen.id, MOST_NOTES).await?;
        let tenant = tx.tenant();
        let note = |remark: store::Remark| {
            Ok(Self {
                tenant_customer_note_id: remark.id,
                customer_account_id: seen.id,
                comment: open(&seen.key, tenant, seen.id, "remarks", &remark.text)?,
                attachment: Object::new(),
                created_by: remark.by,
            })
        };
        remarks.into_iter().map(note).collect()
    }
}

impl Wallet {
    fn of(tenant_name: &str, wallet: NamedWallet) -> Self {
        Self {
            tenant_name: tenant_name.to_owned(),
            domain_namespace: wallet.namespace,
            account_address: wallet.address.to_checksum(None),
            is_global: wallet.is_global,
            is_primary: wallet.is_primary,
            custom_namespace: wallet.custom_namespace,
            namespace_provider: wallet.provider,
        }
    }
}

impl IdBadge {
    fn of(customer: Uuid, badge: &AssignedBadge) -> Self {
        let token = |link: &crate::product::badges::LinkedToken| IdBadgeToken {
            public_id: link.id,
            identification_badge_id: badge.badge_id,
            financial_badge_id: link.financial_badge_id,
            token_symbol: link.token.clone(),
            financial_badge_name: link.financial_badge_name.clone(),
        };
        Self {
            badge_id: badge.badge_id,
            customer_account_id: customer,
            created_at: badge.created_at,
            updated_at: badge.updated_at,
            badge_name: badge.name.clone(),
            badge_type: badge.kind.as_str(),
            tokens: badge.tokens.iter().map(token).collect(),
        }
    }
}

impl InfoBadge {
    fn of(customer: Uuid, badge: &AssignedBadge) -> Self {
        Self {
            information_badge_id: badge.badge_id,
            customer_account_id: customer,
            created_at: badge.created_at,
            updated_at: badge.updated_at,
            badge_name: badge.name.clone(),
            badge_type: badge.kind.as_str(),
        }
    }
}

/// The papers and, last, the picture of the face.
fn papers(profile: &Profile) -> Vec<Paper> {
    let paper = |told: Object| {
        let get = |name: &str| told.get(name).cloned().unwrap_or(Value::Null);
        Paper {
            file_name: get("fileName"),
            side: get("side"),
            kind: get("type"),
            number: get("number"),
            expired: get("expired"),
            description: get("description"),
            issued_country: get("issuedCountry"),
            valid_from_date: get("validFromDate"),
            valid_till_date: get("validTillDate"),
            document_id: get("content"),
        }
    };
    let empty = || Value::from("");
    let selfie = profile.0.get("selfieContent").map(|id| Paper {
        file_name: "Selfie".into(),
        side: "front".into(),
        kind: "Selfie".into(),
        number: empty(),
        expired: false.into(),
        description: "selfie of user".into(),
        issued_country: empty(),
        valid_from_date: empty(),
        valid_till_date: empty(),
        document_id: id.clone(),
    });
    profile.documents().into_iter().map(paper).chain(selfie).collect()
}
