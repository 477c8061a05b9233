//! A chain of a row's own: anvil with a block a second, the contracts, and keys that hold something there.

use std::time::Duration;

use alloy::primitives::{Address, U64, U256};
use alloy::providers::{Provider, ProviderBuilder, RootProvider};
use alloy::signers::local::PrivateKeySigner;
use anyhow::Context;
use diolkos::dev::anvil::{Anvil, AnvilOptions};
use diolkos::dev::contracts::{self, Contracts};

/// Gas of a block.
pub const ETHEREUM_BLOCK: u64 = 30_000_000;
/// Gas of Polygon's blocks in 2026.
pub const POLYGON_BLOCK: u64 = 140_000_000;

/// A running chain.
pub struct Chain {
    anvil: Anvil,
    pub contracts: Contracts,
    pub provider: RootProvider,
    pub treasury: PrivateKeySigner,
    pub lanes: Vec<PrivateKeySigner>,
    pub wallet_owner: PrivateKeySigner,
}

/// Lanes of every server.
const LANES: usize = 4;

impl Chain {
    /// Starts one with blocks of so much gas, on which the treasury holds a billion USDC.
    pub async fn start(block_gas: u64) -> anyhow::Result<Self> {
        let anvil = Anvil::start(AnvilOptions::default()).await?;
        let provider = ProviderBuilder::default().connect_http(anvil.url().parse()?);
        let chain = Self {
            contracts: contracts::deploy(&anvil.url()).await?,
            anvil,
            provider,
            treasury: PrivateKeySigner::random(),
            lanes: (0..LANES).map(|_| PrivateKeySigner::random()).collect(),
            wallet_owner: PrivateKeySigner::random(),
        };
        for lane in &chain.lanes {
            chain.give_native(lane.address()).await?;
        }
        chain.mint(chain.treasury.address(), 1_000_000_000_000_000).await?;
        chain.set_block_gas(block_gas).await?;
        Ok(chain)
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        self.anvil.url()
    }

    /// Changes the gas of the blocks to come.
    pub async fn set_block_gas(&self, gas: u64) -> anyhow::Result<()> {
        let limit = (U64::from(gas),);
        let set: bool = self.provider.raw_request("evm_setBlockGasLimit".into(), limit).await.context("gas limit")?;
        anyhow::ensure!(set, "anvil does not set the gas of blocks");
        Ok(())
    }

    /// Gives an account more native coin than it will ever need.
    pub async fn give_native(&self, to: Address) -> anyhow::Result<()> {
        contracts::give_native(&self.url(), to, U256::from(10).pow(U256::from(24))).await
    }

    /// Gives an account base units of USDC.
    pub async fn mint(&self, to: Address, amount: u64) -> anyhow::Result<()> {
        contracts::mint(&self.url(), self.contracts.usdc, to, U256::from(amount)).await
    }

    /// Waits for a new block, so that what follows has a whole interval before it.
    pub async fn next_block(&self) -> anyhow::Result<()> {
        let before = self.provider.get_block_number().await?;
        while self.provider.get_block_number().await? == before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Ends it.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.anvil.stop().await
    }
}
