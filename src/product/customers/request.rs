//! What a tenant tells of a customer (`spec/wallet-api-2.8.0.md`, `POST /tenant/customer` and `/update`).

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use validator::Validate;

use crate::http::lenient;

/// An object whose fields are the caller's.
pub type Object = Map<String, Value>;

/// Everything that may be told of a customer. Which of it has to be is up to the route.
#[derive(Default, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CustomerDetails {
    /// Which identification badge the customer gets.
    #[schema(example = "11167c62-b6b4-4031-ac92-6ef56e9648bd")]
    pub identification_badge_id: Option<String>,
    /// Updating: whose details they are.
    #[schema(example = "cbf2f17a-d0d1-42da-a6cc-cb28f99484ea")]
    pub customer_account_id: Option<String>,
    /// Onboarding: the caller's own id.
    #[schema(example = "e1e9adb4-d3bd-4ba5-98b8-011c03a9d2b1")]
    pub tenant_id: Option<String>,
    #[schema(example = "Jone")]
    pub first_name: Option<String>,
    pub middle_name: Option<String>,
    #[schema(example = "Doe")]
    pub last_name: Option<String>,
    /// Or else both of `firstName` and `lastName`.
    #[schema(example = "Jone Doe")]
    pub full_name: Option<String>,
    /// Onboarding: an address that the customer controls.
    #[schema(example = "0xabc1234567890abcdefabc1234567890abcdefab")]
    pub account_address: Option<String>,
    /// Whatever the tenant wants to be kept with the customer.
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub customer_meta_data: Option<Object>,
    /// Onboarding: a name that the address has elsewhere.
    #[schema(example = "jonedoe")]
    pub custom_namespace: Option<String>,
    /// Where that name is registered.
    #[schema(example = "ens")]
    pub provider: Option<String>,
    /// Onboarding: the name that another tenant's namespace gives the address, if there is one.
    #[schema(example = "digit.sam.ul")]
    pub ul_namespace: Option<String>,
    /// `married` or `unmarried`.
    #[serde(deserialize_with = "one_or_first")]
    #[schema(value_type = Option<String>, example = "married")]
    pub marital_status: Option<String>,
    /// `YYYY-MM-DD` or `DD-MM-YYYY`; at least 18 years ago.
    #[schema(example = "1997-02-02")]
    pub date_of_birth: Option<String>,
    #[schema(example = "lorem@mygmail.com")]
    pub email: Option<String>,
    /// `male`, `female`, `others` or `unknown`.
    #[schema(example = "unknown")]
    pub gender: Option<String>,
    /// `+`, country code and number, without blanks.
    #[schema(example = "+91123456789")]
    pub phone_number: Option<String>,
    pub nationality: Option<String>,
    /// The address from which the customer asked.
    #[serde(rename = "ip_address")]
    pub ip_address: Option<String>,
    pub ssn: Option<String>,
    pub state_license_id: Option<String>,
    pub tin: Option<String>,
    /// `isoCountryCode` (or else `country`) is of ISO 3166-1 alpha-2, `state` of ISO 3166-2.
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub address: Option<Object>,
    #[serde(rename = "lat_long")]
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub lat_long: Option<Object>,
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub tax: Option<Object>,
    #[serde(deserialize_with = "lenient::objects")]
    #[schema(value_type = Option<Vec<Document>>)]
    pub government_documents: Option<Vec<Document>>,
    #[serde(deserialize_with = "lenient::objects")]
    #[schema(value_type = Option<Vec<Document>>)]
    pub proof_of_address: Option<Vec<Document>>,
    #[serde(deserialize_with = "lenient::object")]
    #[schema(value_type = Option<Document>)]
    pub passport: Option<Document>,
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub others: Option<Object>,
    /// A picture of the customer's face, in base64.
    pub selfie_content: Option<String>,
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub metro_location_details: Option<Object>,
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub additional_lat_long: Option<Object>,
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub additional_address: Option<Object>,
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub geo_location_details: Option<Object>,
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub metro_area_details: Option<Object>,
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub country_details: Option<Object>,
    pub verified_name: Option<String>,
    #[serde(rename = "verifiedDOB")]
    #[schema(example = "2012-12-12")]
    pub verified_dob: Option<String>,
    pub verified_photo: Option<String>,
    #[serde(rename = "verifiedIDNumber")]
    pub verified_id_number: Option<String>,
    pub verified_country: Option<String>,
    pub verified_state: Option<String>,
    #[serde(rename = "verifiedIDIssueDate")]
    #[schema(example = "2012-12-12")]
    pub verified_id_issue_date: Option<String>,
    #[serde(rename = "verifiedIDExpirationDate")]
    #[schema(example = "2012-12-12")]
    pub verified_id_expiration_date: Option<String>,
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub verified_address: Option<Object>,
    pub verified_gender: Option<String>,
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub bank_account_details: Option<Object>,
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub plaid_details: Option<Object>,
    pub occupation: Option<String>,
    pub annual_salary: Option<String>,
    pub account_purpose: Option<String>,
    pub expected_monthly_volume: Option<String>,
    /// Updating: whether somebody is to look at the customer again.
    #[serde(deserialize_with = "lenient::true_or_its_word")]
    #[schema(value_type = Option<bool>)]
    pub re_run_compliance_check: Option<bool>,
    /// Updating: whether the customer has a bank account.
    #[serde(deserialize_with = "lenient::true_or_its_word")]
    #[schema(value_type = Option<bool>)]
    pub bank_account: Option<bool>,
    /// Updating: why.
    pub remarks: Option<String>,
}

