//! What is told at the start of a check.

use std::net::IpAddr;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use url::Url;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::check::TYPE;
use crate::foundation::{Phone, day, is_loopback};
use crate::http::{Error, Result};
use crate::providers::verification::Start;

/// Characters of a fingerprint at most.
const LONGEST_FINGERPRINT: usize = 4_000;

/// What a target is.
const PAGE: &str = "an https:// URL (http:// is for the person's own machine only)";

/// Years that anybody has at most.
const OLDEST: u32 = 130;

/// No `Debug`: all of it is personal.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewIdentityCheck {
    /// The address from which the person asks. Only a back end knows it better than we see it: of a customer and of a
    /// device it is the one that the request comes from.
    #[schema(example = "127.0.0.1")]
    source_ip: String,
    /// Where the person comes to with the fingerprint: an `https://` page, or one of the person's own machine.
    #[schema(example = "https://google.com")]
    final_target_url: String,
    /// With country code, or a number of ten digits of the North American plan.
    #[schema(example = "2001001686")]
    mobile_number: String,
    /// `DD-MM-YYYY` or `YYYY-MM-DD`; or else `ssn`.
    #[schema(example = "01-01-1994")]
    dob: Option<String>,
    /// Nine digits, or the last four; or else `dob`.
    #[schema(example = "1232")]
    ssn: Option<String>,
}

/// No `Debug`: the fingerprint proves somebody.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewValidation {
    /// The fingerprint with which the person came to the target.
    vfp: String,
    /// What `get-auth-url` said.
    #[schema(example = "0194f3a0-7f83-7b0c-90e0-11e10800200c")]
    request_id: String,
}

impl NewIdentityCheck {
    /// What a provider is told, and the number; 400 names what is wrong with it. Where the person was seen to ask from
    /// counts for more than what is told of it.
    pub fn checked(self, seen: Option<IpAddr>, now: DateTime<Utc>) -> Result<(Start, Phone)> {
        let told: IpAddr = self.source_ip.trim().parse().map_err(|_| invalid("sourceIp", "an IP address"))?;
        let source_ip = seen.unwrap_or(told);
        let final_target_url = target(&self.final_target_url).ok_or_else(|| invalid("finalTargetUrl", PAGE))?;
        let phone = number(&self.mobile_number).ok_or_else(|| invalid("mobileNumber", "a telephone number"))?;
        let told = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let date_of_birth = told(self.dob).map(|text| birth(&text, now).ok_or_else(incomplete)).transpose()?;
        let ssn = told(self.ssn).map(|text| social_security(&text).ok_or_else(incomplete)).transpose()?;
        if date_of_birth.is_none() && ssn.is_none() {
            return Err(incomplete());
        }
        let mobile_number = phone.e164().to_owned();
        let check = Uuid::now_v7();
        Ok((Start { check, source_ip, final_target_url, mobile_number, date_of_birth, ssn }, phone))
    }
}

impl NewValidation {
    /// The check and the fingerprint; 400 for what can be neither.
    pub fn checked(self) -> Result<(Uuid, String)> {
        let fingerprint = self.vfp.trim();
        if fingerprint.is_empty() || fingerprint.len() > LONGEST_FINGERPRINT {
            return Err(Error::invalid_field("vfp", format!("must have 1 to {LONGEST_FINGERPRINT} characters")));
        }
        let check = self.request_id.trim().parse().map_err(|_| super::check::not_found())?;
        Ok((check, fingerprint.to_owned()))
    }
}

#[track_caller]
fn invalid(field: &str, what: &str) -> Error {
    Error::invalid_field(field, format!("must be {what}"))
}

#[track_caller]
fn incomplete() -> Error {
    Error::bad_request("incomplete", "Either dob or ssn required and should be valid.").of_type(TYPE)
}

/// A page that a browser can be sent to: the fingerprint travels in clear only inside the person's machine.
pub fn target(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok().filter(|_| text.len() <= 2_000)?;
    let is_page = url.scheme() == "https" && url.has_host() || url.scheme() == "http" && is_loopback(&url);
    (is_page && url.username().is_empty() && url.password().is_none()).then_some(url)
}

/// A number with its country code, with or without the `+`; one of ten digits is of the North American plan.
fn number(text: &str) -> Option<Phone> {
    let text: String = text.trim().chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.')).collect();
    let e164 = match text.strip_prefix('+') {
        Some(_) => text,
        None if text.len() == 10 => format!("+1{text}"),
        None => format!("+{text}"),
    };
    Phone::of_form(&e164).ok()
}

fn birth(text: &str, now: DateTime<Utc>) -> Option<NaiveDate> {
    let born = day::read(text)?;
    now.date_naive().years_since(born).is_some_and(|years| years <= OLDEST).then_some(born)
}

/// Nine digits that are somebody's (SSA: no area 000, 666 or 900 to 999, no group 00, no serial number 0000), or the last
/// four.
fn social_security(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('-').collect();
    let is_grouped = match parts[..] {
        [whole] => matches!(whole.len(), 4 | 9),
        [area, group, serial] => (area.len(), group.len(), serial.len()) == (3, 2, 4),
        _ => false,
    };
    let digits = parts.concat();
    if !is_grouped || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (front, serial) = digits.split_at_checked(digits.len() - 4)?;
    let is_nobodys = front.starts_with("000") || front.starts_with("666") || front.starts_with('9');
    let is_somebodys = serial != "0000" && (front.is_empty() || !is_nobodys && !front.ends_with("00"));
    is_somebodys.then_some(digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_read_with_and_without_its_country() {
        let read = |text| number(text).map(|phone| phone.e164().to_owned());
        for (text, e164) in [
            ("2001001686", "+12001001686"),
            ("(200) 100-1686", "+12001001686"),
            ("12001001686", "+12001001686"),
            ("+2250700000001", "+2250700000001"),
            ("2250700000001", "+2250700000001"),
        ] {
            assert_eq!(read(text).as_deref(), Some(e164), "{text}");
        }
        for bad in ["", "+", "12345", "0700000001x", "+0700000001", "1234567890123456", "٢٠٠١٠٠١٦٨٦"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_social_security_number_is_nine_digits_that_are_somebodys_or_four() {
        for (text, digits) in [("1232", "1232"), ("565228370", "565228370"), ("565-22-8370", "565228370")] {
            assert_eq!(social_security(text).as_deref(), Some(digits), "{text}");
        }
        for bad in [
            "",
            "0000",
            "123",
            "12345",
            "000228370",
            "666228370",
            "900228370",
            "565008370",
            "565220000",
            "56-522-8370",
            "12a2",
            "5652283701",
            "565-228370",
            "----",
            "١٢٣٢",
        ] {
            assert_eq!(social_security(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_target_is_a_page() {
        assert!(target("https://google.com").is_some() && target("http://localhost:3000/x?y=z").is_some());
        for bad in [
            "",
            "google.com",
            "http://google.com",
            "http://localhost.google.com",
            "javascript:alert(1)",
            "ftp://x",
            "https://a:b@x.example",
            "file:///etc/passwd",
        ] {
            assert!(target(bad).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = (number(&text), social_security(&text), target(&text), birth(&text, Utc::now()));
        }
    }
}
