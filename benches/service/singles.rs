//! The baseline on chain: plain ERC-20 transfers, one a transaction, signed before the clock starts.

use std::time::Duration;

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::Encodable2718;
use alloy::network::TxSignerSync;
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use alloy::providers::Provider;
use alloy::rpc::client::BatchRequest;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use anyhow::{Context, ensure};
use diolkos::chain::contracts::IERC20;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::chain::Chain;

/// Accounts that send; each numbers its own transactions.
const SENDERS: usize = 16;
/// Transactions in one request, which is how anvil takes the most.
const TOGETHER: usize = 100;
/// Gas of a transfer at most, to a fresh recipient too.
const GAS: u64 = 70_000;
/// Base units of USDC in each.
const AMOUNT: u64 = 10;
/// A block in which there is room for everything.
const VAST_BLOCK: u64 = 2_000_000_000;

/// Signed transfers.
pub struct Singles {
    raw: Vec<Bytes>,
    hashes: Vec<B256>,
}

impl Singles {
    /// Signs one to each recipient, from senders that are given what they need.
    pub async fn sign(chain: &Chain, recipients: &[Address]) -> anyhow::Result<Self> {
        let mut singles = Self { raw: Vec::new(), hashes: Vec::new() };
        for share in recipients.chunks(recipients.len().div_ceil(SENDERS).max(1)) {
            let sender = PrivateKeySigner::random();
            chain.give_native(sender.address()).await?;
            // Something is left: a transfer that empties an account is refunded gas.
            chain.mint(sender.address(), AMOUNT * (share.len() as u64 + 1)).await?;
            for (nonce, to) in (0..).zip(share) {
                let signed = transfer(chain.contracts.usdc, *to, nonce, &sender)?;
                singles.hashes.push(*signed.tx_hash());
                singles.raw.push(signed.encoded_2718().into());
            }
        }
        Ok(singles)
    }

    /// Feeds all of them and waits until the last is mined; transactions a second, from right after a block.
    pub async fn rate(&self, chain: &Chain) -> anyhow::Result<f64> {
        chain.next_block().await?;
        let started = Instant::now();
        self.feed(chain).await?;
        self.until_mined(chain).await?;
        Ok(self.raw.len() as f64 / started.elapsed().as_secs_f64())
    }

    /// Brings all of them into a block or two that have room for everything; gas of the last one.
    pub async fn at_once(&self, chain: &Chain, block_gas: u64) -> anyhow::Result<u64> {
        chain.set_block_gas(VAST_BLOCK).await?;
        self.feed(chain).await?;
        self.until_mined(chain).await?;
        chain.set_block_gas(block_gas).await?;
        let last = *self.hashes.last().context("no transfers")?;
        let receipt = chain.provider.get_transaction_receipt(last).await?.context("no receipt")?;
        Ok(receipt.gas_used)
    }

    async fn feed(&self, chain: &Chain) -> anyhow::Result<()> {
        stream::iter(self.raw.chunks(TOGETHER)).map(Ok).try_for_each_concurrent(4, |some| send(chain, some)).await
    }

    async fn until_mined(&self, chain: &Chain) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(300);
        // Of each sender the last is mined last; asking for the few is asking for all.
        let share = self.hashes.len().div_ceil(SENDERS).max(1);
        for last in self.hashes.chunks(share).filter_map(<[B256]>::last) {
            loop {
                if let Some(receipt) = chain.provider.get_transaction_receipt(*last).await? {
                    ensure!(receipt.status(), "a transfer of the baseline reverted");
                    break;
                }
                ensure!(Instant::now() < deadline, "transfers of the baseline are not mined");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }
}

async fn send(chain: &Chain, some: &[Bytes]) -> anyhow::Result<()> {
    let mut batch = BatchRequest::new(chain.provider.client());
    let mut sent = Vec::new();
    for raw in some {
        sent.push(batch.add_call::<_, B256>("eth_sendRawTransaction", &(raw,))?);
    }
    batch.send().await?;
    for hash in sent {
        hash.await?;
    }
    Ok(())
}

fn transfer(token: Address, to: Address, nonce: u64, sender: &PrivateKeySigner) -> anyhow::Result<TxEnvelope> {
    let mut transaction = TxEip1559 {
        chain_id: 137,
        nonce,
        gas_limit: GAS,
        max_fee_per_gas: 100_000_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(token),
        value: U256::ZERO,
        access_list: Default::default(),
        input: IERC20::transferCall { to, value: U256::from(AMOUNT) }.abi_encode().into(),
    };
    let signature = sender.sign_transaction_sync(&mut transaction)?;
    Ok(transaction.into_signed(signature).into())
}
