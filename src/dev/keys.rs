//! Secrets of a development server: made once, kept in `.dev/`, worth nothing elsewhere.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, Result};
use rand::TryRngCore;
use rand::rngs::OsRng;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::auth::Jwt;

/// Everything secret that a development server needs.
#[derive(Serialize, Deserialize)]
pub struct DevelopmentKeys {
    pub(super) master_key: String,
    pub(super) operator_token: String,
    pub(super) jwt_private_key: String,
    pub(super) treasury_key: String,
    pub(super) lane_key: String,
    /// Of the account that fills the lane; an earlier version made none.
    #[serde(default)]
    pub(super) funding_key: String,
    pub(super) wallet_owner_key: String,
}

impl DevelopmentKeys {
    /// Reads the keys of an earlier start, or makes new ones.
    pub fn load_or_make(path: &Path) -> Result<Self> {
        if let Ok(text) = std::fs::read_to_string(path) {
            let mut keys: Self =
                serde_json::from_str(&text).with_context(|| format!("{} cannot be read", path.display()))?;
            if keys.funding_key.is_empty() {
                keys.funding_key = random_hex()?;
                keys.write(path)?;
            }
            return Ok(keys);
        }
        let keys = Self::make()?;
        keys.write(path)?;
        Ok(keys)
    }

    fn write(&self, path: &Path) -> Result<()> {
        write_private(path, &serde_json::to_string_pretty(self)?)
    }

    fn make() -> Result<Self> {
        Ok(Self {
            master_key: random_hex()?,
            operator_token: random_hex()?,
            jwt_private_key: Jwt::generate_pem()?.expose_secret().to_owned(),
            treasury_key: random_hex()?,
            lane_key: random_hex()?,
            funding_key: random_hex()?,
            wallet_owner_key: random_hex()?,
        })
    }

    /// The treasury's address.
    pub fn treasury(&self) -> Result<Address> {
        address_of(&self.treasury_key)
    }

    /// The address of the account that fills the lane.
    pub fn funding(&self) -> Result<Address> {
        address_of(&self.funding_key)
    }

    /// The lane's address.
    pub fn lane(&self) -> Result<Address> {
        address_of(&self.lane_key)
    }
}

fn address_of(key: &str) -> Result<Address> {
    let signer: PrivateKeySigner = key.parse().context("a development key is no private key")?;
    Ok(signer.address())
}

fn random_hex() -> Result<String> {
    let mut bytes = [0; 32];
    OsRng.try_fill_bytes(&mut bytes).context("the system has no randomness")?;
    Ok(hex::encode(bytes))
}

/// Writes a file that only its owner can read, all of it or nothing.
pub(super) fn write_private(path: &Path, text: &str) -> Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&draft, path).with_context(|| format!("{} cannot be written", path.display()))
}
