//! What the fields of a business are checked for; each refusal is a 400 that names the field.

use serde_json::Value;
use validator::ValidateEmail;

use super::refusal;
use super::request::Object;
use crate::foundation::place;
use crate::http::{Error, Result};

/// Characters of one text at most.
const LONGEST: usize = 2_000;

/// Fields of one object of the caller's at most.
pub const MOST_FIELDS: usize = 100;

/// What a file may be called at the end.
const EXTENSIONS: [&str; 20] = [
    "csv", "xls", "xlsx", "pdf", "txt", "doc", "docx", "heic", "ppt", "pptx", "png", "jpg", "jpeg", "jpe", "jfif",
    "tiff", "dib", "tif", "bmp", "gif",
];

/// A text that has to be there.
pub fn line(name: &str, text: Option<String>) -> Result<Value> {
    let text = text.ok_or_else(|| Error::missing_field(name))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::invalid_field(name, "must not be empty"));
    }
    check_text(name, Some(text))?;
    Ok(Value::from(text))
}

/// A place that has to be there.
pub fn required_place(name: &str, address: Option<Object>) -> Result<Value> {
    let address = address.ok_or_else(|| Error::missing_field(name))?;
    check_place(name, Some(&address))?;
    Ok(Value::Object(address))
}

/// A text of one line.
pub fn check_text(name: &str, text: Option<&str>) -> Result<()> {
    let Some(text) = text else { return Ok(()) };
    if text.chars().count() > LONGEST {
        return Err(Error::invalid_field(name, format!("must have at most {LONGEST} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid_field(name, "must be plain text of one line"));
    }
    Ok(())
}

/// An object of the caller's: a few texts and numbers.
pub fn check_object(name: &str, object: &Object) -> Result<()> {
    let is_plain = |value: &Value| match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => text.chars().count() <= LONGEST,
        Value::Array(_) | Value::Object(_) => false,
    };
    let is_small = object.len() <= MOST_FIELDS && object.iter().all(|(key, value)| key.len() <= 100 && is_plain(value));
    if is_small { Ok(()) } else { Err(Error::invalid_field(name, "must be a few texts and numbers by their names")) }
}

/// An address of a country and a part of it.
pub fn check_place(name: &str, address: Option<&Object>) -> Result<()> {
    let Some(address) = address else { return Ok(()) };
    check_object(name, address)?;
    let text = |name: &str| address.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let country = text("isoCountryCode").ok_or_else(refusal::no_such_place)?;
    if place::is_place(country, text("state")) { Ok(()) } else { Err(refusal::no_such_place()) }
}

/// A country (ISO 3166-1 alpha-2).
pub fn check_country(country: Option<&str>) -> Result<()> {
    let is_known = country.is_none_or(|country| place::is_place(country, None));
    if is_known { Ok(()) } else { Err(refusal::no_such_place()) }
}

/// An address of a mailbox.
pub fn check_email(name: &str, email: Option<&str>) -> Result<()> {
    let is_address = email.is_none_or(|email| email.len() <= 254 && email.validate_email());
    if is_address { Ok(()) } else { Err(Error::invalid_field(name, "must be an e-mail address")) }
}

/// A telephone number as people write one.
pub fn check_number(name: &str, number: Option<&str>) -> Result<()> {
    let Some(number) = number else { return Ok(()) };
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let is_plain = number.len() <= 30 && number.bytes().all(|b| b.is_ascii_digit() || b" +-.()".contains(&b));
    if is_plain && (4..=15).contains(&digits) {
        return Ok(());
    }
    Err(Error::invalid_field(name, "must be a telephone number"))
}

/// A percentage: digits, perhaps with a point among them, up to 100.
pub fn check_share(name: &str, share: Option<&str>) -> Result<()> {
    let Some(share) = share else { return Ok(()) };
    let (whole, rest) = share.split_once('.').unwrap_or((share, ""));
    let is_number = !whole.is_empty() && share.bytes().all(|b| b.is_ascii_digit() || b == b'.') && rest.len() <= 6;
    let is_share = match whole.parse::<u16>() {
        Ok(whole) => whole < 100 || whole == 100 && rest.bytes().all(|b| b == b'0'),
        Err(_) => false,
    };
    let is_one_number = !rest.contains('.');
    if is_number && is_share && is_one_number {
        return Ok(());
    }
    Err(Error::invalid_field(name, "must be a percentage from 0 to 100"))
}

/// Letters, digits and dashes with an extension that is documented.
pub fn is_file_name(name: &str) -> bool {
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    let is_plain = stem.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    is_plain && (1..=200).contains(&stem.len()) && EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}
