//! What a request tells of a customer, in order: checked, in one form, and with papers named by their ids.

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::Value;
use validator::ValidateEmail;

use super::document::{self, Paper};
use super::profile::Profile;
use super::refusal;
use super::request::{CustomerDetails, Document, Object};
use crate::foundation::{day, place};
use crate::http::{Error, Result};

/// Characters of one text at most.
const LONGEST: usize = 2_000;

/// Values in one object at most, and how deep they may lie.
const MOST: usize = 100;
const DEEPEST: usize = 5;

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

    /// A blank text tells nothing: forms send one for what was left out.
    fn text(&mut self, name: &str, text: Option<String>) -> Result<()> {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(()) };
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

/// Whether a field was left out, or left blank.
pub fn is_blank(text: Option<&str>) -> bool {
    text.is_none_or(|text| text.trim().is_empty())
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
