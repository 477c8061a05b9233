//! Challenges: what a wallet signs, and its two digests.

use alloy::primitives::{Address, B256, FixedBytes, eip191_hash_message, keccak256};
use alloy::sol_types::{SolValue, eip712_domain};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{Error, Result};

/// How long a challenge may be signed.
pub(super) const LIFETIME: TimeDelta = TimeDelta::minutes(5);

/// The struct of EIP-712 that a challenge is. Its fields are those of the message on the wire.
const TYPE: &str = "Challenge(string domain,string action,address address,string nonce,string expires)";

/// A nonce: 128 random bits.
pub(super) type Nonce = FixedBytes<16>;

/// What wallets sign in to.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// As wallets show it.
    pub app: String,
    /// The chain that signatures are for.
    pub chain_id: u64,
}

/// What a wallet signs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChallengeMessage {
    /// What is signed in to.
    #[schema(example = "USBC App")]
    domain: String,
    /// What signing does.
    #[schema(example = "Login to USBC")]
    action: String,
    /// The wallet, with the checksum of EIP-55.
    #[schema(example = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8")]
    address: String,
    /// Good once.
    #[schema(example = "9ddd1cc30e2cb1339d466cc5f0babc95")]
    nonce: String,
    /// When it is too late, RFC 3339.
    #[schema(example = "2025-07-07T12:36:33.773Z")]
    expires: String,
}

impl SignIn {
    /// What is written to whom a code is sent.
    pub fn code_text(&self, code: &str) -> String {
        format!("{code} is your code for {}. It is good for ten minutes. Tell it to nobody.", self.app)
    }

    /// The message for a wallet's challenge. The same again from the same parts.
    pub(super) fn message(&self, address: Address, nonce: Nonce, expires_at: DateTime<Utc>) -> ChallengeMessage {
        ChallengeMessage {
            domain: format!("{} App", self.app),
            action: format!("Login to {}", self.app),
            address: address.to_checksum(None),
            nonce: hex::encode(nonce),
            expires: expires_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        }
    }

    /// What is signed: as typed data in the domain of the message and this chain, and as the message's JSON text.
    pub(super) fn digests(&self, address: Address, message: &ChallengeMessage) -> Result<[B256; 2]> {
        let domain = eip712_domain! { name: message.domain.clone(), version: "1", chain_id: self.chain_id, };
        let fields = (
            keccak256(TYPE),
            keccak256(&message.domain),
            keccak256(&message.action),
            address,
            keccak256(&message.nonce),
            keccak256(&message.expires),
        );
        let typed =
            [&[0x19, 0x01][..], domain.separator().as_slice(), keccak256(fields.abi_encode()).as_slice()].concat();
        let text = serde_json::to_vec(message).map_err(Error::internal)?;
        Ok([keccak256(typed), eip191_hash_message(text)])
    }
}