/// A paper and what is said of it.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = CustomerDocument)]
pub struct Document {
    #[schema(example = "national id card of user")]
    pub description: Option<String>,
    #[schema(example = "idCard.png")]
    pub file_name: Option<String>,
    #[schema(example = "front")]
    pub side: Option<String>,
    /// What kind of paper it is.
    #[serde(rename = "type")]
    #[schema(example = "DriversLicense")]
    pub kind: Option<String>,
    /// In a request the paper itself in base64, in an answer its id.
    pub content: Option<String>,
    #[schema(example = "123455")]
    pub number: Option<String>,
    #[schema(example = "INDIA")]
    pub issued_country: Option<String>,
    #[serde(deserialize_with = "lenient::true_or_its_word")]
    #[schema(value_type = Option<bool>)]
    pub expired: Option<bool>,
    #[schema(example = "2012-12-12")]
    pub valid_from_date: Option<String>,
    #[schema(example = "2032-12-12")]
    pub valid_till_date: Option<String>,
}

/// Documented as a text, and shown as a list of those that it can be: the first counts.
fn one_or_first<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a text or a list of texts")]
    enum Told {
        One(String),
        Some(Vec<String>),
    }
    Ok(match Option::deserialize(deserializer)? {
        Some(Told::One(text)) => Some(text),
        Some(Told::Some(texts)) => {
            Some(texts.into_iter().next().ok_or_else(|| serde::de::Error::custom("the list is empty"))?)
        }
        None => None,
    })
}

/// The body of `POST /tenant/customer/add-wallet`.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NewCustomerWallet)]
pub struct NewWallet {
    /// Whose wallet it is; or else `businessUserId`.
    #[schema(example = "e1e9adb4-d3bd-4ba5-98b8-011c03a9d2b1")]
    pub customer_account_id: Option<String>,
    /// Whose wallet it is; or else `customerAccountId`.
    #[schema(example = "d573926e-358f-482d-8375-6842477ce736")]
    pub business_user_id: Option<String>,
    /// The caller's own id.
    #[schema(example = "e1e9adb4-d3bd-4ba5-98b8-011c03a9d2b1")]
    pub tenant_id: String,
    /// A name that the address has elsewhere.
    #[schema(example = "jonedoe")]
    pub custom_namespace: String,
    /// Where that name is registered.
    #[schema(example = "ens")]
    pub provider: String,
    /// An address that the customer controls.
    #[schema(example = "0xabc1234567890abcdefabc1234567890abcdefab")]
    pub account_address: String,
    /// A financial badge for this wallet alone, with `tokenSymbol`.
    #[schema(example = "d573926e-358f-482d-8375-6842477ce736")]
    pub financial_badge_id: Option<String>,
    /// The token that it is for.
    #[schema(example = "USDC")]
    pub token_symbol: Option<String>,
}

/// The body of `PUT /tenant/customer/{customerId}`.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewCustomNamespace {
    /// A name that the customer's primary wallet has elsewhere.
    #[schema(example = "myNamespace")]
    pub custom_namespace: String,
}
