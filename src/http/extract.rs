//! Extractors for the parts of a request, with refusals in the house's words.

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use validator::Validate;

use super::idempotency::{AnswerSeal, Once};
use super::{Error, Result, field, json};

/// A JSON body that is read, and valid by its own rules; and what a repetition of the request is known by.
#[derive(Debug)]
pub struct Posted<T> {
    /// What was sent.
    pub body: T,
    /// The way to answer a repetition with the first answer.
    pub once: Once,
}

impl<S, T> FromRequest<S> for Posted<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Validate,
    AnswerSeal: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        require_json(request.headers())?;
        let (once, bytes) = Once::read(request, state).await?;
        let body: T = json::from_slice(&bytes)?;
        body.validate().map_err(|errors| field::refuse_rules(&errors))?;
        Ok(Self { body, once })
    }
}

/// 415 unless the body is declared as JSON, in UTF-8 if a charset is named (RFC 8259 §8.1, §11).
fn require_json(headers: &HeaderMap) -> Result<()> {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = declared.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    if is_json && is_utf8 { Ok(()) } else { Err(Error::unsupported_media_type()) }
}

/// What went wrong while the body came in.
pub(super) fn unread(rejection: BytesRejection) -> Error {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::payload_too_large(),
        _ => Error::bad_request("unreadable_body", "the body broke off or is badly framed").because(rejection),
    }
}

/// The query string, typed; repeated or misread parameters are a 400 that names them.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        read_query(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn read_query<T: DeserializeOwned>(query: &str) -> Result<T> {
    let pairs = || url::form_urlencoded::parse(query.as_bytes());
    // The decoder replaces what is not UTF-8; a value that holds the replacement was not what the caller meant.
    if let Some((name, _)) = pairs().find(|(_, value)| value.contains(['\0', char::REPLACEMENT_CHARACTER])) {
        return Err(Error::invalid_field(&name, "is not plain UTF-8 text"));
    }
    serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs()))
        .map_err(|error| field::refuse(&error.path().to_string(), &error.inner().to_string()))
}

/// The path's parameters, typed; a path that does not parse leads nowhere: 404.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        if parts.uri.path().contains("%00") {
            return Err(Error::from_status(StatusCode::NOT_FOUND));
        }
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value)).map_err(|_| Error::from_status(StatusCode::NOT_FOUND))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Filter {
        phone_number: String,
        limit: Option<u16>,
    }

    #[test]
    fn a_query_names_what_is_wrong_with_it() {
        let filter: Filter = read_query("phone_number=%2B225&limit=5&unknown=1").unwrap();
        assert_eq!((filter.phone_number.as_str(), filter.limit), ("+225", Some(5)));

        let refusal = |query| read_query::<Filter>(query).unwrap_err().to_string();
        insta::assert_snapshot!(refusal(""), @"400 missing_field: phone_number is required");
        insta::assert_snapshot!(refusal("phone_number=1&limit=x"), @"400 invalid_limit: limit is not valid: invalid digit found in string");
        insta::assert_snapshot!(refusal("phone_number=1&phone_number=2"), @"400 invalid_phone_number: phone_number is given twice");
        insta::assert_snapshot!(refusal("phone_number=%00"), @"400 invalid_phone_number: phone_number is not plain UTF-8 text");
        insta::assert_snapshot!(refusal("phone_number=%FF"), @"400 invalid_phone_number: phone_number is not plain UTF-8 text");
    }

    #[test]
    fn only_json_in_utf_8_is_read() {
        let answer = |kind: &'static str| {
            require_json(&HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())]))
                .map_err(|e| e.status().as_u16())
        };
        assert_eq!(answer("application/json"), Ok(()));
        assert_eq!(answer("Application/JSON; charset=\"UTF-8\""), Ok(()));
        assert_eq!(answer("application/json; charset=latin1"), Err(415));
        assert_eq!(answer("text/plain"), Err(415));
        assert_eq!(require_json(&HeaderMap::new()).map_err(|e| e.status().as_u16()), Err(415));
    }
}
