//! Secrets and signatures as Standard Webhooks 1.0 defines them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use hmac::{Hmac, KeyInit, Mac};
use rand::TryRngCore;
use rand::rngs::OsRng;
use secrecy::SecretString;
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::foundation::{Broken, DataKey, Sealed, TenantId};

/// How long a secret that was replaced goes on signing beside the new one.
pub const OVERLAP: TimeDelta = TimeDelta::hours(24);

/// Bytes of a new secret; the standard asks for 24 to 64.
const LENGTH: usize = 32;

const PREFIX: &str = "whsec_";

/// A symmetric secret, wiped when dropped; no `Debug`.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// A new random secret.
    pub fn generate() -> Result<Self, Broken> {
        let mut bytes = Zeroizing::new(vec![0; LENGTH]);
        OsRng.try_fill_bytes(&mut bytes).map_err(|_| Broken)?;
        Ok(Self(bytes))
    }

    /// The text that a receiver is configured with: `whsec_` and base64.
    pub fn reveal(&self) -> SecretString {
        format!("{PREFIX}{}", STANDARD.encode(self.0.as_slice())).into()
    }

    /// Seals it under the tenant's key.
    pub fn seal(&self, key: &DataKey, tenant: TenantId, id: Uuid) -> Result<Sealed, Broken> {
        key.seal(&context(tenant, id), &self.0)
    }

    /// Opens what [`Secret::seal`] made.
    pub fn open(key: &DataKey, tenant: TenantId, id: Uuid, sealed: &Sealed) -> Result<Self, Broken> {
        key.open(&context(tenant, id), sealed).map(Self)
    }

    /// `v1,…`: the signature of a message.
    fn sign(&self, message_id: &str, timestamp: i64, body: &str) -> String {
        // `Hmac` accepts a key of any length.
        let mut mac =
            <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0).unwrap_or_else(|_| Hmac::new(&Default::default()));
        mac.update(format!("{message_id}.{timestamp}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The value of `webhook-signature`: one signature a secret.
pub fn signatures(secrets: &[Secret], message_id: &str, timestamp: i64, body: &str) -> String {
    let signatures: Vec<String> = secrets.iter().map(|secret| secret.sign(message_id, timestamp, body)).collect();
    signatures.join(" ")
}

fn context(tenant: TenantId, id: Uuid) -> String {
    format!("webhook secret {id} of tenant {tenant}")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn it_signs_as_the_standard_does() {
        // The example of the specification's own libraries.
        let secret = Secret(Zeroizing::new(STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()));
        let header = signatures(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(header, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn it_is_opened_for_its_own_tenant_and_id_only() {
        let (key, tenant, id) = (DataKey::generate().unwrap(), TenantId::new(), Uuid::now_v7());
        let secret = Secret::generate().unwrap();
        let sealed = secret.seal(&key, tenant, id).unwrap();
        let opened = Secret::open(&key, tenant, id, &sealed).unwrap();
        assert_eq!(opened.reveal().expose_secret(), secret.reveal().expose_secret());
        assert!(Secret::open(&key, TenantId::new(), id, &sealed).is_err());
        assert!(Secret::open(&key, tenant, Uuid::now_v7(), &sealed).is_err());
    }
}
