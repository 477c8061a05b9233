//! Reading JSON strictly.
//!
//! Beyond RFC 8259's grammar a body must be what every reader would agree on: UTF-8, no key twice in one object, no
//! number beyond range, no NUL in a text (Postgres cannot hold it), nested at most 128 deep.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::{Error, Result};

/// Reads an object; every refusal is a 400 that names the field where there is one.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::bad_request("invalid_json", "the body is not UTF-8"))?;
    check(text)?;
    // serde would take an array for a struct, field by field.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Error::bad_request("invalid_body", "the body must be a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| refuse(&error.path().to_string(), error.inner()))
}

fn check(text: &str) -> Result<()> {
    let mut json = serde_json::Deserializer::from_str(text);
    Strict
        .deserialize(&mut json)
        .and_then(|()| json.end())
        .map_err(|error| Error::bad_request("invalid_json", format!("the body is not valid JSON: {error}")))
}

/// The 400 for a value of the wrong shape at a path such as `source.chain` (`.` at the top).
fn refuse(path: &str, error: &serde_json::Error) -> Error {
    let text = error.to_string();
    let why = text.rsplit_once(" at line ").map_or(text.as_str(), |(why, _)| why);
    super::field::refuse(path, why)
}

/// Visits everything and keeps nothing.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<(), E> {
        if text.contains('\0') { Err(E::custom("a text contains NUL")) } else { Ok(()) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<(), A::Error> {
        while items.next_element_seed(Strict)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> std::result::Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            Strict.visit_str::<A::Error>(&key)?;
            if !seen.insert(key) {
                return Err(A::Error::custom("a key is repeated in one object"));
            }
            entries.next_value_seed(Strict)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Source {
        #[expect(dead_code, reason = "only read by serde")]
        chain: String,
    }

    #[derive(Debug, Deserialize)]
    struct Order {
        #[expect(dead_code, reason = "only read by serde")]
        phone: String,
        #[expect(dead_code, reason = "only read by serde")]
        source: Option<Source>,
    }

    fn refusal(body: &[u8]) -> String {
        from_slice::<Order>(body).unwrap_err().to_string()
    }

    #[test]
    fn a_refusal_names_the_field() {
        insta::assert_snapshot!(refusal(b"{}"), @"400 missing_field: phone is required");
        insta::assert_snapshot!(refusal(br#"{"phone":1}"#), @"400 invalid_phone: phone has the wrong type: integer `1`, expected a string");
        insta::assert_snapshot!(refusal(br#"{"phone":"1","source":{"chain":null}}"#), @"400 invalid_source_chain: source.chain has the wrong type: null, expected a string");
        insta::assert_snapshot!(refusal(br#"{"phone":"1","source":{}}"#), @"400 missing_field: source.chain is required");
        insta::assert_snapshot!(refusal(br#"["1",null]"#), @"400 invalid_body: the body must be a JSON object");
    }

    #[test]
    fn what_readers_could_disagree_on_is_refused() {
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        let bodies: [&[u8]; 10] = [
            b"",
            b"not json",
            br#"{"phone":"1"} x"#,
            br#"{"phone":"1","phone":"2"}"#,
            br#"{"phone":"1","other":{"a":1,"a":2}}"#,
            br#"{"phone":"1","other":1e400}"#,
            br#"{"phone":"1","other":NaN}"#,
            br#"{"phone":"\u0000"}"#,
            b"{\"phone\":\"\xff\"}",
            &deep,
        ];
        for body in bodies {
            let error = from_slice::<Order>(body).unwrap_err();
            assert_eq!((error.status().as_u16(), error.code()), (400, "invalid_json"));
        }
    }
}
