//! What lanes really spend: the receipts of their transactions, once these are final.

use std::time::Duration;

use alloy::consensus::{Transaction, TxEnvelope};
use alloy::eips::Decodable2718;
use alloy::primitives::{B256, U256};
use alloy::rpc::types::TransactionReceipt;
use futures_util::StreamExt;
use futures_util::stream;
use tokio_util::sync::CancellationToken;

use super::Chain;
use super::engine::Result;
use super::store::{self, Uncosted};
use crate::foundation::Amount;

/// How often it is looked for transactions that have become final.
const EVERY: Duration = Duration::from_secs(2);

/// Transactions that are looked up in one go, and at once.
const AT_MOST: i64 = 200;
const AT_ONCE: usize = 4;

/// A transaction that is in no block this long after its nonce was passed was never mined: another used the nonce.
const GIVEN_UP: u64 = 64;

/// Notes what the lanes' transactions took until told to stop.
pub async fn book_costs(chain: Chain, stop: CancellationToken) {
    loop {
        let pause = match book(&chain).await {
            // There may be more.
            Ok(AT_MOST..) => Duration::ZERO,
            Ok(_) => EVERY,
            Err(error) => {
                tracing::debug!(%error, "what lanes spent cannot be looked up");
                EVERY
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Returns how many were noted.
async fn book(chain: &Chain) -> Result<i64> {
    let bundles = store::uncosted(chain.db(), AT_MOST).await?;
    if bundles.is_empty() {
        return Ok(0);
    }
    let head = chain.rpc().head().await?.number;
    let is_final = |bundle: &Uncosted| bundle.done_block + chain.settings().confirmations <= head;
    let costs: Vec<Result<Option<(B256, Amount)>>> = stream::iter(bundles.into_iter().filter(is_final))
        .map(|bundle| async move { Ok(cost_of(chain, &bundle, head).await?.map(|cost| (bundle.hash, cost))) })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let known: Vec<(B256, Amount)> = costs.into_iter().filter_map(Result::transpose).collect::<Result<_>>()?;
    store::set_costs(chain.db(), &known).await?;
    Ok(i64::try_from(known.len()).unwrap_or(i64::MAX))
}

/// What a transaction took; `None` when that is not known yet.
async fn cost_of(chain: &Chain, bundle: &Uncosted, head: u64) -> Result<Option<Amount>> {
    if bundle.is_overtaken {
        return Ok(Some(Amount::ZERO));
    }
    match chain.rpc().receipt(bundle.hash).await? {
        Some(receipt) => Ok(Some(store::wei(taken(&receipt, bundle)))),
        None if head >= bundle.done_block + GIVEN_UP => Ok(Some(Amount::ZERO)),
        None => Ok(None),
    }
}

/// Gas at the price that was paid for it, and what was moved.
fn taken(receipt: &TransactionReceipt, bundle: &Uncosted) -> U256 {
    let gas = U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price);
    let moved = match TxEnvelope::decode_2718(&mut &bundle.raw[..]) {
        Ok(transaction) if receipt.status() && transaction.to() != Some(receipt.from) => transaction.value(),
        _ => U256::ZERO,
    };
    gas + moved
}
