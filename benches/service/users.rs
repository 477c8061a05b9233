//! Customers' own payments, each a user operation of its own wallet: through our lanes, and through a bundler.

use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::Provider;
use alloy::rpc::types::Filter;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{SolCall, SolEvent};
use anyhow::{Context, ensure};
use diolkos::chain::contracts::IBatchAccount::executeBatchCall;
use diolkos::chain::contracts::IEntryPoint::UserOperationEvent;
use diolkos::chain::contracts::{Call, IERC20};
use diolkos::chain::entry_point::{self, ENTRY_POINT, UserOperation};
use futures::stream::{self, StreamExt};
use reqwest::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::Bench;
use super::alto::Alto;
use super::chain::{Chain, POLYGON_BLOCK};
use super::queue::{Queue, Work};
use super::request::{PHONE, Request};
use super::singles::Singles;
use super::table::{Row, Target, per_second};
use super::tenant::ask;

/// Transfers between wallets through four lanes, against the same operations through Alto with four executors.
pub async fn payments(bench: &Bench) -> anyhow::Result<Row> {
    let count: u64 = if bench.quick { 100 } else { 1_000 };
    let chain = Chain::start(POLYGON_BLOCK).await?;
    let mut queue = Queue::open(bench, chain, count + 1, |usual| usual).await?;
    Singles::sign(&queue.chain, &queue.wallets).await?.at_once(&queue.chain, POLYGON_BLOCK).await?;
    let payee = payee(&queue, count).await?;
    let mut transfers = transfers(&queue, count, payee);
    // The first payment of a wallet deploys it; that is not what is compared.
    queue.settle(&mut transfers, count).await?;
    let ours = queue.settle(&mut transfers, count).await?;
    let theirs = through_alto(bench, &queue, payee).await?;
    queue.close(bench).await?;
    let rate = |Executed { count, took }| {
        let rate = count as f64 / took.as_secs_f64();
        (rate, format!("{}, {count} in {:.1} s", per_second(rate), took.as_secs_f64()))
    };
    let ours = Executed { count: usize::try_from(count)?, took: ours };
    let (baseline, words) = rate(theirs);
    let baseline = (baseline, format!("{words}, Alto with {EXECUTORS} executors"));
    Ok(Row::ratio("user operations/s, transfers between wallets", rate(ours), baseline, Target::AtLeast(3.0)))
}

/// As many as we have lanes.
const EXECUTORS: usize = 4;

/// The last customer, whom all others pay.
async fn payee(queue: &Queue, number: u64) -> anyhow::Result<Address> {
    let url = format!("http://{}/v1/users/provision", queue.api.address);
    let body = json!({"phone_number": format!("+22507{number:08}")});
    let client = Client::builder().no_proxy().build()?;
    let known = ask(client.post(url).header("x-api-key", &queue.tenant.key).json(&body), 200).await?;
    Ok(known["wallet_address"].as_str().context("no address")?.parse()?)
}

fn transfers(queue: &Queue, count: u64, payee: Address) -> Work {
    let body = json!({
        "sender_phone": format!("+22507{PHONE}"),
        "recipient_phone": format!("+22507{count:08}"),
        "quote_id": "DIRECT_CRYPTO:USDC:0.000001",
    });
    let request = Request::post("/v1/transfers/send", &queue.tenant.key, &body.to_string(), count);
    Work::new(request, "transfer", Filter::new().address(queue.chain.contracts.usdc).topic2(payee))
}

