//! FAULT 14: a reorg drops a mined payment before it is final; it arrives all the same, once.

use diolkos::dev::anvil::{Anvil, AnvilOptions};
use diolkos::dev::contracts;
use serde_json::json;

use crate::harness::engine::{Path, TestEngine, paid_from_deposit, stranger};
use crate::harness::rpc_proxy::Fault;
use crate::harness::services::services;
use crate::harness::until;
use crate::on_paths;

/// Replaces the newest `depth` blocks by empty ones.
async fn reorg(rpc_url: &str, depth: u64) {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "anvil_reorg", "params": [depth, []]});
    let answer = reqwest::Client::new().post(rpc_url).json(&call).send().await.unwrap();
    let answer: serde_json::Value = answer.json().await.unwrap();
    assert!(answer.get("error").is_none(), "{answer}");
}

/// The state of the user operation that an operation belongs to, once it does.
async fn user_op_state(engine: &TestEngine, operation: uuid::Uuid) -> Option<String> {
    let mut sql = engine.sql().await;
    let query = "select u.state from user_op u join chain_op o on o.user_op_id = u.id where o.id = $1";
    sqlx::query_scalar(query).bind(operation).fetch_optional(&mut sql).await.unwrap()
}

on_paths!([by_lanes = Lanes, by_bundler = Deposit] [
    fault_14_a_payment_that_a_reorg_drops_is_carried_again_and_arrives_once,
]);

async fn fault_14_a_payment_that_a_reorg_drops_is_carried_again_and_arrives_once(path: Path) {
    let options = AnvilOptions { block_time: 0.3, past_states: 200, ..Default::default() };
    let anvil = Anvil::start(options).await.unwrap();
    contracts::deploy(&anvil.url()).await.unwrap();
    let alto = match path {
        Path::Lanes => None,
        Path::Sponsored | Path::Deposit => Some(services().another_alto_on(&anvil.url(), "alto-reorg").await),
    };
    let mut engine = TestEngine::on(&anvil.url(), |settings| {
        settings.confirmations = 10;
        settings.bundler = alto.as_ref().map(|alto| paid_from_deposit(&alto.url));
    })
    .await;
    engine.run().await;
    until("the treasury is delegated", || async { engine.chain.treasury_is_delegated().await.unwrap().then_some(()) })
        .await;
    for depth in [2, 5] {
        let jane = stranger();
        let operations = engine.pay(&[(jane, 3_000_000)]).await;
        until("the payment is in a block", || async {
            (user_op_state(&engine, operations[0]).await? == "mined").then_some(())
        })
        .await;
        assert_eq!(engine.state(operations[0]).await.0, "submitted", "not final yet");

        reorg(&anvil.url(), depth).await;

        assert_eq!(engine.ended(&operations).await, ["succeeded"]);
        assert_eq!(engine.transfers_to(jane).await, [3_000_000], "depth {depth}");
        assert_eq!(engine.holds(jane).await, 3_000_000);
    }
    engine.lane_at_rest().await;
    engine.kill().await;
    anvil.stop().await.unwrap();
}

/// How an operation stands: state, block, and why it could not be made again after a reorg.
async fn told(engine: &TestEngine, operation: uuid::Uuid) -> (String, Option<i64>, Option<String>) {
    let query = "select state, block_number, undone from chain_op where id = $1";
    sqlx::query_as(query).bind(operation).fetch_one(&mut engine.sql().await).await.unwrap()
}

#[tokio::test]
async fn fault_14_a_reorg_deeper_than_the_confirmations_undoes_no_state_and_the_payment_arrives_again_once() {
    let options = AnvilOptions { block_time: 0.3, past_states: 200, ..Default::default() };
    let anvil = Anvil::start(options).await.unwrap();
    contracts::deploy(&anvil.url()).await.unwrap();
    let mut engine = TestEngine::on(&anvil.url(), |settings| settings.confirmations = 1).await;
    engine.run().await;
    let warm = engine.pay(&[(stranger(), 1)]).await;
    engine.ended(&warm).await;
    for depth in [3, 6, 10] {
        let jane = stranger();
        let operations = engine.pay(&[(jane, 3_000_000)]).await;
        assert_eq!(engine.ended(&operations).await, ["succeeded"]);
        let before = told(&engine, operations[0]).await;

        reorg(&anvil.url(), depth).await;

        until("it is final once more, in another block", || async {
            let now = told(&engine, operations[0]).await;
            assert_eq!(now.0, "succeeded", "what was told as final stays");
            (now.1 > before.1).then_some(())
        })
        .await;
        assert_eq!(engine.transfers_to(jane).await, [3_000_000], "depth {depth}");
    }

    // The chain will not have it again.
    let (jane, john) = (stranger(), stranger());
    let operations = engine.pay(&[(jane, 5), (john, 6)]).await;
    assert_eq!(engine.ended(&operations).await, ["succeeded", "succeeded"]);
    engine.proxy.next(usize::MAX, "eth_sendRawTransaction", Fault::Refuse(-32000, "txpool is full"));
    contracts::blacklist(&anvil.url(), engine.services.contracts.usdc, jane).await.unwrap();
    reorg(&anvil.url(), 8).await;
    contracts::blacklist(&anvil.url(), engine.services.contracts.usdc, jane).await.unwrap();
    engine.proxy.heal();
    until("an operator hears of it", || async { told(&engine, operations[0]).await.2 }).await;
    assert_eq!(told(&engine, operations[0]).await.0, "succeeded", "what was told as final stays");
    until("its neighbour arrives", || async { (engine.holds(john).await == 6).then_some(()) }).await;
    assert_eq!(told(&engine, operations[1]).await.2, None);
    assert_eq!((engine.transfers_to(jane).await, engine.transfers_to(john).await), (vec![], vec![6]));
    engine.kill().await;
    anvil.stop().await.unwrap();
}
