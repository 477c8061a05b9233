//! Who owns, controls and signs for a business, as the tenant tells it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::request::{BusinessDocument, Object};
use crate::http::lenient;

/// A business that owns part of another.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EntityOwner {
    /// 0 to 100.
    #[serde(deserialize_with = "lenient::text_or_number", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, example = 20)]
    pub ownership_percentage: Option<String>,
    #[serde(deserialize_with = "lenient::text_or_number", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, example = 1)]
    pub ownership_type: Option<String>,
    #[serde(deserialize_with = "lenient::objects", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<EntityOwner>>, no_recursion)]
    pub entity_beneficial_owners: Option<Vec<EntityOwner>>,
    #[serde(deserialize_with = "lenient::objects", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<IndividualOwner>>)]
    pub individual_beneficial_owners: Option<Vec<IndividualOwner>>,
    #[serde(deserialize_with = "lenient::one_or_more", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<ControlPerson>>)]
    pub control_persons: Option<Vec<ControlPerson>>,
    #[serde(deserialize_with = "lenient::object", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BusinessDocument>)]
    pub incorporation_docs: Option<BusinessDocument>,
    #[serde(deserialize_with = "lenient::object", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BusinessDocument>)]
    pub jurisdiction_docs: Option<BusinessDocument>,
    #[serde(deserialize_with = "lenient::one_or_more", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<BusinessDocument>>)]
    pub other_docs: Option<Vec<BusinessDocument>>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub legal_name: Option<String>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schema(example = "12-3123123")]
    pub tax_id_number: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schema(example = "US")]
    pub tax_country: Option<String>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schema(example = "California")]
    pub tax_state: Option<String>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schema(example = "9800000")]
    pub phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub address: Option<Object>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub bvn: Option<String>,
    #[serde(deserialize_with = "lenient::object", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BusinessDocument>)]
    pub proof_of_address: Option<BusinessDocument>,
}

/// A person who owns part of a business.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct IndividualOwner {
    /// 0 to 100.
    #[serde(deserialize_with = "lenient::text_or_number", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, example = 20)]
    pub ownership_percentage: Option<String>,
    #[serde(deserialize_with = "lenient::text_or_number", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, example = 1)]
    pub ownership_type: Option<String>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(deserialize_with = "lenient::object", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BusinessDocument>)]
    pub identification: Option<BusinessDocument>,
    #[serde(deserialize_with = "lenient::true_or_its_word", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<bool>)]
    pub is_control_person: Option<bool>,
    #[serde(deserialize_with = "lenient::one_or_more", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<BusinessDocument>>)]
    pub other_docs: Option<Vec<BusinessDocument>>,
    /// `YYYY-MM-DD` or `DD-MM-YYYY`.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub dob: Option<String>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schema(example = "9822222")]
    pub phone_number: Option<String>,
    #[serde(deserialize_with = "lenient::text_or_number", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub phone_type: Option<String>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schema(example = "122-22-2332")]
    pub tax_id_number: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schema(example = "US")]
    pub tax_country: Option<String>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schema(example = "California")]
    pub tax_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub address: Option<Object>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub bank_verification_number: Option<String>,
    #[serde(deserialize_with = "lenient::object", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BusinessDocument>)]
    pub proof_of_address: Option<BusinessDocument>,
}

/// A person who controls a business, or signs for it.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ControlPerson {
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schema(example = "supervisor")]
    pub title: Option<String>,
    #[serde(deserialize_with = "lenient::object", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BusinessDocument>)]
    pub identification: Option<BusinessDocument>,
    #[serde(deserialize_with = "lenient::objects", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<BusinessDocument>>)]
    pub documents: Option<Vec<BusinessDocument>>,
    /// `YYYY-MM-DD` or `DD-MM-YYYY`.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schema(example = "2000-12-01")]
    pub date_of_birth: Option<String>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schema(example = "test@test.com")]
    pub email_address: Option<String>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schema(example = "First name")]
    pub first_name: Option<String>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schema(example = "Last name")]
    pub last_name: Option<String>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schema(example = "9100000000")]
    pub phone_number: Option<String>,
    /// Mobile 0, at home 1, none 2.
    #[serde(deserialize_with = "lenient::text_or_number", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "0")]
    pub phone_number_type: Option<String>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schema(example = "122-22-2332")]
    pub tax_id_number: Option<String>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schema(example = "Male")]
    pub gender: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub address: Option<Object>,
    /// Bank verification number of the Central Bank of Nigeria.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schema(example = "bn01910190")]
    pub bvn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<std::collections::HashMap<String, Value>>>)]
    pub custom_attributes: Option<Vec<Object>>,
    #[serde(deserialize_with = "lenient::object", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BusinessDocument>)]
    pub proof_of_address: Option<BusinessDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub tax: Option<Object>,
}
