//! `.dev/credentials.json`: everything that one needs to try a development server out.

use std::path::Path;

use alloy::primitives::Address;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::contracts::Contracts;
use super::keys::write_private;
use crate::foundation::TenantId;

/// What the file holds.
#[derive(Serialize, Deserialize)]
pub struct Credentials {
    /// Where HTTP is served.
    pub base_url: String,
    /// The chain's JSON-RPC.
    pub rpc_url: String,
    /// EIP-155.
    pub chain_id: u64,
    /// The database, as the server's role.
    pub database_url: String,
    /// Bearer token of `/admin`.
    pub operator_token: String,
    /// Bearer token of an orchestration client.
    pub orchestration_token: String,
    /// The seeded tenants.
    pub tenants: Vec<TenantCredentials>,
    /// Where the contracts are.
    pub contracts: ContractAddresses,
    /// The account that holds the tenants' tokens.
    pub treasury: AddressOf,
    /// A private key that holds native coin and USDC, for trying things out.
    pub funded_key: String,
}

/// One tenant's.
#[derive(Clone, Serialize, Deserialize)]
pub struct TenantCredentials {
    /// Its id.
    pub id: TenantId,
    /// Its namespace root.
    pub namespace: String,
    /// An API key.
    pub live_key: String,
    /// An API key that moves nothing.
    pub test_key: String,
    /// A super admin's bearer token for `/v1/dashboard`, new at every start.
    pub dashboard_token: String,
}

/// An object with an address in it.
#[derive(Serialize, Deserialize)]
pub struct AddressOf {
    /// The address.
    pub address: Address,
}

/// Where the contracts are.
#[derive(Serialize, Deserialize)]
pub struct ContractAddresses {
    entry_point: Address,
    account_factory: Address,
    usdc: Address,
    usdt: Address,
    preauth_escrow: Address,
}

impl From<&Contracts> for ContractAddresses {
    fn from(contracts: &Contracts) -> Self {
        Self {
            entry_point: contracts.entry_point,
            account_factory: contracts.account_factory,
            usdc: contracts.usdc,
            usdt: contracts.usdt,
            preauth_escrow: contracts.preauth_escrow,
        }
    }
}

impl Credentials {
    /// Reads the file of an earlier start; `None` when there is none.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let read = serde_json::from_str(&text);
                read.map(Some).with_context(|| format!("{} cannot be read; script/server --reset", path.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
    }

    /// Writes the file, readable by its owner alone.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_private(path, &serde_json::to_string_pretty(self)?)
    }
}
