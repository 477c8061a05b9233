//! What a customer has told, in order: checked, in one form, and with papers named by their ids.

use chrono::NaiveDate;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;
use validator::ValidateEmail;

use super::document::{self, Paper};
use super::refusal;
use super::request::{CustomerDetails, Document, Object};
use crate::db::TenantTx;
use crate::foundation::{BlindIndex, BlindIndexer, DataKey, Mode, Sealed, TenantId, day, place};
use crate::http::{Error, Result};

/// Characters of one text at most.
const LONGEST: usize = 2_000;

/// Values in one object at most, and how deep they may lie.
const MOST: usize = 100;
const DEEPEST: usize = 5;

/// What is known of a customer, by the names of the wallet API. The phone number is kept apart. It has no `Debug`.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Profile(pub Object);

/// What was told: checked, with its papers.
pub struct Told {
    /// In the words of the wallet API.
    pub profile: Profile,
    /// The papers that it names.
    pub papers: Vec<Paper>,
}

impl Told {
    /// Puts what was told in order; 400 names what is wrong with it. `today` tells who is of age.
    pub fn of(details: CustomerDetails, today: NaiveDate) -> Result<Self> {
        let mut told = Self { profile: Profile::default(), papers: Vec::new() };
        let email = details.email.as_deref().map(read_email).transpose()?;
        let born = details.date_of_birth.as_deref().map(|text| read_birth(text, today)).transpose()?;
        if let Some(address) = &details.address {
            check_address(address)?;
        }
        told.text("firstName", details.first_name)?;
        told.text("middleName", details.middle_name)?;
        told.text("lastName", details.last_name)?;
        told.text("fullName", details.full_name)?;
        told.text("email", email)?;
        told.text("dateOfBirth", born.map(|day| day.to_string()))?;
        told.word("maritalStatus", details.marital_status, &["married", "unmarried"])?;
        told.word("gender", details.gender, &["male", "female", "others", "unknown"])?;
        told.text("nationality", details.nationality)?;
        told.text("ip_address", details.ip_address)?;
        told.text("ssn", details.ssn)?;
        told.text("stateLicenseId", details.state_license_id)?;
        told.text("tin", details.tin)?;
        told.text("occupation", details.occupation)?;
        told.text("annualSalary", details.annual_salary)?;
        told.text("accountPurpose", details.account_purpose)?;
        told.text("expectedMonthlyVolume", details.expected_monthly_volume)?;
        told.object("customerMetaData", details.customer_meta_data)?;
        told.object("address", details.address)?;
        told.object("lat_long", details.lat_long)?;
        told.object("tax", details.tax)?;
        told.object("others", details.others)?;
        told.object("metroLocationDetails", details.metro_location_details)?;
        told.object("additionalLatLong", details.additional_lat_long)?;
        told.object("additionalAddress", details.additional_address)?;
        told.object("geoLocationDetails", details.geo_location_details)?;
        told.object("metroAreaDetails", details.metro_area_details)?;
        told.object("countryDetails", details.country_details)?;
        told.object("bankAccountDetails", details.bank_account_details)?;
        told.object("plaidDetails", details.plaid_details)?;
        told.verified(VerifiedElsewhere {
            name: details.verified_name,
            born: details.verified_dob,
            number: details.verified_id_number,
            country: details.verified_country,
            state: details.verified_state,
            issued: details.verified_id_issue_date,
            expires: details.verified_id_expiration_date,
            address: details.verified_address,
            gender: details.verified_gender,
            photo: details.verified_photo,
        })?;
        told.documents("governmentDocuments", details.government_documents)?;
        told.documents("proofOfAddress", details.proof_of_address)?;
        if let Some(passport) = details.passport {
            let passport = told.document("passport", passport)?;
            told.put("passport", passport)?;
        }
        if let Some(selfie) = details.selfie_content {
            let picture = Paper::read_picture(&selfie).map_err(|why| Error::invalid_field("selfieContent", why))?;
            told.put("selfieContent", picture.id)?;
            told.papers.push(picture);
        }
        if let Some(has_bank_account) = details.bank_account {
            told.put("bankAccount", has_bank_account)?;
        }
        if told.papers.len() > document::MOST {
            return Err(Error::invalid_field("governmentDocuments", "and the other papers are more than 20"));
        }
        Ok(told)
    }

