//! Reading what documents describe in one way and show in another, and what serde would take too easily.
//!
//! For `#[serde(deserialize_with = "…")]`.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// An object: serde would take a list for one, field by field.
pub fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::<Map<String, Value>>::deserialize(deserializer)?.map(read).transpose()
}

/// The same for a list of objects.
pub fn objects<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<Vec<T>>, D::Error> {
    let objects = Option::<Vec<Map<String, Value>>>::deserialize(deserializer)?;
    objects.map(|objects| objects.into_iter().map(read).collect()).transpose()
}

/// The same for what is documented as an object here and as a list of them there.
pub fn one_or_more<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "an object or a list of objects")]
    enum Told {
        One(Map<String, Value>),
        More(Vec<Map<String, Value>>),
    }
    Ok(match Option::deserialize(deserializer)? {
        None => None,
        Some(Told::One(object)) => Some(vec![read::<T, D::Error>(object)?]),
        Some(Told::More(objects)) => {
            Some(objects.into_iter().map(read::<T, D::Error>).collect::<Result<Vec<T>, D::Error>>()?)
        }
    })
}

fn read<T: DeserializeOwned, E: Error>(object: Map<String, Value>) -> Result<T, E> {
    serde_json::from_value(Value::Object(object)).map_err(E::custom)
}

/// A boolean, or its word. What stands in angle brackets is a placeholder, and says nothing.
pub fn true_or_its_word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "true or false")]
    enum Told {
        Plain(bool),
        Word(String),
    }
    match Option::deserialize(deserializer)? {
        None => Ok(None),
        Some(Told::Plain(value)) => Ok(Some(value)),
        Some(Told::Word(word)) if word.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(Told::Word(word)) if word.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(Told::Word(word)) if is_placeholder(&word) => Ok(None),
        Some(Told::Word(_)) => Err(Error::custom("expected true or false")),
    }
}

/// A text, or a number as it is written. A placeholder says nothing.
pub fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Option::<Value>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !is_placeholder(text))),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(Error::custom("expected a text or a number")),
    }
}

/// A text. A placeholder says nothing.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !is_placeholder(text)))
}

/// `<string>`, as documents' examples have it where a value is meant.
fn is_placeholder(text: &str) -> bool {
    matches!(text, "<string>" | "<boolean>" | "<number>")
}
