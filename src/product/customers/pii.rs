//! `GET /tenant/customer/pii-customer-details/{customerAccountId}`

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::directory::{Directory, NamedWallet};
use super::kind::Kind;
use super::past::{Past, PastChange};
use super::refusal;
use super::seen::Seen;
use super::status::Decision;
use super::store;
use super::verified::Verifiable;
use crate::auth::Tenant;
use crate::db::{Cursor, PageRequest};
use crate::foundation::TenantId;
use crate::http::openapi::{WalletError, WalletErrors};
use crate::http::{Error, Path, Query, Result, page_bounds};
use crate::product::App;

/// What a customer has told, and all that it was before.
#[derive(Serialize, ToSchema)]
pub struct CustomerPii {
    #[schema(example = "Customer full details fetched successfully")]
    message: &'static str,
    data: Pii,
}

/// What a customer has told.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pii {
    customer_account_id: Uuid,
    tenant_id: TenantId,
    first_name: Value,
    middle_name: Value,
    last_name: Value,
    tax_id: Value,
    ssn: Value,
    phone: String,
    email: Value,
    dob: Value,
    gid_name: Value,
    gid_dob: Value,
    address: Value,
    occupation: Value,
    ip_address: Value,
    lat_long: Value,
    annual_salary: Value,
    account_purpose: Value,
    gender: Value,
    expected_monthly_volume: Value,
    gid_photo: Value,
    gid_country: Value,
    gid_state: Value,
    gid_issue_date: Value,
    gid_expiration_date: Value,
    gid_address: Value,
    verified_gender: Value,
    denial_code: Value,
    denial_reason: Value,
    #[schema(example = "Not Verified")]
    govt_id_verification: &'static str,
    #[schema(example = "Not Verified")]
    poa_verification_status: &'static str,
    #[schema(example = "Not Verified")]
    ssn_verification_status: &'static str,
    #[schema(example = "Not Verified")]
    bank_verification_status: &'static str,
    bank_accounts: Vec<BankAccount>,
    namespaces: Vec<Name>,
    /// Newest first: a hundred, or fewer that are large.
    history_data: Vec<PastChange>,
    /// Hand this back as `cursor` for the changes before; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

/// Which changes are asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AskedPast {
    /// `nextCursor` of the answer before: tells of the changes before its last one.
    cursor: Option<String>,
}

/// A bank account as a customer has told it: the last four characters of its number.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BankAccount {
    bank_legal_name: Value,
    bank_account_holder_name: Value,
    bank_account_type: Value,
    #[schema(example = "XXXXXX0412")]
    bank_account_number: Value,
    bank_aba_routing_number: Value,
}

/// A wallet's names.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WalletName)]
pub struct Name {
    namespace: Option<String>,
    is_global: bool,
    is_primary: bool,
    custom_namespace: Option<String>,
}

/// What a customer has told, and everything that it was before: old and new values, who changed them and when.
#[utoipa::path(get, path = "/tenant/customer/pii-customer-details/{customerAccountId}",
    operation_id = "show_customer_pii", tag = "Customers",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])),
    params(("customerAccountId" = String, Path, description = "The customer's id"), AskedPast),
    responses(
        (status = 200, description = "The customer", body = CustomerPii),
        (status = 404, description = "There is no such customer", body = WalletError),
        WalletErrors))]
pub async fn show(
    caller: Tenant,
    State(app): State<App>,
    Path(customer): Path<String>,
    Query(asked): Query<AskedPast>,
) -> Result<Json<CustomerPii>> {
    if customer.parse::<Uuid>().is_err() {
        let refused = Error::bad_request("invalid_customer_id", "Please provide valid customer id");
        return Err(refused.of_type("Invalid UUID"));
    }
    let (_, after) = page_bounds(&PageRequest { limit: None, cursor: asked.cursor })?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let Some(seen) = Seen::of(&app, &mut tx, caller.mode, Kind::Person, &customer).await? else {
        let is_anybody = store::has_customers(&mut tx, caller.mode).await?;
        return Err(if is_anybody { refusal::unknown() } else { refusal::no_tenant() });
    };
    if let Some(Cursor(change)) = after
        && !store::is_change(&mut tx, seen.id, change).await?
    {
        return Err(Error::invalid_field("cursor", "is not a nextCursor of this customer"));
    }
    let wallets = Directory::wallets(&mut tx, caller.mode, seen.id).await?;
    let past = Past::read(&mut tx, &seen, &wallets, after).await?;
    tx.commit().await?;
    let data = Pii::of(caller.tenant, seen, wallets, past);
    Ok(Json(CustomerPii { message: "Customer full details fetched successfully", data }))
}

