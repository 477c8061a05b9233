//! The one secret from which the server's other secrets derive.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;

use super::DataKey;

/// 256 random bits, from configuration. Keys for separate uses are derived by label and never shared between uses.
pub struct MasterKey(SecretBox<[u8; 32]>);

/// HMAC-SHA-256 (RFC 2104) of the parts, each preceded by its length so that no two lists collide.
pub(super) fn keyed_digest(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // `Hmac` accepts a key of any length; this one has the length of its block's digest.
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()));
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

impl MasterKey {
    /// Takes the key's bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// The key for one use, named by its label.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        keyed_digest(self.0.expose_secret(), &[b"diolkos", label.as_bytes()])
    }

    /// The key that wraps tenants' keys.
    pub fn wrapping_key(&self) -> DataKey {
        self.data_key("wrap tenant keys")
    }

    /// A key that seals data for one use, named by its label.
    pub fn data_key(&self, label: &str) -> DataKey {
        DataKey::from_bytes(self.derive(label))
    }
}
