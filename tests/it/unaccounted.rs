//! Nodes that say of a user operation that its nonce is used, and not where.

use diolkos::dev::anvil::{Anvil, AnvilOptions};
use diolkos::dev::contracts;
use serde_json::json;

use crate::harness::engine::{TestEngine, stranger};
use crate::harness::rpc_proxy::Fault;
use crate::harness::until;

#[tokio::test]
async fn a_used_nonce_whose_block_no_node_has_is_told_and_the_payment_ends_once_one_has() {
    let anvil = Anvil::start(AnvilOptions { block_time: 0.3, ..Default::default() }).await.unwrap();
    contracts::deploy(&anvil.url()).await.unwrap();
    let mut engine = TestEngine::on(&anvil.url(), |_| {}).await;
    engine.run().await;
    let warm = engine.pay(&[(stranger(), 1)]).await;
    engine.ended(&warm).await;
    for (method, nothing) in [("eth_getBlockReceipts", json!([])), ("eth_getLogs", json!([]))] {
        engine.proxy.next(usize::MAX, method, Fault::Answer(nothing));
    }

    let jane = stranger();
    let operations = engine.pay(&[(jane, 5)]).await;
    until("the payment is on chain", || async { (engine.holds(jane).await == 5).then_some(()) }).await;
    let mine = json!({"jsonrpc": "2.0", "id": 1, "method": "anvil_mine", "params": [80]});
    reqwest::Client::new().post(anvil.url()).json(&mine).send().await.unwrap();

    until("it is said that no node has the block", || async {
        let query = "select u.failure from user_op u join chain_op o on o.user_op_id = u.id where o.id = $1";
        let failure: Option<String> =
            sqlx::query_scalar(query).bind(operations[0]).fetch_one(&mut engine.sql().await).await.unwrap();
        failure?.contains("no node has the block").then_some(())
    })
    .await;
    assert_eq!(engine.state(operations[0]).await.0, "submitted", "nobody is told anything");
    engine.proxy.heal();
    assert_eq!(engine.ended(&operations).await, ["succeeded"]);
    assert_eq!(engine.transfers_to(jane).await, [5]);
    engine.kill().await;
    anvil.stop().await.unwrap();
}
