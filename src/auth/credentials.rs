//! Finding credentials in a request's headers. A header sent twice counts as wrong, whatever the values.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName};

use super::invalid_api_key;
use crate::foundation::TenantId;
use crate::http::{Error, Result};

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const API_KEY: HeaderName = HeaderName::from_static("api-key");
const TENANT_ID: HeaderName = HeaderName::from_static("tenant-id");
const ACCESS_TOKEN: HeaderName = HeaderName::from_static("access-token");

/// An API key, and the tenant that the caller claims to be when the pair of headers was used.
pub struct KeyHeaders<'a> {
    pub secret: &'a str,
    pub claimed: Option<TenantId>,
}

/// `X-API-Key`, or `tenant-id` with `api-key`.
pub fn api_key(headers: &HeaderMap) -> Result<KeyHeaders<'_>> {
    if let Some(secret) = single(headers, &X_API_KEY, invalid_api_key)? {
        return Ok(KeyHeaders { secret, claimed: None });
    }
    let secret = single(headers, &API_KEY, invalid_api_key)?.ok_or_else(|| {
        Error::unauthorized("missing_api_key", "send the API key as X-API-Key, or tenant-id and api-key")
    })?;
    let tenant = single(headers, &TENANT_ID, invalid_api_key)?
        .ok_or_else(|| Error::unauthorized("missing_tenant_id", "the header api-key goes with tenant-id"))?;
    let claimed = tenant.parse().map_err(|_| invalid_api_key())?;
    Ok(KeyHeaders { secret, claimed: Some(claimed) })
}

/// Whether an API key was sent, in either way.
pub fn has_api_key(headers: &HeaderMap) -> bool {
    headers.contains_key(X_API_KEY) || headers.contains_key(API_KEY)
}

/// The tenant that the caller names beside other credentials.
pub fn tenant_id(headers: &HeaderMap) -> Result<Option<TenantId>> {
    let wrong = || Error::bad_request("invalid_tenant_id", "the header tenant-id is not a tenant's id");
    let sent = single(headers, &TENANT_ID, wrong)?;
    sent.map(|tenant| tenant.parse().map_err(|_| wrong())).transpose()
}

/// A wallet user's token: `access-token`, or `Authorization: Bearer …` (`spec/wallet-api-4.0.0.md`).
pub fn access_token(headers: &HeaderMap) -> Result<&str> {
    match single(headers, &ACCESS_TOKEN, super::jwt::invalid_token)? {
        Some(token) => Ok(token.strip_prefix("Bearer ").unwrap_or(token).trim()),
        None => bearer(headers),
    }
}

/// What an `Authorization` header may hold.
#[derive(Clone, Copy)]
pub enum Credentials<'a> {
    /// `Bearer` and a token (RFC 6750 §2.1).
    Bearer(&'a str),
    /// `Basic` and base64 of `user:password` (RFC 7617).
    Basic(&'a str),
}

/// The `Authorization` header.
pub fn authorization(headers: &HeaderMap) -> Result<Credentials<'_>> {
    let missing = || Error::unauthorized("missing_token", "send the token as Authorization: Bearer");
    let value = single(headers, &AUTHORIZATION, super::jwt::invalid_token)?.ok_or_else(missing)?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Credentials::Bearer(token.trim())),
        Some((scheme, encoded)) if scheme.eq_ignore_ascii_case("basic") => Ok(Credentials::Basic(encoded.trim())),
        _ => Err(missing()),
    }
}

/// `Authorization: Bearer …` and nothing else.
pub fn bearer(headers: &HeaderMap) -> Result<&str> {
    match authorization(headers)? {
        Credentials::Bearer(token) => Ok(token),
        Credentials::Basic(_) => Err(Error::unauthorized("missing_token", "send the token as Authorization: Bearer")),
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName, wrong: fn() -> Error) -> Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| wrong()),
        (Some(_), Some(_)) => Err(wrong()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn code<T>(result: Result<T>) -> String {
        result.map(|_| "ok".to_owned()).unwrap_or_else(|error| error.code().to_owned())
    }

    #[test]
    fn a_key_comes_in_one_header_or_in_two() {
        let id = "01997777-0000-7000-8000-000000000000";
        assert_eq!(code(api_key(&headers(&[("x-api-key", "k")]))), "ok");
        assert_eq!(code(api_key(&headers(&[("api-key", "k"), ("tenant-id", id)]))), "ok");
        assert_eq!(code(api_key(&headers(&[("api-key", "k")]))), "missing_tenant_id");
        assert_eq!(code(api_key(&headers(&[("api-key", "k"), ("tenant-id", "acme")]))), "invalid_api_key");
        assert_eq!(code(api_key(&headers(&[]))), "missing_api_key");
        let mut twice = headers(&[("x-api-key", "k")]);
        twice.append("x-api-key", "l".parse().unwrap());
        assert_eq!(code(api_key(&twice)), "invalid_api_key");
    }

    #[test]
    fn a_bearer_token_needs_its_scheme() {
        assert_eq!(bearer(&headers(&[("authorization", "bearer abc")])).unwrap(), "abc");
        for wrong in ["abc", "Basic abc", "Bearer"] {
            assert_eq!(code(bearer(&headers(&[("authorization", wrong)]))), "missing_token", "{wrong}");
        }
    }
}
