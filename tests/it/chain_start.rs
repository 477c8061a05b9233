//! What the engine does at its start, and when another process has its lane.

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::U256;
use alloy::signers::local::PrivateKeySigner;
use diolkos::chain::{Chain, ChainSettings};
use diolkos::dev::anvil::{Anvil, AnvilOptions};
use diolkos::dev::contracts;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::harness::engine::{TestEngine, stranger};
use crate::harness::outsider::ask;
use crate::harness::rpc_proxy::Fault;
use crate::harness::until;

/// Why an engine with these settings cannot work.
async fn refusal(engine: &TestEngine, settings: ChainSettings) -> String {
    let chain = Chain::new(engine.db.clone(), settings);
    let work = chain.work(CancellationToken::new());
    tokio::time::timeout(Duration::from_secs(20), work).await.unwrap().unwrap_err().to_string()
}

#[tokio::test]
async fn the_treasury_is_delegated_once_and_needs_no_native_coin() {
    let mut engine = TestEngine::start().await;
    until("the treasury is delegated", || async { engine.chain.treasury_is_delegated().await.unwrap().then_some(()) })
        .await;
    engine.kill().await;
    engine.run().await;
    let operations = engine.pay(&[(stranger(), 1)]).await;
    engine.ended(&operations).await;
    let mut sql = engine.sql().await;
    let delegations: i64 =
        sqlx::query_scalar("select count(*) from bundle where purpose = 'delegate'").fetch_one(&mut sql).await.unwrap();
    assert_eq!(delegations, 1);
    assert!(engine.rpc().balance(engine.chain.treasury()).await.unwrap().is_zero());
}

/// What is new is not tried before it goes; what comes back from a bundle that reverted is, and tells what is wrong.
#[tokio::test]
async fn a_treasury_that_loses_its_code_is_delegated_again_and_pays_once() {
    let engine = TestEngine::start().await;
    let first = engine.pay(&[(stranger(), 1)]).await;
    assert_eq!(engine.ended(&first).await, ["succeeded"]);
    ask(&engine.proxy.target, "anvil_setCode", json!([engine.chain.treasury(), "0x"])).await;

    let jane = stranger();
    let operations = engine.pay(&[(jane, 5)]).await;

    assert_eq!(engine.ended(&operations).await, ["succeeded"]);
    assert_eq!(engine.transfers_to(jane).await, [5]);
    assert!(engine.chain.treasury_is_delegated().await.unwrap());
}

#[tokio::test]
async fn an_rpc_that_serves_another_chain_is_refused() {
    let engine = TestEngine::stopped(|_| {}).await;
    engine.proxy.next(usize::MAX, "eth_chainId", Fault::Answer(json!("0x1")));
    assert_eq!(refusal(&engine, engine.settings.clone()).await, "the RPC endpoint serves chain 1, not chain 137");
}

#[tokio::test]
async fn a_chain_without_the_contracts_is_refused() {
    let engine = TestEngine::stopped(|_| {}).await;
    let nowhere = stranger();
    let settings = ChainSettings { treasury_implementation: nowhere, ..engine.settings.clone() };
    assert_eq!(refusal(&engine, settings).await, format!("chain 137 has no Simple7702Account at {nowhere}"));
}

#[tokio::test]
async fn a_chain_that_does_not_know_eip_7702_is_refused() {
    let hardfork = Some("cancun".to_owned());
    let anvil = Anvil::start(AnvilOptions { block_time: 0.2, hardfork, ..Default::default() }).await.unwrap();
    contracts::deploy(&anvil.url()).await.unwrap();
    let engine = TestEngine::stopped(|_| {}).await;
    let lane = PrivateKeySigner::random();
    contracts::give_native(&anvil.url(), lane.address(), U256::from(10).pow(U256::from(20))).await.unwrap();
    let settings = ChainSettings {
        rpc_urls: vec![anvil.url().parse().unwrap()],
        lanes: vec![Arc::new(lane)],
        ..engine.settings.clone()
    };
    assert_eq!(
        refusal(&engine, settings).await,
        "chain 137 does not know EIP-7702: the treasury cannot be delegated to its account code there"
    );
    anvil.stop().await.unwrap();
}

#[tokio::test]
async fn of_two_processes_one_holds_the_lane_and_the_other_takes_over_when_it_dies() {
    let mut first = TestEngine::start().await;
    let second = Chain::new(first.db.clone(), first.settings.clone());
    let stop = CancellationToken::new();
    let task = tokio::spawn(second.work(stop.clone()));
    let jane = stranger();
    let operations = first.pay(&[(jane, 4)]).await;
    assert_eq!(first.ended(&operations).await, ["succeeded"]);

    first.kill().await;
    let john = stranger();
    let operations = first.pay(&[(john, 5)]).await;

    assert_eq!(first.ended(&operations).await, ["succeeded"]);
    assert_eq!(first.transfers_to(jane).await, [4]);
    assert_eq!(first.transfers_to(john).await, [5]);
    stop.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn fault_4_a_process_that_was_fenced_stores_and_sends_nothing() {
    let engine = TestEngine::start().await;
    let warm = engine.pay(&[(stranger(), 1)]).await;
    engine.ended(&warm).await;
    engine.lane_at_rest().await;
    let mut sql = engine.sql().await;
    // Another process takes the lane over, and this one does not know.
    let rival =
        "update lane set holder = gen_random_uuid(), fence = fence + 1, lease_until = now() + interval '3.5 seconds'";
    sqlx::query(rival).execute(&mut sql).await.unwrap();
    let bundles = "select count(*) from bundle";
    let before: i64 = sqlx::query_scalar(bundles).fetch_one(&mut sql).await.unwrap();
    let sent = engine.proxy.calls("eth_sendRawTransaction").len();
    let jane = stranger();
    let operations = engine.pay(&[(jane, 2)]).await;
    let head = engine.rpc().head().await.unwrap().number;
    until("eight blocks have gone by", || async {
        (engine.rpc().head().await.unwrap().number >= head + 8).then_some(())
    })
    .await;

    let after: i64 = sqlx::query_scalar(bundles).fetch_one(&mut sql).await.unwrap();
    assert_eq!((after, engine.proxy.calls("eth_sendRawTransaction").len()), (before, sent));
    assert_eq!(engine.state(operations[0]).await.0, "waiting");

    sqlx::query("update lane set lease_until = now()").execute(&mut sql).await.unwrap();
    assert_eq!(engine.ended(&operations).await, ["succeeded"]);
    assert_eq!(engine.transfers_to(jane).await, [2]);
}
