//! Compiled contracts: from the npm packages, and our own.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, address};
use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::dev::paths;

/// The deterministic deployer, on every chain and in anvil from the start: `CREATE2` of what follows the salt.
pub(super) const DEPLOYER: Address = address!("4e59b44847b379578588920ca78fbf26c0b4956c");

/// Our escrow's, compiled by `contracts/compile.mjs` and committed.
const ESCROW: &str = include_str!("../../../contracts/out/PreauthEscrow.json");

/// A compiled contract, of which a library's address may still be missing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Artifact {
    bytecode: String,
    #[serde(default)]
    deployed_bytecode: String,
    #[serde(default)]
    link_references: BTreeMap<String, BTreeMap<String, Vec<Gap>>>,
}

/// Where a library's address belongs, in bytes.
#[derive(Debug, Deserialize)]
struct Gap {
    start: usize,
    length: usize,
}

impl Artifact {
    /// Reads an artifact of an installed npm package.
    pub(super) fn of(package: &str, file: &str) -> anyhow::Result<Artifact> {
        let path = paths::package(package)?.join(file);
        let text = std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no contract artifact", path.display()))
    }

    /// `PreauthEscrow`.
    pub(super) fn escrow() -> anyhow::Result<Artifact> {
        serde_json::from_str(ESCROW).context("contracts/out/PreauthEscrow.json is no contract artifact")
    }

    /// Fills in the address of the one library that the contract uses.
    pub(super) fn linked_to(mut self, library: Address) -> anyhow::Result<Artifact> {
        let digits = hex::encode(library);
        for gap in self.link_references.values().flat_map(BTreeMap::values).flatten() {
            let start = 2 + 2 * gap.start;
            let end = start + 2 * gap.length;
            ensure!(gap.length == 20 && end <= self.bytecode.len(), "a library reference lies outside of the code");
            self.bytecode.replace_range(start..end, &digits);
        }
        Ok(self)
    }

    /// The code that runs at the contract's address, for a contract without immutables.
    pub(super) fn runtime_code(&self) -> anyhow::Result<Bytes> {
        self.deployed_bytecode.parse().context("an artifact's runtime code is not hexadecimal")
    }

    /// The creation, by the deterministic deployer, of this contract with these encoded constructor arguments.
    pub(super) fn creation(&self, salt: B256, arguments: &[u8]) -> anyhow::Result<Creation> {
        let code: Bytes = self.bytecode.parse().context("an artifact's code is not hexadecimal or not linked")?;
        let init_code = [code.as_ref(), arguments].concat();
        let address = DEPLOYER.create2_from_code(salt, &init_code);
        Ok(Creation { address, input: [salt.as_slice(), &init_code].concat().into() })
    }
}

/// A contract to be made by the deterministic deployer.
#[derive(Debug)]
pub(super) struct Creation {
    /// Where it will be.
    pub address: Address,
    /// What to send to the deployer.
    pub input: Bytes,
}