    fn put(&mut self, name: &str, value: impl Serialize) -> Result<()> {
        let value = serde_json::to_value(value).map_err(Error::internal)?;
        self.profile.0.insert(name.to_owned(), value);
        Ok(())
    }

    fn text(&mut self, name: &str, text: Option<String>) -> Result<()> {
        let Some(text) = text else { return Ok(()) };
        check_text(name, &text)?;
        self.put(name, text)
    }

    fn word(&mut self, name: &str, word: Option<String>, known: &[&str]) -> Result<()> {
        let Some(word) = word else { return Ok(()) };
        let word = word.to_ascii_lowercase();
        if !known.contains(&word.as_str()) {
            return Err(Error::invalid_field(name, format!("must be one of {}", known.join(", "))));
        }
        self.put(name, word)
    }

    fn object(&mut self, name: &str, object: Option<Object>) -> Result<()> {
        let Some(object) = object else { return Ok(()) };
        check_object(name, &object)?;
        self.put(name, object)
    }

    fn date(&mut self, name: &str, text: Option<String>) -> Result<()> {
        let Some(text) = text else { return Ok(()) };
        let day = day::read(&text).ok_or_else(|| not_a_date(name))?;
        self.put(name, day.to_string())
    }

    fn verified(&mut self, verified: VerifiedElsewhere) -> Result<()> {
        self.text("verifiedName", verified.name)?;
        self.date("verifiedDOB", verified.born)?;
        self.text("verifiedIDNumber", verified.number)?;
        self.text("verifiedCountry", verified.country)?;
        self.text("verifiedState", verified.state)?;
        self.date("verifiedIDIssueDate", verified.issued)?;
        self.date("verifiedIDExpirationDate", verified.expires)?;
        self.object("verifiedAddress", verified.address)?;
        self.text("verifiedGender", verified.gender)?;
        let Some(photo) = verified.photo else { return Ok(()) };
        // A picture, or what names one.
        match Paper::read_picture(&photo) {
            Ok(picture) => {
                self.put("verifiedPhoto", picture.id)?;
                self.papers.push(picture);
                Ok(())
            }
            Err(_) => self.text("verifiedPhoto", Some(photo)),
        }
    }

    fn documents(&mut self, name: &str, documents: Option<Vec<Document>>) -> Result<()> {
        let Some(documents) = documents else { return Ok(()) };
        if documents.is_empty() {
            return Err(refusal::no_documents());
        }
        if documents.len() > document::MOST {
            return Err(Error::invalid_field(name, "has more than 20 papers"));
        }
        let named = |(index, document)| self.document(&format!("{name}[{index}]"), document);
        let documents: Vec<Document> = documents.into_iter().enumerate().map(named).collect::<Result<_>>()?;
        self.put(name, documents)
    }

    /// A paper's description with its id in place of the paper.
    fn document(&mut self, path: &str, mut document: Document) -> Result<Document> {
        let content = document.content.take().unwrap_or_default();
        let paper = Paper::read(&content).map_err(|why| match why {
            document::InvalidPaper::Empty => refusal::no_documents(),
            why => Error::invalid_field(&format!("{path}.content"), why),
        })?;
        document.content = Some(paper.id.to_string());
        self.papers.push(paper);
        let texts = [
            ("description", &document.description),
            ("fileName", &document.file_name),
            ("side", &document.side),
            ("type", &document.kind),
            ("number", &document.number),
            ("issuedCountry", &document.issued_country),
        ];
        for (name, text) in texts {
            check_text(&format!("{path}.{name}"), text.as_deref().unwrap_or_default())?;
        }
        for (name, date) in [("validFromDate", &document.valid_from_date), ("validTillDate", &document.valid_till_date)]
        {
            let date = date.as_deref().filter(|date| !date.is_empty());
            if date.is_some_and(|date| day::read(date).is_none()) {
                return Err(not_a_date(&format!("{path}.{name}")));
            }
        }
        Ok(document)
    }
}

