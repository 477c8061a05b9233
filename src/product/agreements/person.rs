//! Whom an agreement is shown to: what a preview's body says, checked, and the words that templates know it by.

use std::net::IpAddr;

use alloy::primitives::Address;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use validator::ValidateEmail;

use super::kind::Occasion;
use super::rendering::Words;
use crate::foundation::ChecksumAddress;
use crate::http::{Error, Result};

/// What stands for a word where there is nobody yet: a line to fill in.
const BLANK: &str = "________";

/// Words that are known when the platform is agreed with.
const ALWAYS: [&str; 8] = ["tenant", "date", "first_name", "last_name", "full_name", "email", "ip", "account_address"];

/// Words that are known besides when a customer is taken on.
const ONBOARDING: [&str; 12] = [
    "middle_name",
    "date_of_birth",
    "tax_country",
    "tax_id_number",
    "phone_country",
    "phone_number",
    "address1",
    "address2",
    "postal_code",
    "city",
    "state",
    "country",
];

/// A person as every preview names them. No `Debug`: all of it is personal.
pub struct Person {
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub ip: IpAddr,
    pub account: Address,
}

/// What else a customer who is taken on says. It is shown, and kept as part of what was shown only.
pub struct Particulars {
    pub middle_name: Option<String>,
    pub date_of_birth: String,
    pub tax_country: String,
    pub tax_id_number: String,
    pub phone_country: String,
    pub phone_number: String,
    pub address1: String,
    pub address2: Option<String>,
    pub postal_code: Option<String>,
    pub city: String,
    pub state: Option<String>,
    pub country: String,
}

impl Person {
    /// The words for a template.
    pub fn words(&self, particulars: Option<&Particulars>, tenant: &str, now: DateTime<Utc>) -> Words {
        let middle = particulars.and_then(|more| more.middle_name.as_deref());
        let names = [Some(self.first_name.as_str()), middle, Some(self.last_name.as_str())];
        let mut words = object(json!({
            "tenant": tenant,
            "date": now.format("%Y-%m-%d").to_string(),
            "first_name": self.first_name,
            "last_name": self.last_name,
            "full_name": names.into_iter().flatten().collect::<Vec<_>>().join(" "),
            "email": self.email,
            "ip": self.ip,
            "account_address": self.account.to_checksum(None),
        }));
        words.extend(particulars.map(Particulars::words).unwrap_or_default());
        words
    }
}

impl Particulars {
    fn words(&self) -> Words {
        let or_nothing = |text: &Option<String>| text.clone().unwrap_or_default();
        object(json!({
            "middle_name": or_nothing(&self.middle_name),
            "date_of_birth": self.date_of_birth,
            "tax_country": self.tax_country,
            "tax_id_number": self.tax_id_number,
            "phone_country": self.phone_country,
            "phone_number": self.phone_number,
            "address1": self.address1,
            "address2": or_nothing(&self.address2),
            "postal_code": or_nothing(&self.postal_code),
            "city": self.city,
            "state": or_nothing(&self.state),
            "country": self.country,
        }))
    }
}

/// The words that a template for this occasion may use, each a line to fill in; a document knows the tenant alone.
pub fn blank_words(occasion: Option<Occasion>, tenant: &str) -> Words {
    let names: &[&[&str]] = match occasion {
        None => &[],
        Some(Occasion::Platform) => &[&ALWAYS],
        Some(Occasion::Onboarding) => &[&ALWAYS, &ONBOARDING],
    };
    let mut words: Words = names.iter().copied().flatten().map(|name| ((*name).to_owned(), BLANK.into())).collect();
    words.insert("tenant".to_owned(), tenant.into());
    words
}

fn object(value: Value) -> Words {
    match value {
        Value::Object(words) => words,
        _ => Words::new(),
    }
}

/// A line of text without what could make it look like another: 1 to `longest` characters, blanks around it dropped.
pub fn line(field: &str, text: &str, longest: usize) -> Result<String> {
    let text = text.trim();
    if !(1..=longest).contains(&text.chars().count()) {
        return Err(Error::invalid_field(field, format!("must have 1 to {longest} characters")));
    }
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.chars().any(|c| c.is_control() || turns(c)) {
        return Err(Error::invalid_field(field, "must be plain text of one line"));
    }
    Ok(text.to_owned())
}

/// A line that may be left out, or left blank.
pub fn optional_line(field: &str, text: Option<&str>, longest: usize) -> Result<Option<String>> {
    text.filter(|text| !text.trim().is_empty()).map(|text| line(field, text, longest)).transpose()
}

/// An address of a mailbox.
pub fn email(field: &str, text: &str) -> Result<String> {
    let email = line(field, text, 254)?;
    if email.validate_email() { Ok(email) } else { Err(Error::invalid_field(field, "must be an e-mail address")) }
}

