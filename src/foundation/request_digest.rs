//! Recognising a request that was sent before without keeping it.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretBox};

use super::MasterKey;
use super::master_key::keyed_digest;

/// Makes keyed digests of requests: equal for equal ones, and opaque to whoever has no key and tries all phone numbers.
#[derive(Clone)]
pub struct RequestDigest(Arc<SecretBox<[u8; 32]>>);

impl RequestDigest {
    /// Derives the key from the master key.
    pub fn new(master: &MasterKey) -> Self {
        Self(Arc::new(SecretBox::new(Box::new(master.derive("recognise requests")))))
    }

    /// The digest of a request's parts, each by itself.
    pub fn of(&self, parts: &[&[u8]]) -> [u8; 32] {
        keyed_digest(self.0.expose_secret(), parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_requests_have_equal_digests_under_one_key_only() {
        let (one, other) = (RequestDigest::new(&MasterKey::new([1; 32])), RequestDigest::new(&MasterKey::new([2; 32])));
        assert_eq!(one.of(&[b"a", b"b"]), one.of(&[b"a", b"b"]));
        assert_ne!(one.of(&[b"a", b"b"]), one.of(&[b"ab", b""]));
        assert_ne!(one.of(&[b"a", b"b"]), other.of(&[b"a", b"b"]));
    }
}
