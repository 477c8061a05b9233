//! `GET /tenant/business-user/{businessUserId}`

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::papers::{Filed, filed};
use super::refusal;
use crate::auth::Tenant;
use crate::chain;
use crate::foundation::{Mode, TenantId, Token};
use crate::http::openapi::{WalletError, WalletErrors};
use crate::http::{Error, Path, Result};
use crate::product::App;
use crate::product::customers::{Directory, Kind, NamedWallet, NewestCheck, Seen};

/// A business in full.
#[derive(Serialize, ToSchema)]
pub struct BusinessUserInFull {
    #[schema(example = "Business user details fetched successfully")]
    message: &'static str,
    data: BusinessUser,
}

/// What is known of a business.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BusinessUser {
    business_user_id: Uuid,
    business_user_name: Value,
    domain: Value,
    start_date: DateTime<Utc>,
    /// Null: it does not end.
    end_date: Option<DateTime<Utc>>,
    #[schema(example = "PENDING")]
    compliance_status: &'static str,
    #[schema(example = "INACTIVE")]
    account_status: &'static str,
    #[schema(example = "PENDING")]
    onboarding_status: &'static str,
    /// What the newest compliance check says of who they are.
    #[schema(example = "PENDING")]
    identity_provider_status: &'static str,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    tenant_id: TenantId,
    /// The name of the wallet that is shown.
    #[serde(rename = "business_user_namespaces")]
    namespaces: BusinessNamespace,
    /// The newest compliance check.
    #[serde(rename = "dss_business_users")]
    check: Option<BusinessCheck>,
    #[serde(rename = "business_user_metadata")]
    metadata: BusinessMetadata,
    /// Every paper that was told of, wherever it lies.
    #[serde(rename = "business_user_documents")]
    documents: Vec<FiledDocument>,
    wallet_balance_details: WalletBalance,
}

/// A name of a business's wallet.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BusinessNamespace {
    business_user_namespace_id: Uuid,
    business_user_id: Uuid,
    #[schema(example = "acme.jonedoebusiness.ul")]
    business_user_namespace: Option<String>,
    account_address: String,
}

/// A compliance check of a business.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BusinessCheck {
    /// Null: there is one type of checks.
    dss_type_id: Option<Uuid>,
    business_user_id: Uuid,
    /// By which the provider knows the check.
    dss_id: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// What a business has told.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BusinessMetadata {
    business_user_metadata_id: Uuid,
    business_user_id: Uuid,
    company_address: Value,
    email: Value,
    tax_id: Value,
    legal_name: Value,
    phone: String,
    business_entity_name: Value,
    business_entity_id: Value,
    bank_verification_number: Value,
    incorporation_docs: Value,
    jurisdiction_docs: Value,
    other_docs: Value,
    governing_documents: Value,
    proof_of_address: Value,
    entity_beneficial_owners: Value,
    individual_beneficial_owners: Value,
    control_persons: Value,
    memo_fields: Value,
    other_details: Value,
    registered_office_address: Value,
    signatories: Value,
    client_token: Value,
}

/// A paper of a business.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FiledDocument {
    business_user_document_id: Value,
    business_user_id: Uuid,
    document_type: Value,
    file_name: Value,
    /// The paper's id.
    content: Value,
    country_code: Value,
    /// As what it was told.
    #[serde(rename = "type")]
    #[schema(example = "incorporationDocs")]
    role: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// What the wallet that is shown holds.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BusinessWalletBalance)]
pub struct WalletBalance {
    account_address: String,
    namespace_id: Uuid,
    /// 1 when another tenant has the address too.
    is_global: u8,
    is_primary: bool,
    domain_namespace: Option<String>,
    tenant_id: TenantId,
    tenant_name: String,
    custom_namespace: Option<String>,
    namespace_provider: Option<String>,
    balance: TokenBalance,
}

/// How much of a token.
#[derive(Serialize, ToSchema)]
#[schema(as = BusinessTokenBalance)]
pub struct TokenBalance {
    #[schema(example = "0.000000")]
    balance: String,
    #[schema(example = "USDC")]
    name: String,
    #[schema(example = "USDC")]
    symbol: String,
}

/// All that is known of a business, with what its primary wallet, or else its first, holds of the token that it wants to use.
///
/// Of a token that is not configured the first of those that are is told.
#[utoipa::path(get, path = "/tenant/business-user/{businessUserId}", operation_id = "show_business_user",
    tag = "Business users",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])),
    params(("businessUserId" = String, Path, description = "The business's id")),
    responses(
        (status = 200, description = "The business", body = BusinessUserInFull),
        (status = 404, description = "There is nothing at this path; an id of no business is a 400", body = WalletError),
        WalletErrors))]