/// An IP address, of version 4 or 6.
pub fn ip(field: &str, text: &str) -> Result<IpAddr> {
    text.trim().parse().map_err(|_| Error::invalid_field(field, "must be an IP address"))
}

/// An address of the chain.
pub fn account(field: &str, text: &str) -> Result<Address> {
    Ok(ChecksumAddress::of_any_case(text.trim()).map_err(|why| Error::invalid_field(field, why))?.0)
}

/// A country's code (ISO 3166-1 alpha-2).
pub fn country(field: &str, text: &str) -> Result<String> {
    let country = rust_iso3166::from_alpha2(text.trim());
    let why = "must be a country's code of two capital letters (ISO 3166-1), such as BO";
    country.map(|country| country.alpha2.to_owned()).ok_or_else(|| Error::invalid_field(field, why))
}

/// A telephone number as people write one.
pub fn telephone(field: &str, text: &str) -> Result<String> {
    let number = text.trim();
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let is_plain = number.bytes().all(|b| b.is_ascii_digit() || b" +-.()".contains(&b));
    if is_plain && (4..=15).contains(&digits) && number.len() <= 30 {
        return Ok(number.to_owned());
    }
    Err(Error::invalid_field(field, "must be a telephone number"))
}

/// A date of birth, `1997-02-28`; also with the year last, `28-02-1997` or `02-28-1997`, which is shown as it was sent
/// because it does not say which of the two is the month.
pub fn date_of_birth(field: &str, text: &str, now: DateTime<Utc>) -> Result<String> {
    let text = text.trim();
    let read = |form| (text.len() == 10).then(|| NaiveDate::parse_from_str(text, form).ok()).flatten();
    let date = read("%Y-%m-%d").or_else(|| read("%d-%m-%Y")).or_else(|| read("%m-%d-%Y"));
    let date = date.ok_or_else(|| Error::invalid_field(field, "must be a date such as 1997-02-28"))?;
    let age = now.date_naive().years_since(date);
    if age.is_some_and(|years| years < 150) {
        return Ok(text.to_owned());
    }
    Err(Error::invalid_field(field, "must be a day of the last 150 years"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    fn person() -> Person {
        Person {
            first_name: "Jone".to_owned(),
            last_name: "Doe".to_owned(),
            email: "lorem@mygmail.com".to_owned(),
            ip: ip("ip", "0.0.0.0").unwrap(),
            account: Address::ZERO,
        }
    }

    fn particulars() -> Particulars {
        let text = || "x".to_owned();
        Particulars {
            middle_name: Some("van".to_owned()),
            date_of_birth: text(),
            tax_country: text(),
            tax_id_number: text(),
            phone_country: text(),
            phone_number: text(),
            address1: text(),
            address2: None,
            postal_code: None,
            city: text(),
            state: None,
            country: text(),
        }
    }

    #[test]
    fn a_template_that_was_tried_with_blanks_finds_the_same_words_in_a_person() {
        let names = |words: Words| words.into_iter().map(|(name, _)| name).collect::<std::collections::BTreeSet<_>>();
        let (person, particulars, now) = (person(), particulars(), Utc::now());
        let blank = |occasion| names(blank_words(Some(occasion), "Acme"));
        assert_eq!(names(person.words(None, "Acme", now)), blank(Occasion::Platform));
        assert_eq!(names(person.words(Some(&particulars), "Acme", now)), blank(Occasion::Onboarding));
        assert_eq!(person.words(Some(&particulars), "Acme", now)["full_name"], "Jone van Doe");
    }

    #[test]
    fn what_people_type_is_tidied_or_refused() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(country("c", "IN ").unwrap(), "IN");
        assert_eq!(telephone("n", "7027779322 ").unwrap(), "7027779322");
        assert_eq!(line("l", " Jone ", 9).unwrap(), "Jone");
        assert_eq!(optional_line("l", Some("  "), 9).unwrap(), None);
        for good in ["1997-02-28", "28-02-1997", "02-28-1997", "02-02-1997"] {
            assert_eq!(date_of_birth("d", good, now).unwrap(), good);
        }
        for bad in ["", "1997-02-30", "2026-01-02", "1875-01-01", "97-02-28", "1997-2-8", "02/02/1997", "30-30-1997"] {
            assert!(date_of_birth("d", bad, now).is_err(), "{bad}");
        }
        for bad in ["XX", "in", "IND", ""] {
            assert!(country("c", bad).is_err(), "{bad}");
        }
        for bad in ["", "   ", "1234567890", "a\nb", "\u{202e}enoJ", "a\0"] {
            assert!(line("l", bad, 9).is_err(), "{bad:?}");
        }
        for bad in ["12", "12x45", "1234567890123456", "٠١٢٣٤"] {
            assert!(telephone("n", bad).is_err(), "{bad}");
        }
        for bad in ["", "x", "@x.y", "a b@c.de", "a@b@c"] {
            assert!(email("e", bad).is_err(), "{bad}");
        }
    }
}
