//! Operators: programs by a bearer token, people at a browser by a password (HTTP Basic, RFC 7617).

use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use moka::future::Cache;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::api_key::{Digest, digest};
use crate::http::rate_limit::Throttle;
use crate::http::{ClientAddress, Error, Result};

/// The user name that goes with the operators' password.
const USER: &str = "operator";

/// How long a password that was found good is remembered: a browser sends it with every request, and checking it takes
/// tens of milliseconds on purpose.
const MEMORY: Duration = Duration::from_secs(60);

/// Passwords that are checked at once; each takes 19 MiB.
const CHECKS: usize = 2;

/// Passwords a minute from one address that are not known to be good.
const TRIES: u32 = 20;

/// A hash that is no argon2 hash in PHC string form.
#[derive(Debug, thiserror::Error)]
#[error("is no argon2id hash; make one with `diolkos hash-password`")]
pub struct InvalidHash;

/// What operators prove themselves with.
pub struct OperatorAccess {
    token: Digest,
    password: Option<Arc<str>>,
    good: Cache<Digest, ()>,
    tries: Throttle<Option<ClientAddress>>,
    checks: Semaphore,
}

impl OperatorAccess {
    /// Admits the token and, if there is one, the password of this argon2id hash (PHC string form).
    pub fn new(token: &SecretString, password_hash: Option<&str>) -> std::result::Result<Self, InvalidHash> {
        if let Some(hash) = password_hash {
            PasswordHash::new(hash).map_err(|_| InvalidHash)?;
        }
        Ok(Self {
            token: digest(token.expose_secret()),
            password: password_hash.map(Arc::from),
            good: Cache::builder().max_capacity(16).time_to_live(MEMORY).build(),
            tries: Throttle::per_minute(TRIES),
            checks: Semaphore::new(CHECKS),
        })
    }

    /// Whether this bearer token is the operators'; takes the same time whatever it is.
    pub(super) fn admits_token(&self, token: &str) -> bool {
        bool::from(self.token.ct_eq(&digest(token)))
    }

    /// Whether these Basic credentials (base64 of `user:password`) are the operators'; 429 when they are guessed at.
    pub(super) async fn admits_basic(&self, encoded: &str, from: Option<ClientAddress>) -> Result<bool> {
        let Some(hash) = self.password.clone() else { return Ok(false) };
        let known = digest(encoded);
        if self.good.contains_key(&known) {
            return Ok(true);
        }
        let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(password) = decoded.as_deref().and_then(|text| text.strip_prefix(USER)?.strip_prefix(':')) else {
            return Ok(false);
        };
        let password = SecretString::from(password);
        self.tries.admit(&from)?;
        // Fails only when the semaphore is closed, which nobody does.
        let _turn = self.checks.acquire().await.map_err(Error::internal)?;
        let verified = tokio::task::spawn_blocking(move || verify(&password, &hash)).await.unwrap_or(false);
        if verified {
            self.good.insert(known, ()).await;
        }
        Ok(verified)
    }
}

fn verify(password: &SecretString, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.expose_secret().as_bytes(), &hash).is_ok())
}

/// The argon2id hash of a password with a new random salt, in PHC string form; `None` when there is no randomness.
pub fn hash_password(password: &SecretString) -> Option<String> {
    Argon2::default().hash_password(password.expose_secret().as_bytes()).ok().map(|hash| hash.to_string())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    fn basic(user: &str, password: &str) -> String {
        STANDARD.encode(format!("{user}:{password}"))
    }

    #[tokio::test]
    async fn the_password_admits_the_operator_and_nobody_else() {
        let hash = hash_password(&"correct horse".into()).unwrap();
        let access = OperatorAccess::new(&"t".repeat(32).into(), Some(&hash)).unwrap();
        assert!(access.admits_basic(&basic("operator", "correct horse"), None).await.unwrap());
        assert!(access.admits_basic(&basic("operator", "correct horse"), None).await.unwrap(), "also when remembered");
        for (user, password) in [("operator", "wrong"), ("root", "correct horse"), ("operator", ""), ("", "")] {
            assert!(!access.admits_basic(&basic(user, password), None).await.unwrap(), "{user} {password}");
        }
        assert!(!access.admits_basic("not base64", None).await.unwrap());
    }

    #[tokio::test]
    async fn without_a_password_only_the_token_admits() {
        let access = OperatorAccess::new(&"t".repeat(32).into(), None).unwrap();
        assert!(!access.admits_basic(&basic("operator", ""), None).await.unwrap());
        assert!(access.admits_token(&"t".repeat(32)));
        assert!(!access.admits_token("t"));
        assert!(OperatorAccess::new(&"t".into(), Some("plain text")).is_err());
    }
}
