//! API keys: `sk_live_` or `sk_test_` and 256 random bits in hexadecimal.

use chrono::{DateTime, SubsecRound, Utc};
use rand::TryRngCore;
use rand::rngs::OsRng;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::foundation::{Broken, Mode};

/// SHA-256 of a secret: what the database knows of it.
pub type Digest = [u8; 32];

const PUBLIC_DIGITS: usize = 8;

/// A key as it is kept: everything but the secret.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Its id (UUIDv7).
    pub id: Uuid,
    /// What the tenant calls it.
    pub name: String,
    /// Live or test.
    pub mode: Mode,
    /// The secret's public beginning, by which people tell keys apart: `sk_live_1f0c9a2e`.
    pub prefix: String,
    /// SHA-256 of the secret.
    pub digest: Digest,
    /// When it was issued, to the microsecond (as Postgres keeps it).
    pub created_at: DateTime<Utc>,
}

impl ApiKey {
    /// A new key and its secret, which is shown once; fails only when the system has no randomness.
    pub fn issue(name: String, mode: Mode, now: DateTime<Utc>) -> Result<(Self, SecretString), Broken> {
        let mut bits = Zeroizing::new([0; 32]);
        OsRng.try_fill_bytes(bits.as_mut()).map_err(|_| Broken)?;
        let digits = Zeroizing::new(hex::encode(bits.as_slice()));
        let secret = Zeroizing::new(format!("{}{}", head(mode), *digits));
        let public: String = digits.chars().take(PUBLIC_DIGITS).collect();
        let prefix = format!("{}{public}", head(mode));
        let key =
            Self { id: Uuid::now_v7(), name, mode, prefix, digest: digest(&secret), created_at: now.trunc_subsecs(6) };
        Ok((key, SecretString::from(secret.as_str())))
    }

    /// The digest of a secret of the right form; `None` for anything that cannot be a key.
    pub fn digest_of(secret: &str) -> Option<Digest> {
        let digits = [Mode::Live, Mode::Test].into_iter().find_map(|mode| secret.strip_prefix(head(mode)))?;
        let is_hex = digits.len() == 64 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_hex.then(|| digest(secret))
    }
}

const fn head(mode: Mode) -> &'static str {
    match mode {
        Mode::Live => "sk_live_",
        Mode::Test => "sk_test_",
    }
}

/// SHA-256 of a secret of high entropy (a password would want argon2id).
pub(super) fn digest(secret: &str) -> Digest {
    Sha256::digest(secret).into()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_key_is_known_by_its_digest_alone() {
        let (key, secret) = ApiKey::issue("till 7".to_owned(), Mode::Test, Utc::now()).unwrap();
        let secret = secret.expose_secret();
        assert_eq!((secret.len(), secret.starts_with("sk_test_")), (8 + 64, true));
        assert_eq!(ApiKey::digest_of(secret), Some(key.digest));
        assert!(secret.starts_with(&key.prefix) && key.prefix.len() == 16);
    }

    #[test]
    fn what_cannot_be_a_key_is_not_looked_up() {
        let digits = "0".repeat(64);
        for text in ["", "sk_live_", &digits, &format!("sk_prod_{digits}"), &format!("sk_live_{}", "A".repeat(64))] {
            assert_eq!(ApiKey::digest_of(text), None, "{text}");
        }
    }
}
