//! Looking a phone number, or what else a person is known by, up without storing it.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretBox};

use super::master_key::keyed_digest;
use super::{MasterKey, Mode, Phone, TenantId};

/// A keyed digest of what a tenant's customer is known by, in hexadecimal: equal for equal values, opaque otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlindIndex(String);

impl BlindIndex {
    /// The 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes blind indexes and wallet salts with keys of their own.
#[derive(Clone)]
pub struct BlindIndexer {
    index: Arc<SecretBox<[u8; 32]>>,
    salt: Arc<SecretBox<[u8; 32]>>,
    identity: Arc<SecretBox<[u8; 32]>>,
}

impl BlindIndexer {
    /// Derives the keys from the master key.
    pub fn new(master: &MasterKey) -> Self {
        let secret = |label| Arc::new(SecretBox::new(Box::new(master.derive(label))));
        Self {
            index: secret("blind index of phone numbers"),
            salt: secret("salts of wallets"),
            identity: secret("blind index of identities"),
        }
    }

    /// The blind index of a phone number among one tenant's customers of one mode.
    pub fn phone(&self, tenant: TenantId, mode: Mode, phone: &Phone) -> BlindIndex {
        let digest = keyed_digest(self.index.expose_secret(), &parts(&tenant, mode, phone));
        BlindIndex(hex::encode(digest))
    }

    /// The blind index of something else that a tenant's customer of a mode is known by; `what` keeps kinds apart.
    pub fn identity(&self, tenant: TenantId, mode: Mode, what: &str, parts: &[&str]) -> BlindIndex {
        let scope = [tenant.0.as_bytes(), mode.as_str().as_bytes(), what.as_bytes()];
        let parts: Vec<&[u8]> = scope.into_iter().chain(parts.iter().map(|part| part.as_bytes())).collect();
        BlindIndex(hex::encode(keyed_digest(self.identity.expose_secret(), &parts)))
    }

    /// The CREATE2 salt of the wallet that a tenant's customer gets for this phone number.
    pub fn wallet_salt(&self, tenant: TenantId, mode: Mode, phone: &Phone) -> [u8; 32] {
        keyed_digest(self.salt.expose_secret(), &parts(&tenant, mode, phone))
    }
}

fn parts<'a>(tenant: &'a TenantId, mode: Mode, phone: &'a Phone) -> [&'a [u8]; 3] {
    [tenant.0.as_bytes(), mode.as_str().as_bytes(), phone.e164().as_bytes()]
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    #[test]
    fn an_identity_depends_on_key_tenant_mode_kind_and_every_part() {
        let indexer = BlindIndexer::new(&MasterKey::new([1; 32]));
        let acme = TenantId::new();
        let index = |mode, what, parts: &[&str]| indexer.identity(acme, mode, what, parts);
        let first = index(Mode::Live, "email", &["jane@x.example"]);
        assert_eq!(first, index(Mode::Live, "email", &["jane@x.example"]));
        for other in [
            index(Mode::Test, "email", &["jane@x.example"]),
            index(Mode::Live, "person", &["jane@x.example"]),
            index(Mode::Live, "email", &["jane@x", ".example"]),
            indexer.identity(TenantId::new(), Mode::Live, "email", &["jane@x.example"]),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn an_index_depends_on_key_tenant_mode_and_number() {
        let phone = |text| Phone::parse(text).unwrap();
        let (indexer, other) =
            (BlindIndexer::new(&MasterKey::new([1; 32])), BlindIndexer::new(&MasterKey::new([2; 32])));
        let (acme, globex) = (TenantId::new(), TenantId::new());
        let jane = phone("+2250700000001");
        let index = indexer.phone(acme, Mode::Live, &jane);
        assert_eq!(index, indexer.phone(acme, Mode::Live, &jane));
        for different in [
            other.phone(acme, Mode::Live, &jane),
            indexer.phone(globex, Mode::Live, &jane),
            indexer.phone(acme, Mode::Test, &jane),
            indexer.phone(acme, Mode::Live, &phone("+2250700000002")),
        ] {
            assert_ne!(index, different);
        }
        assert_ne!(index.as_str(), hex::encode(indexer.wallet_salt(acme, Mode::Live, &jane)));
    }
}
