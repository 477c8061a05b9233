//! Phone numbers.

use std::fmt;

use phonenumber::Mode as Form;

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

    /// The number in E.164 form. For sealing, hashing and sending a message; never for a log.
    pub fn e164(&self) -> &str {
        &self.0
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