impl Pii {
    fn of(tenant_id: TenantId, seen: Seen, wallets: Vec<NamedWallet>, past: Past) -> Self {
        let Seen { id, phone, profile, standing, denial, verified, .. } = seen;
        let is_accepted = standing.compliance == Decision::Accepted;
        let said = |is_verified: bool| if is_accepted && is_verified { "Verified" } else { "Not Verified" };
        let denial = |name: &str| denial.as_ref().and_then(|denial| denial.get(name).cloned()).unwrap_or(Value::Null);
        let named = |wallet: NamedWallet| Name {
            namespace: wallet.namespace,
            is_global: wallet.is_global,
            is_primary: wallet.is_primary,
            custom_namespace: wallet.custom_namespace,
        };
        Self {
            customer_account_id: id,
            tenant_id,
            first_name: profile.get("firstName"),
            middle_name: profile.get("middleName"),
            last_name: profile.get("lastName"),
            tax_id: profile.get("tax").get("idNumber").cloned().unwrap_or(Value::Null),
            ssn: profile.get("ssn"),
            phone,
            email: profile.get("email"),
            dob: profile.get("dateOfBirth"),
            gid_name: profile.get("verifiedName"),
            gid_dob: profile.get("verifiedDOB"),
            address: profile.get("address"),
            occupation: profile.get("occupation"),
            ip_address: profile.get("ip_address"),
            lat_long: profile.get("lat_long"),
            annual_salary: profile.get("annualSalary"),
            account_purpose: profile.get("accountPurpose"),
            gender: profile.get("gender"),
            expected_monthly_volume: profile.get("expectedMonthlyVolume"),
            gid_photo: profile.get("verifiedPhoto"),
            gid_country: profile.get("verifiedCountry"),
            gid_state: profile.get("verifiedState"),
            gid_issue_date: profile.get("verifiedIDIssueDate"),
            gid_expiration_date: profile.get("verifiedIDExpirationDate"),
            gid_address: profile.get("verifiedAddress"),
            verified_gender: profile.get("verifiedGender"),
            denial_code: denial("code"),
            denial_reason: denial("reason"),
            govt_id_verification: said(verified.has(Verifiable::GovernmentId)),
            poa_verification_status: said(verified.has(Verifiable::ProofOfAddress)),
            ssn_verification_status: said(verified.has(Verifiable::Ssn)),
            // Told, and linked to nothing.
            bank_verification_status: said(false),
            bank_accounts: profile.0.get("bankAccountDetails").map(BankAccount::of).into_iter().collect(),
            namespaces: wallets.into_iter().map(named).collect(),
            history_data: past.changes,
            next_cursor: past.next,
        }
    }
}

impl BankAccount {
    fn of(told: &Value) -> Self {
        let get = |name: &str| told.get(name).cloned().unwrap_or(Value::Null);
        let routing = match get("bankAbaRoutingNumber") {
            Value::Null => get("bankRoutingNumber"),
            routing => routing,
        };
        Self {
            bank_legal_name: get("bankLegalName"),
            bank_account_holder_name: get("bankAccountHolderName"),
            bank_account_type: get("bankAccountType"),
            bank_account_number: get("bankAccountNumber").as_str().map(masked).into(),
            bank_aba_routing_number: routing,
        }
    }
}

/// `XXXXXX0412`; of a number of four characters or fewer nothing is shown.
fn masked(number: &str) -> String {
    let characters: Vec<char> = number.chars().collect();
    let shown = if characters.len() > 4 { characters.len() - 4 } else { characters.len() };
    let masked = characters.iter().enumerate().map(|(at, c)| if at < shown { 'X' } else { *c });
    masked.collect()
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn of_a_number_four_characters_are_shown_at_most() {
        for (number, shown) in [("Ul22440412", "XXXXXX0412"), ("12345", "X2345"), ("1234", "XXXX"), ("", "")] {
            assert_eq!(masked(number), shown);
        }
    }
}
