//! Phone numbers.

use std::fmt;

pub use phonenumber::country::Id as Country;
use phonenumber::metadata::DATABASE;
use phonenumber::{Metadata, Mode as Form, PhoneNumber};

/// A valid phone number in E.164 form (ITU-T E.164), such as `+2250700000001`.
///
/// It has no `Display` and its `Debug` hides the number: a phone number never reaches a log.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone(String);

/// The text is not a phone number in E.164 form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a phone number in E.164 form, such as +2250700000001")]
pub struct InvalidPhone;

impl Phone {
    /// Reads a number that is written in E.164 form already: `+`, country code, subscriber number, no blanks.
    pub fn parse(text: &str) -> Result<Self, InvalidPhone> {
        let digits = text.strip_prefix('+').ok_or(InvalidPhone)?;
        if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidPhone);
        }
        let number = phonenumber::parse(None, text).map_err(|_| InvalidPhone)?;
        if !phonenumber::is_valid(&number) || number.format().mode(Form::E164).to_string() != text {
            return Err(InvalidPhone);
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads a number of E.164's form that need not be in any numbering plan we know: what a person says of themselves,
    /// by whom nobody is paid. A number that [`Phone::parse`] reads is the same here.
    pub fn of_form(text: &str) -> Result<Self, InvalidPhone> {
        let digits = text.strip_prefix('+').ok_or(InvalidPhone)?;
        let is_number = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        (is_number && !digits.starts_with('0')).then(|| Self(text.to_owned())).ok_or(InvalidPhone)
    }

    /// The number in E.164 form. For sealing, hashing and sending a message; never for a log.
    pub fn e164(&self) -> &str {
        &self.0
    }

    /// The country or territory (ISO 3166-1 alpha-2) that the number belongs to, also where several share a country
    /// code; none for numbers of no country, such as satellite telephones.
    pub fn country(&self) -> Option<Country> {
        self.plan(|plan, _| plan.id().parse().ok()).flatten()
    }

    /// Whether the national (significant) number begins with these digits: the number after the country code, with any
    /// zero that belongs to it.
    pub fn national_begins_with(&self, digits: &str) -> bool {
        self.plan(|_, national| national.starts_with(digits)).unwrap_or(false)
    }

    /// Whether the country's numbering plan counts it among mobile numbers. In some countries (+1) these are the same
    /// as those of fixed lines.
    pub fn is_mobile(&self) -> bool {
        self.plan(|plan, national| plan.descriptors().mobile().is_some_and(|mobile| mobile.is_match(national)))
            .unwrap_or(false)
    }

    /// Asks the numbering plan of the number's country about its national number. The crate's own `number_type` drops
    /// leading zeros, and with them every mobile number of Côte d'Ivoire and Benin.
    fn plan<T>(&self, ask: impl FnOnce(&Metadata, &str) -> T) -> Option<T> {
        let number: PhoneNumber = phonenumber::parse(None, &self.0).ok()?;
        Some(ask(number.metadata(&DATABASE)?, &number.national().to_string()))
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone(…)")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_in_e164_form_are_read() {
        for text in ["+2250700000001", "+14155552671", "+447911123456", "+254712345678"] {
            assert_eq!(Phone::parse(text).unwrap().e164(), text);
        }
    }

    #[test]
    fn other_forms_and_impossible_numbers_are_refused() {
        for text in [
            "",
            "+",
            "2250700000001",
            "002250700000001",
            "+225 0700000001",
            "+225-0700000001",
            "+22507",
            "+2250700000001x",
            "+\u{662}250700000001",
            "\u{ff0b}2250700000001",
            "+9990700000001",
            "+1415555267",
            "tel:+14155552671",
            "+14155552671;ext=5",
        ] {
            assert_eq!(Phone::parse(text), Err(InvalidPhone), "{text:?}");
        }
    }

    #[test]
    fn a_number_of_the_form_need_not_be_anybodys() {
        for text in ["+91123456789", "+2250700000001", "+9990700000001"] {
            assert_eq!(Phone::of_form(text).unwrap().e164(), text);
        }
        assert_eq!(Phone::of_form("+2250700000001"), Phone::parse("+2250700000001"));
        for text in
            ["", "+", "91123456789", "+0123456789", "+91-123456789", "+911234567890123456", "+\u{662}250700000001"]
        {
            assert_eq!(Phone::of_form(text), Err(InvalidPhone), "{text:?}");
        }
    }

    #[test]
    fn a_number_knows_its_country_and_whether_it_is_mobile() {
        for (text, country, is_mobile) in [
            ("+2250700000001", Some(Country::CI), true),
            ("+2252123456789", Some(Country::CI), false),
            ("+2290195123456", Some(Country::BJ), true),
            ("+2290120211234", Some(Country::BJ), false),
            ("+221771234567", Some(Country::SN), true),
            ("+237671234567", Some(Country::CM), true),
            ("+233231234567", Some(Country::GH), true),
            ("+256712345678", Some(Country::UG), true),
            ("+14155552671", Some(Country::US), true),
            ("+15062345678", Some(Country::CA), true),
            ("+18762101234", Some(Country::JM), true),
            ("+447400123456", Some(Country::GB), true),
            ("+447911123456", Some(Country::GG), true),
            ("+442071838750", Some(Country::GB), false),
            ("+80012345678", None, false),
        ] {
            let phone = Phone::parse(text).unwrap();
            assert_eq!((phone.country(), phone.is_mobile()), (country, is_mobile), "{text}");
        }
    }

    #[test]
    fn the_national_number_keeps_its_zero() {
        let phone = Phone::parse("+2250700000001").unwrap();
        assert!(phone.national_begins_with("07") && phone.national_begins_with(""));
        assert!(!phone.national_begins_with("7") && !phone.national_begins_with("225"));
    }

    #[test]
    fn a_number_is_not_shown_by_debug() {
        assert_eq!(format!("{:?}", Phone::parse("+2250700000001").unwrap()), "Phone(…)");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = Phone::parse(&text);
        }
    }
}