pub async fn show(
    caller: Tenant,
    State(app): State<App>,
    Path(business): Path<String>,
) -> Result<Json<BusinessUserInFull>> {
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let seen = Seen::of(&app, &mut tx, caller.mode, Kind::Business, &business).await?.ok_or_else(refusal::unknown)?;
    let mut wallets = Directory::wallets(&mut tx, caller.mode, seen.id).await?;
    let shown = wallets.iter().position(|wallet| wallet.is_primary).unwrap_or_default();
    if wallets.is_empty() {
        return Err(refusal::unknown());
    }
    let wallet = wallets.swap_remove(shown);
    let check = seen.newest_check(&mut tx).await?;
    let tenant_name = Directory::tenant_name(&mut tx).await?;
    let token = token_of(&app, &seen)?;
    let simulated = match caller.mode {
        Mode::Test => Some(chain::simulated_balance(&mut tx, token.contract, wallet.address).await?),
        Mode::Live => None,
    };
    // No transaction is open while the chain is asked.
    tx.commit().await?;
    let amount = match simulated {
        Some(amount) => amount,
        None => {
            let asked = app.chain.token_balance(token.contract, wallet.address).await;
            asked.map_err(|error| Error::unavailable(error, Duration::from_secs(1)))?
        }
    };
    let balance = TokenBalance {
        balance: token.format(amount),
        name: token.symbol.to_string(),
        symbol: token.symbol.to_string(),
    };
    let data = BusinessUser::of(caller.tenant, seen, check, (tenant_name, wallet), balance);
    Ok(Json(BusinessUserInFull { message: "Business user details fetched successfully", data }))
}

/// The token that a business wants to use, or else the first that is configured.
fn token_of<'a>(app: &'a App, seen: &Seen) -> Result<&'a Token> {
    let wanted = seen.profile.text("clientToken").and_then(|symbol| app.tokens.by_symbol(symbol));
    wanted.or_else(|| app.tokens.iter().next()).ok_or_else(|| Error::internal("no token is configured"))
}

/// One is shown as it is documented, several as they were told.
fn one_or_more(told: Value) -> Value {
    match told {
        Value::Array(mut persons) if persons.len() == 1 => persons.swap_remove(0),
        other => other,
    }
}

impl BusinessUser {
    fn of(
        tenant_id: TenantId,
        seen: Seen,
        check: Option<NewestCheck>,
        (tenant_name, wallet): (String, NamedWallet),
        balance: TokenBalance,
    ) -> Self {
        let Seen { id, phone, profile, standing, created_at, updated_at, .. } = seen;
        let account_address = wallet.address.to_checksum(None);
        let document = |Filed { role, told }: Filed| {
            let get = |name: &str| told.get(name).cloned().unwrap_or(Value::Null);
            FiledDocument {
                business_user_document_id: get("content"),
                business_user_id: id,
                document_type: get("documentType"),
                file_name: get("fileName"),
                content: get("content"),
                country_code: get("countryCode"),
                role,
                created_at,
                updated_at,
            }
        };
        Self {
            business_user_id: id,
            business_user_name: profile.get("businessUserName"),
            domain: profile.get("domain"),
            start_date: created_at,
            end_date: None,
            compliance_status: standing.compliance.as_str(),
            account_status: standing.account.as_str(),
            onboarding_status: standing.onboarding.as_str(),
            identity_provider_status: standing.compliance.as_str(),
            created_at,
            updated_at,
            tenant_id,
            namespaces: BusinessNamespace {
                business_user_namespace_id: wallet.id,
                business_user_id: id,
                business_user_namespace: wallet.namespace.clone(),
                account_address: account_address.clone(),
            },
            check: check.map(|check| BusinessCheck {
                dss_type_id: None,
                business_user_id: id,
                dss_id: check.id,
                created_at: check.created_at,
                updated_at: check.updated_at,
            }),
            documents: filed(&profile.0).into_iter().map(document).collect(),
            metadata: BusinessMetadata {
                business_user_metadata_id: id,
                business_user_id: id,
                company_address: profile.get("businessUserAddress"),
                email: profile.get("businessUserEmail"),
                tax_id: profile.get("taxId"),
                legal_name: profile.get("businessUserLegalName"),
                phone,
                business_entity_name: profile.get("businessEntityName"),
                business_entity_id: profile.get("businessEntityId"),
                bank_verification_number: profile.get("bankVerificationNumber"),
                incorporation_docs: profile.get("incorporationDocs"),
                jurisdiction_docs: profile.get("jurisdictionDocs"),
                other_docs: profile.get("otherDocs"),
                governing_documents: profile.get("governingDocuments"),
                proof_of_address: profile.get("proofOfAddress"),
                entity_beneficial_owners: profile.get("entityBeneficialOwners"),
                individual_beneficial_owners: profile.get("individualBeneficialOwners"),
                control_persons: one_or_more(profile.get("controlPersons")),
                memo_fields: profile.get("memoFields"),
                other_details: Value::Null,
                registered_office_address: profile.get("registeredOfficeAddress"),
                signatories: profile.get("signatories"),
                client_token: profile.get("clientToken"),
            },
            wallet_balance_details: WalletBalance {
                account_address,
                namespace_id: wallet.id,
                is_global: u8::from(wallet.is_global),
                is_primary: wallet.is_primary,
                domain_namespace: wallet.namespace,
                tenant_id,
                tenant_name,
                custom_namespace: wallet.custom_namespace,
                namespace_provider: wallet.provider,
                balance,
            },
        }
    }
}
