//! What a fake key management service keeps and how it behaves; the protocols are elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use alloy::signers::k256::ecdsa::signature::hazmat::PrehashSigner;
use alloy::signers::k256::ecdsa::{Signature, SigningKey};
use alloy::signers::k256::pkcs8::EncodePublicKey;
use alloy::signers::local::PrivateKeySigner;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

/// How signatures are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// s beyond half the order: as valid, and malleable.
    HighS,
    /// By a key that nobody asked for.
    OtherKey,
    /// Bytes that are no signature.
    Garbage,
    Throttles,
    Forbids,
    /// Never answers, whatever it is asked.
    Hangs,
}

/// Keys by name, shared with the server that serves them.
#[derive(Clone)]
pub struct Vault(Arc<Mutex<Inner>>);

struct Inner {
    keys: BTreeMap<String, Key>,
    mood: Mood,
    asked: Vec<String>,
    sealed: Vec<(String, Vec<u8>, Vec<u8>)>,
}

#[derive(Clone)]
enum Key {
    Secp256k1(SigningKey),
    Other(Vec<u8>),
}

impl Vault {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Inner {
            keys: BTreeMap::new(),
            mood: Mood::Well,
            asked: Vec::new(),
            sealed: Vec::new(),
        })))
    }

    /// Puts a key in.
    pub fn keep(&self, name: &str, key: &PrivateKeySigner) {
        self.0.lock().unwrap().keys.insert(name.to_owned(), Key::Secp256k1(key.credential().clone()));
    }

    /// Puts a key of NIST's curve P-256 in.
    pub fn keep_p256(&self, name: &str) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        // SubjectPublicKeyInfo of id-ecPublicKey over prime256v1 (RFC 5480), up to the point.
        let mut info = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
        info.extend_from_slice(pair.public_key().as_ref());
        self.0.lock().unwrap().keys.insert(name.to_owned(), Key::Other(info));
    }

    /// What a symmetric key makes of some bytes.
    pub fn encrypt(&self, key: &str, bytes: &[u8]) -> Vec<u8> {
        let sealed = rand::random::<[u8; 64]>().to_vec();
        self.0.lock().unwrap().sealed.push((key.to_owned(), sealed.clone(), bytes.to_vec()));
        sealed
    }

    pub fn decrypt(&self, key: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let inner = self.0.lock().unwrap();
        inner.sealed.iter().find(|known| known.0 == key && known.1 == sealed).map(|known| known.2.clone())
    }

    pub fn is(&self, mood: Mood) {
        self.0.lock().unwrap().mood = mood;
    }

    pub fn mood(&self) -> Mood {
        self.0.lock().unwrap().mood
    }

    /// Takes note of a call.
    pub fn note(&self, call: &str) {
        self.0.lock().unwrap().asked.push(call.to_owned());
    }

    /// How often something was asked.
    pub fn asked(&self, call: &str) -> usize {
        self.0.lock().unwrap().asked.iter().filter(|asked| *asked == call).count()
    }

    /// DER SubjectPublicKeyInfo of a key.
    pub fn public_key(&self, name: &str) -> Option<Vec<u8>> {
        Some(match self.0.lock().unwrap().keys.get(name)? {
            Key::Secp256k1(key) => key.verifying_key().to_public_key_der().unwrap().into_vec(),
            Key::Other(info) => info.clone(),
        })
    }

    /// DER signature over a digest, as the mood has it.
    pub fn sign(&self, name: &str, digest: &[u8]) -> Option<Vec<u8>> {
        let inner = self.0.lock().unwrap();
        let Key::Secp256k1(key) = inner.keys.get(name)?.clone() else { return None };
        assert_eq!(digest.len(), 32);
        let by = |key: &SigningKey| -> Signature { key.sign_prehash(digest).unwrap() };
        let low = |signature: Signature| signature.normalize_s().unwrap_or(signature);
        let signature = match inner.mood {
            Mood::Garbage => return Some(b"no signature".to_vec()),
            Mood::OtherKey => by(PrivateKeySigner::random().credential()),
            Mood::HighS => {
                let (r, s) = low(by(&key)).split_scalars();
                Signature::from_scalars(r, -s).unwrap()
            }
            Mood::Well | Mood::Throttles | Mood::Forbids | Mood::Hangs => low(by(&key)),
        };
        assert_eq!(signature.normalize_s().is_some(), inner.mood == Mood::HighS);
        Some(signature.to_der().as_bytes().to_vec())
    }
}
