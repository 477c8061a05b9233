//! What is known of a customer: one document, by what others like it are found, and how it is sealed.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::refusal;
use super::request::Object;
use crate::db::TenantTx;
use crate::foundation::{BlindIndex, BlindIndexer, DataKey, Mode, Sealed, TenantId};
use crate::http::{Error, Result};

/// Bytes of one profile at most, papers aside.
const MOST_BYTES: usize = 256 << 10;

/// What is known of a customer, by the names of the wallet API. The phone number is kept apart. It has no `Debug`.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Profile(pub Object);

impl Profile {
    /// A field, null when it was never told.
    pub fn get(&self, name: &str) -> Value {
        self.0.get(name).cloned().unwrap_or(Value::Null)
    }

    /// A text of it.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    /// Whether it tells anything in a field; a blank text tells nothing.
    pub fn tells(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value.as_str().is_none_or(|text| !text.trim().is_empty()))
    }

    /// This, with what is newly told in place of what was.
    pub fn with(&self, told: Self) -> Self {
        let mut fields: Map<String, Value> = self.0.clone();
        fields.extend(told.0);
        Self(fields)
    }

    /// The fields that another one has not, or has otherwise.
    pub fn unlike(&self, other: &Self) -> Self {
        let fields = self.0.iter().filter(|(name, value)| other.0.get(*name) != Some(value));
        Self(fields.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// By which the e-mail address is found.
    pub fn email_index(&self, indexer: &BlindIndexer, tenant: TenantId, mode: Mode) -> Result<BlindIndex> {
        let email = self.text("email").ok_or_else(|| Error::missing_field("email"))?;
        Ok(indexer.identity(tenant, mode, "email", &[&email.to_lowercase()]))
    }

    /// By each of which the person is found: name and day of birth with a number by which a state knows them, or alone
    /// where no number was told. What a number is called does not count: the same one is told as `ssn` and as `tin`. 400
    /// `ULOT0046` without a name.
    pub fn identifiers(&self, indexer: &BlindIndexer, tenant: TenantId, mode: Mode) -> Result<Vec<BlindIndex>> {
        let name = match (self.text("firstName"), self.text("lastName"), self.text("fullName")) {
            (Some(first), Some(last), _) => format!("{first} {last}"),
            (_, _, Some(full)) => full.to_owned(),
            _ => return Err(refusal::nameless()),
        };
        let born = self.text("dateOfBirth").ok_or_else(|| Error::missing_field("dateOfBirth"))?;
        let numbers = ["ssn", "tin", "stateLicenseId"].into_iter().filter_map(|name| self.text(name));
        let mut numbers: Vec<String> = numbers.map(number).filter(|number| !number.is_empty()).collect();
        if numbers.is_empty() {
            numbers.push(String::new());
        }
        numbers.sort_unstable();
        numbers.dedup();
        let name = plain(&name);
        Ok(numbers.iter().map(|number| indexer.identity(tenant, mode, "person", &[&name, born, number])).collect())
    }

    /// The papers that it names, wherever: each text that is an id. One that is no paper's finds none.
    pub fn papers(&self) -> Vec<Uuid> {
        let mut ids = Vec::new();
        self.0.values().for_each(|value| collect_ids(value, &mut ids));
        ids
    }

    /// The papers' descriptions, each with its id as `content`.
    pub fn documents(&self) -> Vec<Object> {
        let lists =
            ["governmentDocuments", "proofOfAddress"].into_iter().filter_map(|name| self.0.get(name)?.as_array());
        let passport = self.0.get("passport").and_then(Value::as_object);
        lists.flatten().filter_map(Value::as_object).chain(passport).cloned().collect()
    }

    /// Under the customer's key; 400 for more than is kept of anybody.
    pub fn seal(&self, key: &DataKey, tx: &TenantTx, customer: Uuid) -> Result<Sealed> {
        let plain = written(self)?;
        if plain.len() > MOST_BYTES {
            return Err(refusal::told_too_much());
        }
        Ok(key.seal(&context(tx.tenant(), customer, "profile"), &plain)?)
    }

    /// Opens what [`Profile::seal`] made.
    pub fn open(key: &DataKey, tx: &TenantTx, customer: Uuid, sealed: &Sealed) -> Result<Self> {
        open(key, tx.tenant(), customer, "profile", sealed)
    }
}

fn collect_ids(value: &Value, ids: &mut Vec<Uuid>) {
    match value {
        Value::String(text) => ids.extend(text.parse::<Uuid>()),
        Value::Array(items) => items.iter().for_each(|item| collect_ids(item, ids)),
        Value::Object(fields) => fields.values().for_each(|field| collect_ids(field, ids)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A text without what tells two ways of writing a name apart: case, width and blanks.
pub fn plain(text: &str) -> String {
    let text: String = text.nfkc().flat_map(char::to_lowercase).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A number of a state's without what it is grouped by: `122-22-2332` and `122 222 332` are the same.
fn number(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect()
}

/// What something of a customer is sealed for.
pub fn context(tenant: TenantId, customer: Uuid, what: &str) -> String {
    format!("{what} of customer {tenant} {customer}")
}

/// Seals a document of a customer.
pub fn seal(key: &DataKey, tenant: TenantId, customer: Uuid, what: &str, value: &impl Serialize) -> Result<Sealed> {
    Ok(key.seal(&context(tenant, customer, what), &written(value)?)?)
}

fn written(value: &impl Serialize) -> Result<Zeroizing<Vec<u8>>> {
    serde_json::to_vec(value).map(Zeroizing::new).map_err(Error::internal)
}

/// Opens what [`seal`] made.
pub fn open<T: DeserializeOwned>(
    key: &DataKey,
    tenant: TenantId,
    customer: Uuid,
    what: &str,
    sealed: &Sealed,
) -> Result<T> {
    let plain = key.open(&context(tenant, customer, what), sealed)?;
    serde_json::from_slice(&plain).map_err(Error::internal)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;

    use super::*;
    use crate::foundation::MasterKey;

    fn known_by(numbers: &[(&str, &str)]) -> HashSet<BlindIndex> {
        let told = [("firstName", "Zoë"), ("lastName", "Doe"), ("dateOfBirth", "1997-02-02")];
        let fields = told.iter().chain(numbers).map(|(name, text)| ((*name).to_owned(), json!(text)));
        let indexer = BlindIndexer::new(&MasterKey::new([1; 32]));
        let identifiers = Profile(fields.collect()).identifiers(&indexer, TenantId::OPERATOR, Mode::Live);
        identifiers.unwrap().into_iter().collect()
    }

    #[test]
    fn a_person_is_known_by_each_number_however_it_is_written_and_called() {
        let ssn = known_by(&[("ssn", "122-22-2332")]);
        assert_eq!(ssn.len(), 1);
        for same in
            [[("ssn", "122222332")], [("ssn", " 122 22 2332")], [("tin", "122-222332")], [("ssn", "１２２222332")]]
        {
            assert_eq!(known_by(&same), ssn, "{same:?}");
        }
        let both = known_by(&[("ssn", "122-22-2332"), ("stateLicenseId", "D-77")]);
        assert_eq!(both.len(), 2);
        assert!(both.is_superset(&ssn) && both.is_superset(&known_by(&[("tin", "d77")])));
        assert_eq!(known_by(&[("ssn", "122-22-2332"), ("tin", "122222332")]), ssn);
        // Without a number a person is known by name and day of birth alone, and so only to who has none either.
        let nothing = known_by(&[]);
        assert_eq!((nothing.len(), known_by(&[("ssn", " - ")])), (1, nothing.clone()));
        assert!(nothing.is_disjoint(&both));
    }
}
