//! The papers of a business, wherever in what it tells they lie.

use serde_json::Value;

use super::request::Object;

/// A paper that a business's profile names, and as what.
pub struct Filed {
    /// `incorporationDocs`, `identification`, …
    pub role: String,
    /// What is said of it; `content` is its id.
    pub told: Object,
}

/// Objects whose fields are the caller's: what is in them names no paper.
const CALLERS: [&str; 6] =
    ["address", "businessUserAddress", "customAttributes", "memoFields", "registeredOfficeAddress", "tax"];

/// All papers that a profile names.
pub fn filed(profile: &Object) -> Vec<Filed> {
    let mut found = Vec::new();
    for (role, value) in profile {
        collect(role, value, &mut found);
    }
    found
}

fn collect(role: &str, value: &Value, found: &mut Vec<Filed>) {
    match value {
        _ if CALLERS.contains(&role) => {}
        Value::Object(fields) if fields.contains_key("content") && fields.contains_key("fileName") => {
            found.push(Filed { role: role.to_owned(), told: fields.clone() });
        }
        Value::Object(fields) => fields.iter().for_each(|(role, field)| collect(role, field, found)),
        Value::Array(items) => items.iter().for_each(|item| collect(role, item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
