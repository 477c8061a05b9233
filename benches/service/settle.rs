//! Settling deposits: how many a second reach their wallets for good, and what one costs in gas.

use std::time::Duration;

use alloy::primitives::B256;
use alloy::providers::Provider;
use anyhow::{Context, ensure};

use super::Bench;
use super::chain::{Chain, ETHEREUM_BLOCK, POLYGON_BLOCK};
use super::queue::{Queue, WARM_UP};
use super::server::Configuration;
use super::singles::Singles;
use super::table::{Row, Target, per_second};

/// Payments in the batch whose gas is measured.
const BATCH: u64 = 100;

impl Bench {
    fn queued(&self) -> u64 {
        if self.quick { 2_000 } else { 20_000 }
    }
}

/// Fresh wallets, and then the same ones, which hold some by then; both against single transfers to holders.
pub async fn small_blocks(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let count = bench.queued();
    let chain = Chain::start(ETHEREUM_BLOCK).await?;
    let mut queue = Queue::open(bench, chain, count + WARM_UP, as_singles).await?;
    let mut deposits = queue.deposits();
    queue.warm_up(&mut deposits).await?;
    let fresh = queue.settle(&mut deposits, count).await?;
    let holding = queue.settle(&mut deposits, count).await?;
    let singles = Singles::sign(&queue.chain, &queue.wallets).await?.rate(&queue.chain).await?;
    queue.close(bench).await?;
    Ok(vec![
        row(count, "holding wallets, blocks of 30M gas", holding, singles, Target::AtLeast(3.0)),
        row(count, "fresh wallets, blocks of 30M gas", fresh, singles, Target::AtLeast(1.4)),
    ])
}

/// Wallets that hold some, on Polygon's blocks.
pub async fn large_blocks(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let count = bench.queued();
    let chain = Chain::start(POLYGON_BLOCK).await?;
    let mut queue = Queue::open(bench, chain, count + WARM_UP, as_singles).await?;
    Singles::sign(&queue.chain, &queue.wallets).await?.at_once(&queue.chain, POLYGON_BLOCK).await?;
    let mut deposits = queue.deposits();
    queue.warm_up(&mut deposits).await?;
    let holding = queue.settle(&mut deposits, count).await?;
    let singles = Singles::sign(&queue.chain, &queue.wallets).await?.rate(&queue.chain).await?;
    queue.close(bench).await?;
    Ok(vec![row(count, "holding wallets, blocks of 140M gas", holding, singles, Target::AtLeast(2.0))])
}

/// A single transfer counts as soon as it is in a block, and so do ours.
fn as_singles(usual: Configuration) -> Configuration {
    usual.with("CONFIRMATIONS", 0)
}

fn row(count: u64, what: &str, took: Duration, singles: f64, target: Target) -> Row {
    let rate = count as f64 / took.as_secs_f64();
    let ours = (rate, format!("{}, {count} in {:.1} s", per_second(rate), took.as_secs_f64()));
    Row::ratio(
        &format!("settled transfers/s to {what}, CONFIRMATIONS=0"),
        ours,
        (singles, format!("{}, single transfers to holders", per_second(singles))),
        target,
    )
}

/// Gas a transfer of a batch of 100, to fresh wallets and then to the same ones.
pub async fn gas(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let chain = Chain::start(POLYGON_BLOCK).await?;
    let mut queue = Queue::open(bench, chain, BATCH + WARM_UP, |usual| usual.with("BATCH_LIMIT", BATCH)).await?;
    let mut deposits = queue.deposits();
    queue.warm_up(&mut deposits).await?;
    queue.settle(&mut deposits, BATCH).await?;
    let fresh = gas_of_newest(&mut queue).await?;
    // The next hundred go to the wallets of the warm-up.
    queue.settle(&mut deposits, BATCH).await?;
    let holding = gas_of_newest(&mut queue).await?;
    let strangers: Vec<_> = (0..2).map(|_| alloy::signers::local::PrivateKeySigner::random().address()).collect();
    let single_fresh = Singles::sign(&queue.chain, &strangers).await?.at_once(&queue.chain, POLYGON_BLOCK).await?;
    let single_holding = Singles::sign(&queue.chain, &strangers).await?.at_once(&queue.chain, POLYGON_BLOCK).await?;
    queue.close(bench).await?;
    Ok(vec![
        gas_row("holding", holding, single_holding, Target::AtMost(0.32)),
        gas_row("fresh", fresh, single_fresh, Target::AtMost(0.52)),
    ])
}

fn gas_row(what: &str, batch: u64, single: u64, target: Target) -> Row {
    let each = batch / BATCH;
    Row::ratio(
        &format!("gas a transfer in a batch of {BATCH}, {what}"),
        (each as f64, format!("{each}")),
        (single as f64, format!("{single}, one transfer in a transaction")),
        target,
    )
}

/// Gas of the one transaction that carried the newest hundred deposits.
async fn gas_of_newest(queue: &mut Queue) -> anyhow::Result<u64> {
    let hashes: Vec<Vec<u8>> = sqlx::query_scalar("select tx_hash from deposit order by id desc limit $1")
        .bind(BATCH as i64)
        .fetch_all(&mut queue.sql)
        .await?;
    let first = hashes.first().context("no deposits")?;
    ensure!(hashes.iter().all(|hash| hash == first), "the hundred did not go in one transaction");
    let receipt = queue.chain.provider.get_transaction_receipt(B256::from_slice(first)).await?;
    Ok(receipt.context("no receipt")?.gas_used)
}