/// The same transfers as user operations that are signed beforehand and handed to Alto many at a time; the time from
/// right after a block until the last is executed that Alto does execute: it may refuse or drop some. The wallets pay Alto
/// from native coin of their own.
async fn through_alto(bench: &Bench, queue: &Queue, payee: Address) -> anyhow::Result<Executed> {
    let chain = &queue.chain;
    let alto = Alto::start(&chain.url(), Duration::from_secs(1), EXECUTORS, &bench.log("alto")).await?;
    let bundler = Bundler { client: Client::builder().no_proxy().build()?, url: alto.url.clone() };
    let senders: Vec<Address> = queue.wallets.iter().copied().filter(|wallet| *wallet != payee).collect();
    for sender in &senders {
        chain.give_native(*sender).await?;
    }
    let first = *senders.first().context("no wallets")?;
    let unpriced = sign(transfer(first, chain.contracts.usdc, payee), &chain.wallet_owner)?;
    let like = bundler.priced(unpriced).await?;
    let signed: Vec<UserOperation> = senders
        .iter()
        .map(|sender| {
            sign(UserOperation { sender: *sender, nonce: fresh_nonce(), ..like.clone() }, &chain.wallet_owner)
        })
        .collect::<anyhow::Result<_>>()?;

    chain.next_block().await?;
    let (started, before) = (Instant::now(), chain.provider.get_block_number().await?);
    let refused: usize = stream::iter(&signed)
        .map(|op| async { bundler.send(op).await.inspect_err(|why| eprintln!("{why}")).is_err() })
        .buffer_unordered(32)
        .fold(0, |sum, is_refused| async move { sum + usize::from(is_refused) })
        .await;
    let executed = Filter::new().address(ENTRY_POINT).event_signature(UserOperationEvent::SIGNATURE_HASH);
    let executed = executed.from_block(before + 1);
    let (mut count, mut took) = (0, Duration::ZERO);
    while count + refused < signed.len() && started.elapsed() < took + RESIGNED {
        let logs = chain.provider.get_logs(&executed).await?;
        if logs.len() > count {
            (count, took) = (logs.len(), started.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    alto.stop().await?;
    ensure!(count > 0, "Alto has executed nothing");
    Ok(Executed { count, took })
}

/// When Alto has executed nothing more for so long, it has dropped the rest.
const RESIGNED: Duration = Duration::from_secs(30);

/// How many user operations were executed, and how long that took.
struct Executed {
    count: usize,
    took: Duration,
}

fn fresh_nonce() -> U256 {
    entry_point::nonce(entry_point::nonce_key(Uuid::now_v7()))
}

/// A transfer of one base unit, without gas and fees.
fn transfer(sender: Address, token: Address, to: Address) -> UserOperation {
    let data = IERC20::transferCall { to, value: U256::from(1) }.abi_encode().into();
    UserOperation {
        sender,
        nonce: fresh_nonce(),
        factory: None,
        factory_data: None,
        call_data: executeBatchCall { calls: vec![Call { target: token, value: U256::ZERO, data }] }
            .abi_encode()
            .into(),
        call_gas_limit: 0,
        verification_gas_limit: 0,
        pre_verification_gas: 0,
        max_fee_per_gas: 0,
        max_priority_fee_per_gas: 0,
        paymaster: None,
        signature: Bytes::new(),
    }
}

fn sign(op: UserOperation, owner: &PrivateKeySigner) -> anyhow::Result<UserOperation> {
    let hash: B256 = entry_point::hash(&op.pack(), ENTRY_POINT, 137);
    Ok(UserOperation { signature: owner.sign_hash_sync(&hash)?.as_bytes().to_vec().into(), ..op })
}

/// Gas limits as the bundler estimates them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Estimate {
    #[serde(with = "alloy::serde::quantity")]
    pre_verification_gas: u64,
    #[serde(with = "alloy::serde::quantity")]
    verification_gas_limit: u64,
    #[serde(with = "alloy::serde::quantity")]
    call_gas_limit: u64,
}

struct Bundler {
    client: Client,
    url: String,
}

impl Bundler {
    /// The same with the gas and twice the fees that the bundler names.
    async fn priced(&self, op: UserOperation) -> anyhow::Result<UserOperation> {
        let prices: Value = self.call("pimlico_getUserOperationGasPrice", json!([])).await?;
        let price = |name: &str| {
            let text = prices["fast"][name].as_str().context("no price")?;
            anyhow::Ok(2 * u128::from_str_radix(text.trim_start_matches("0x"), 16)?)
        };
        let op = UserOperation {
            max_fee_per_gas: price("maxFeePerGas")?,
            max_priority_fee_per_gas: price("maxPriorityFeePerGas")?,
            ..op
        };
        let gas: Estimate = self.call("eth_estimateUserOperationGas", json!([op, ENTRY_POINT])).await?;
        Ok(UserOperation {
            call_gas_limit: gas.call_gas_limit,
            verification_gas_limit: gas.verification_gas_limit,
            pre_verification_gas: gas.pre_verification_gas,
            ..op
        })
    }

    async fn send(&self, op: &UserOperation) -> anyhow::Result<()> {
        self.call::<B256>("eth_sendUserOperation", json!([op, ENTRY_POINT])).await?;
        Ok(())
    }

    async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> anyhow::Result<T> {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer: Value = self.client.post(&self.url).json(&call).send().await?.json().await?;
        ensure!(answer["error"].is_null(), "Alto refuses {method}: {}", answer["error"]);
        Ok(serde_json::from_value(answer["result"].clone())?)
    }
}
