//! Tokens of the wallet API.

use std::time::Duration;

use alloy::primitives::Address;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{Jwt, Refused};
use crate::auth::Device;
use crate::foundation::TenantId;

/// `spec/wallet-api-2.8.0.md`: `POST /auth/token`.
#[derive(Deserialize, Serialize)]
struct WalletClaims {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "walletAddress")]
    address: Address,
}

/// `spec/wallet-api-4.0.0.md`: `POST /auth/preauth-token`.
#[derive(Deserialize, Serialize)]
struct PreauthClaims {
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<TenantId>,
}

/// What `type` says in wallet users' tokens.
const WALLET: &str = "CUSTOMER-TOKEN";
/// What `scope` says in devices' tokens.
const PREAUTH: &str = "preauth";
/// What begins the subject of devices' tokens.
const DEVICE: &str = "device:";

/// How long wallet users' tokens are good.
const WALLET_TTL: Duration = Duration::from_secs(5 * 60);
/// How long devices' tokens are good.
const PREAUTH_TTL: Duration = Duration::from_secs(15 * 60);

impl Jwt {
    /// A token for whoever holds a wallet's key, good for five minutes from `now`.
    pub fn issue_wallet(&self, address: Address, now: DateTime<Utc>) -> Result<SecretString, Refused> {
        let claims = WalletClaims { kind: WALLET.to_owned(), address };
        self.issue(&address.to_checksum(None), WALLET_TTL, now, claims)
    }

    /// A token for a device before anybody has signed in, perhaps of a tenant's app; good for a quarter of an hour.
    pub fn issue_preauth(
        &self,
        fingerprint: &str,
        tenant: Option<TenantId>,
        now: DateTime<Utc>,
    ) -> Result<SecretString, Refused> {
        let claims = PreauthClaims { scope: PREAUTH.to_owned(), tenant_id: tenant };
        self.issue(&format!("{DEVICE}{fingerprint}"), PREAUTH_TTL, now, claims)
    }

    /// The wallet whose holder a token speaks for.
    pub fn verify_wallet(&self, token: &str, now: DateTime<Utc>) -> Result<Address, Refused> {
        let claims = self.verify::<WalletClaims>(token, now)?.own;
        if claims.kind == WALLET { Ok(claims.address) } else { Err(Refused::Kind) }
    }

    /// The device that a token speaks for.
    pub fn verify_preauth(&self, token: &str, now: DateTime<Utc>) -> Result<Device, Refused> {
        let claims = self.verify::<PreauthClaims>(token, now)?;
        match claims.sub.strip_prefix(DEVICE) {
            Some(fingerprint) if claims.own.scope == PREAUTH => {
                Ok(Device { fingerprint: fingerprint.to_owned(), tenant: claims.own.tenant_id })
            }
            _ => Err(Refused::Kind),
        }
    }
}
