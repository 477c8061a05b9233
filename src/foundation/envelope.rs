//! Envelope encryption: data under a customer's key, that under a tenant's key, that under the master key.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::TryRngCore;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

/// A 256-bit key for XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), wiped when dropped; no `Debug`.
pub struct DataKey(Zeroizing<[u8; 32]>);

/// A nonce of 24 bytes and the ciphertext after it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

/// A [`DataKey`] sealed under another key.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey(pub Vec<u8>);

/// The ciphertext was not made with this key for this context, or the system's randomness failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sealed data cannot be opened or made")]
pub struct Broken;

const NONCE: usize = 24;

impl DataKey {
    /// A new random key.
    pub fn generate() -> Result<Self, Broken> {
        let mut bytes = Zeroizing::new([0; 32]);
        OsRng.try_fill_bytes(bytes.as_mut()).map_err(|_| Broken)?;
        Ok(Self(bytes))
    }

    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Seals `plain` for `context` (what it is and whose), without which it cannot be opened.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<Sealed, Broken> {
        let mut nonce = [0; NONCE];
        OsRng.try_fill_bytes(&mut nonce).map_err(|_| Broken)?;
        let payload = Payload { msg: plain, aad: context.as_bytes() };
        let ciphertext = self.cipher().encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| Broken)?;
        Ok(Sealed([&nonce[..], &ciphertext].concat()))
    }

    /// Opens what [`DataKey::seal`] made with the same key and context.
    pub fn open(&self, context: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, Broken> {
        let (nonce, ciphertext) = sealed.0.split_at_checked(NONCE).ok_or(Broken)?;
        let payload = Payload { msg: ciphertext, aad: context.as_bytes() };
        self.cipher().decrypt(XNonce::from_slice(nonce), payload).map(Zeroizing::new).map_err(|_| Broken)
    }

    /// Wraps another key under this one.
    pub fn wrap(&self, context: &str, key: &DataKey) -> Result<WrappedKey, Broken> {
        self.seal(context, key.0.as_slice()).map(|sealed| WrappedKey(sealed.0))
    }

    /// Unwraps what [`DataKey::wrap`] made with the same key and context.
    pub fn unwrap_key(&self, context: &str, wrapped: &WrappedKey) -> Result<DataKey, Broken> {
        let plain = self.open(context, &Sealed(wrapped.0.clone()))?;
        plain.as_slice().try_into().map(Self::from_bytes).map_err(|_| Broken)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.0.as_slice().into())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_context_only() {
        let (key, other) = (DataKey::generate().unwrap(), DataKey::generate().unwrap());
        let sealed = key.seal("phone of 1", b"+2250700000001").unwrap();
        assert_eq!(key.open("phone of 1", &sealed).unwrap().as_slice(), b"+2250700000001");
        assert!(key.open("phone of 2", &sealed).is_err());
        assert!(other.open("phone of 1", &sealed).is_err());
        let mut bent = sealed.clone();
        *bent.0.last_mut().unwrap() ^= 1;
        assert!(key.open("phone of 1", &bent).is_err());
        assert!(key.open("phone of 1", &Sealed(vec![1, 2, 3])).is_err());
        assert!(sealed != key.seal("phone of 1", b"+2250700000001").unwrap(), "a nonce is used once");
    }

    #[test]
    fn a_key_is_unwrapped_by_the_key_that_wrapped_it() {
        let (master, data) = (DataKey::generate().unwrap(), DataKey::generate().unwrap());
        let wrapped = master.wrap("key of tenant 1", &data).unwrap();
        let unwrapped = master.unwrap_key("key of tenant 1", &wrapped).unwrap();
        assert!(unwrapped.open("x", &data.seal("x", b"y").unwrap()).is_ok());
        assert!(master.unwrap_key("key of tenant 2", &wrapped).is_err());
    }
}
