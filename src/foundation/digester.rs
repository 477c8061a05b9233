//! Recognising a value without storing it.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretBox};

use super::MasterKey;
use super::master_key::keyed_digest;

/// Makes keyed digests for one use: equal for equal values, opaque to whoever lacks the key.
#[derive(Clone)]
pub struct Digester(Arc<SecretBox<[u8; 32]>>);

impl Digester {
    /// For a use that its label names.
    pub fn new(master: &MasterKey, label: &str) -> Self {
        Self(Arc::new(SecretBox::new(Box::new(master.derive(label)))))
    }

    /// HMAC-SHA-256 of the parts, no two lists of which collide.
    pub fn of(&self, parts: &[&[u8]]) -> [u8; 32] {
        keyed_digest(self.0.expose_secret(), parts)
    }
}
