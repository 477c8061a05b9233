//! Bearer tokens: RS256 JSON Web Tokens (RFC 7519) of our own issue.
//!
//! The algorithm and the key are ours to say, never the token's: a header that names another `alg` or an unknown `kid`
//! is refused before anything else of the token is read.

mod wallet;

use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use chrono::{DateTime, Utc};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Dashboard;
use crate::foundation::TenantId;
use crate::http::Error;

/// How far another machine's clock may be ahead of ours.
const CLOCK_SKEW: f64 = 5.0;
/// No token of ours is longer.
const LONGEST: usize = 8192;

/// Signs and verifies tokens with one RSA key.
pub struct Jwt {
    issuer: String,
    kid: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    jwks: JwkSet,
}

/// The PEM is not an RSA private key of at least 2048 bits.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKey {
    /// It cannot be read.
    #[error("the JWT signing key is not an RSA private key in PEM form")]
    Unreadable(#[from] jsonwebtoken::errors::Error),
    /// It is too short (RFC 7518 §3.3).
    #[error("the JWT signing key has fewer than 2048 bits")]
    TooShort,
    /// A new one could not be made.
    #[error("an RSA key could not be made")]
    NotMade,
}

/// A token that is not good: malformed, forged, of another issuer, expired or not yet valid.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Not RS256, not by our key, or with extensions that we do not know (`crit`, RFC 7515 §4.1.11).
    #[error("the token names an algorithm, key or extension that is not ours")]
    Header,
    /// `exp` has come.
    #[error("the token has expired")]
    Expired,
    /// `nbf` has not come.
    #[error("the token is not valid yet")]
    NotYet,
    /// The claims contradict each other or name no tenant.
    #[error("the token names no tenant")]
    NoTenant,
    /// It is a token for something else.
    #[error("the token is of another kind")]
    Kind,
    /// Anything else, the signature above all.
    #[error(transparent)]
    Invalid(#[from] jsonwebtoken::errors::Error),
}

#[derive(Serialize)]
struct Issued<'a, T> {
    iss: &'a str,
    sub: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: Uuid,
    #[serde(flatten)]
    own: T,
}

#[derive(Deserialize)]
struct Claims<T> {
    #[serde(default)]
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    #[serde(flatten)]
    own: T,
}

#[derive(Serialize)]
struct OrchestrationClaims {
    business_id: TenantId,
    scope: &'static str,
}

#[derive(Deserialize, Serialize)]
struct DashboardClaims {
    #[serde(skip_serializing_if = "Option::is_none")]
    business_id: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    org_id: Option<TenantId>,
    #[serde(default)]
    permissions: Vec<String>,
}

impl Jwt {
    /// Signs as `issuer` with an RSA private key in PEM form (PKCS #8 or PKCS #1).
    pub fn from_pem(pem: &SecretString, issuer: impl Into<String>) -> Result<Self, InvalidKey> {
        let signing = EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes())?;
        let mut jwk = Jwk::from_encoding_key(&signing, Algorithm::RS256)?;
        // 2048 bits are 342 characters of base64 without padding.
        if !matches!(&jwk.algorithm, AlgorithmParameters::RSA(rsa) if rsa.n.len() >= 342) {
            return Err(InvalidKey::TooShort);
        }
        let kid = jwk.thumbprint(ThumbprintHash::SHA256)?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let verifying = DecodingKey::from_jwk(&jwk)?;
        Ok(Self { issuer: issuer.into(), kid, signing, verifying, jwks: JwkSet { keys: vec![jwk] } })
    }

    /// A new RSA key of 2048 bits in PEM form (PKCS #8), for setting a server up.
    pub fn generate_pem() -> Result<SecretString, InvalidKey> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| InvalidKey::NotMade)?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| InvalidKey::NotMade)?;
        Ok(pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_ref())).into())
    }

    /// The public key set.
    pub fn jwks(&self) -> &JwkSet {
        &self.jwks
    }

    /// A token for a tenant's person at the dashboard, good for `ttl` from `now`.
    pub fn issue_dashboard(
        &self,
        tenant: TenantId,
        subject: &str,
        permissions: &[&str],
        ttl: Duration,
        now: DateTime<Utc>,
    ) -> Result<SecretString, Refused> {
        let permissions = permissions.iter().map(ToString::to_string).collect();
        self.issue(subject, ttl, now, DashboardClaims { business_id: Some(tenant), org_id: None, permissions })
    }

    /// A token for an orchestration client of a tenant, good for `ttl` from `now`.
    pub fn issue_orchestration(
        &self,
        tenant: TenantId,
        subject: &str,
        ttl: Duration,
        now: DateTime<Utc>,
    ) -> Result<SecretString, Refused> {
        self.issue(subject, ttl, now, OrchestrationClaims { business_id: tenant, scope: "orchestration" })
    }

    fn issue(
        &self,
        subject: &str,
        ttl: Duration,
        now: DateTime<Utc>,
        own: impl Serialize,
    ) -> Result<SecretString, Refused> {
        let iat = now.timestamp();
        let exp = iat.saturating_add_unsigned(ttl.as_secs());
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::RS256) };
        let claims = Issued { iss: &self.issuer, sub: subject, iat, nbf: iat, exp, jti: Uuid::now_v7(), own };
        Ok(encode(&header, &claims, &self.signing)?.into())
    }

    /// The dashboard's user that a token speaks for. What it permits is for the caller to check.
    pub fn verify_dashboard(&self, token: &str, now: DateTime<Utc>) -> Result<Dashboard, Refused> {
        let claims = self.verify::<DashboardClaims>(token, now)?;
        let tenant = match (claims.own.business_id, claims.own.org_id) {
            (Some(business), Some(org)) if business != org => return Err(Refused::NoTenant),
            (business, org) => business.or(org).ok_or(Refused::NoTenant)?,
        };
        Ok(Dashboard { tenant, subject: claims.sub, permissions: claims.own.permissions })
    }

    fn verify<T: DeserializeOwned>(&self, token: &str, now: DateTime<Utc>) -> Result<Claims<T>, Refused> {
        if token.len() > LONGEST {
            return Err(Refused::Header);
        }
        let header = decode_header(token)?;
        let is_ours = header.alg == Algorithm::RS256 && header.kid.as_ref() == Some(&self.kid) && header.crit.is_none();
        if !is_ours {
            return Err(Refused::Header);
        }
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_required_spec_claims(&["exp", "iss"]);
        validation.set_issuer(&[&self.issuer]);
        // The times are compared below with the house's clock, which a test can move.
        validation.validate_exp = false;
        let claims = decode::<Claims<T>>(token, &self.verifying, &validation)?.claims;
        let now = now.timestamp_millis() as f64 / 1000.0;
        if now >= claims.exp {
            return Err(Refused::Expired);
        }
        if claims.nbf.is_some_and(|nbf| nbf > now + CLOCK_SKEW) {
            return Err(Refused::NotYet);
        }
        Ok(claims)
    }
}

impl From<Refused> for Error {
    /// 401, whatever the reason: a forger learns nothing of it.
    #[track_caller]
    fn from(refused: Refused) -> Self {
        invalid_token().because(refused)
    }
}

#[track_caller]
pub(super) fn invalid_token() -> Error {
    Error::unauthorized("invalid_token", "the token is not valid or has expired")
}

#[cfg(test)]
mod tests;