/// What another party has verified and the tenant hands on.
struct VerifiedElsewhere {
    name: Option<String>,
    born: Option<String>,
    number: Option<String>,
    country: Option<String>,
    state: Option<String>,
    issued: Option<String>,
    expires: Option<String>,
    address: Option<Object>,
    gender: Option<String>,
    photo: Option<String>,
}

impl Profile {
    /// A field, null when it was never told.
    pub fn get(&self, name: &str) -> Value {
        self.0.get(name).cloned().unwrap_or(Value::Null)
    }

    /// A text of it.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    /// This, with what is newly told in place of what was.
    pub fn with(&self, told: Self) -> Self {
        let mut fields: Map<String, Value> = self.0.clone();
        fields.extend(told.0);
        Self(fields)
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

    /// Under the customer's key.
    pub fn seal(&self, key: &DataKey, tx: &TenantTx, customer: Uuid) -> Result<Sealed> {
        seal(key, tx.tenant(), customer, "profile", self)
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
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(value).map_err(Error::internal)?);
    Ok(key.seal(&context(tenant, customer, what), &plain)?)
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

fn read_email(text: &str) -> Result<String> {
    let text = text.trim();
    if text.len() <= 254 && text.validate_email() {
        return Ok(text.to_owned());
    }
    Err(Error::invalid_field("email", "must be an e-mail address"))
}

fn read_birth(text: &str, today: NaiveDate) -> Result<NaiveDate> {
    let day = day::read(text).ok_or_else(|| not_a_date("dateOfBirth"))?;
    if day::is_adult(day, today) {
        return Ok(day);
    }
    Err(Error::invalid_field("dateOfBirth", format!("must be that of somebody who is {} or older", day::OF_AGE)))
}

fn not_a_date(field: &str) -> Error {
    Error::invalid_field(field, "must be a day, such as 1997-02-28 or 28-02-1997")
}

fn check_address(address: &Object) -> Result<()> {
    let text = |name: &str| address.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let country = text("isoCountryCode").or_else(|| text("country")).ok_or_else(refusal::no_such_place)?;
    let other = text("country").filter(|other| *other != country);
    let is_known = place::is_place(country, text("state")) && other.is_none_or(|other| place::is_place(other, None));
    if is_known { Ok(()) } else { Err(refusal::no_such_place()) }
}

fn check_text(name: &str, text: &str) -> Result<()> {
    if text.chars().count() <= LONGEST {
        return Ok(());
    }
    Err(Error::invalid_field(name, format!("must have at most {LONGEST} characters")))
}

fn check_object(name: &str, object: &Object) -> Result<()> {
    let mut room = MOST;
    let is_small = object.iter().all(|(key, value)| key.len() <= 100 && is_small(value, DEEPEST, &mut room));
    if is_small { Ok(()) } else { Err(Error::invalid_field(name, "has too many fields, or one that is too long")) }
}

fn is_small(value: &Value, depth: usize, room: &mut usize) -> bool {
    let Some(left) = room.checked_sub(1) else { return false };
    *room = left;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => text.chars().count() <= LONGEST,
        Value::Array(items) => depth > 0 && items.iter().all(|item| is_small(item, depth - 1, room)),
        Value::Object(fields) => {
            depth > 0 && fields.iter().all(|(key, field)| key.len() <= 100 && is_small(field, depth - 1, room))
        }
    }
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
