//! What a tenant tells of a business.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use validator::Validate;

use super::owner::{ControlPerson, EntityOwner, IndividualOwner};
use crate::http::lenient;

/// An object whose fields are the caller's.
pub type Object = Map<String, Value>;

/// Everything that may be told of a business. No `Debug`: much of it is personal.
#[derive(Default, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NewBusinessUser {
    /// As a register has it.
    #[schema(example = "Jone Doe")]
    pub business_user_legal_name: Option<String>,
    /// By which the tenant knows the business; unique.
    #[schema(example = "jonedoe")]
    pub domain: Option<String>,
    /// An address that the business controls.
    #[schema(example = "0xabc1234567890abcdefabc1234567890abcdefab")]
    pub account_address: Option<String>,
    /// As it calls itself; unique.
    #[schema(example = "Jone Doe")]
    pub business_user_name: Option<String>,
    /// A name that the address has elsewhere.
    #[schema(example = "jonedoebusiness")]
    pub custom_namespace: Option<String>,
    /// Where that name is registered.
    #[schema(example = "ens")]
    pub provider: Option<String>,
    /// `isoCountryCode` is of ISO 3166-1 alpha-2, `state` of ISO 3166-2.
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub business_user_address: Option<Object>,
    /// Which kind of entity it is.
    #[schema(example = "Not Applicable")]
    pub business_entity_name: Option<String>,
    /// By which compliance knows the entity.
    #[schema(example = "BE-10001")]
    pub business_entity_id: Option<String>,
    #[serde(deserialize_with = "lenient::object")]
    #[schema(value_type = Option<BusinessDocument>)]
    pub incorporation_docs: Option<BusinessDocument>,
    #[serde(deserialize_with = "lenient::object")]
    #[schema(value_type = Option<BusinessDocument>)]
    pub jurisdiction_docs: Option<BusinessDocument>,
    #[serde(deserialize_with = "lenient::objects")]
    #[schema(value_type = Option<Vec<BusinessDocument>>)]
    pub other_docs: Option<Vec<BusinessDocument>>,
    /// Businesses that own it, and whoever owns them: five deep, a hundred owners and controllers in all.
    #[serde(deserialize_with = "lenient::objects")]
    #[schema(value_type = Option<Vec<EntityOwner>>)]
    pub entity_beneficial_owners: Option<Vec<EntityOwner>>,
    /// People who own it.
    #[serde(deserialize_with = "lenient::objects")]
    #[schema(value_type = Option<Vec<IndividualOwner>>)]
    pub individual_beneficial_owners: Option<Vec<IndividualOwner>>,
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub memo_fields: Option<Object>,
    #[schema(example = "bnk009198")]
    pub bank_verification_number: Option<String>,
    #[schema(example = "lorem@mygmail.com")]
    pub business_user_email: Option<String>,
    /// Or else `taxIdNumber`.
    #[schema(example = "122-22-2332")]
    pub tax_id: Option<String>,
    /// What `taxId` was called before 4.3.0.
    #[schema(example = "122-22-2332")]
    pub tax_id_number: Option<String>,
    #[schema(example = "123456789")]
    pub phone_number: Option<String>,
    /// Who controls it: one person, or a list of them.
    #[serde(deserialize_with = "lenient::one_or_more")]
    #[schema(value_type = Option<ControlPerson>)]
    pub control_persons: Option<Vec<ControlPerson>>,
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub registered_office_address: Option<Object>,
    #[serde(deserialize_with = "lenient::object")]
    #[schema(value_type = Option<BusinessDocument>)]
    pub proof_of_address: Option<BusinessDocument>,
    /// Who signs for it.
    #[serde(deserialize_with = "lenient::objects")]
    #[schema(value_type = Option<Vec<ControlPerson>>)]
    pub signatories: Option<Vec<ControlPerson>>,
    #[serde(deserialize_with = "lenient::objects")]
    #[schema(value_type = Option<Vec<BusinessDocument>>)]
    pub governing_documents: Option<Vec<BusinessDocument>>,
    /// The token that the business wants to use.
    #[schema(example = "USDC")]
    pub client_token: Option<String>,
    /// An identification badge for businesses.
    #[schema(example = "2852ea54-b77d-4853-96bb-e9e484765b35")]
    pub badge_id: Option<String>,
}

/// A paper of a business.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BusinessDocument {
    /// Driver's license 1, passport 2, identity card 3, residence permit 4, jurisdiction 5, incorporation 6, none 7, other 8,
    /// selfie 9.
    #[serde(deserialize_with = "lenient::text_or_number", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "8")]
    pub document_type: Option<String>,
    /// Letters, digits and dashes, and an extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "filename.png")]
    pub file_name: Option<String>,
    /// In a request the paper itself in base64, in an answer its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "US")]
    pub country_code: Option<String>,
}
