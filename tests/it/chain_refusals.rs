//! Refusals that must not wedge the engine: of the delegation, with words no database can hold, of one payment only.

use crate::harness::engine::{TestEngine, stranger};
use crate::harness::rpc_proxy::Fault;

const SEND: &str = "eth_sendRawTransaction";

#[tokio::test]
async fn a_delegation_that_a_node_refuses_for_good_is_made_again() {
    let mut engine = TestEngine::stopped(|_| {}).await;
    engine.proxy.next(1, SEND, Fault::Refuse(-32000, "invalid chain id for signer"));
    let jane = stranger();
    let operations = engine.pay(&[(jane, 3)]).await;
    engine.run().await;
    assert_eq!(engine.ended(&operations).await, ["succeeded"]);
    assert_eq!(engine.transfers_to(jane).await, [3]);
    engine.lane_at_rest().await;
}

#[tokio::test]
async fn a_refusal_with_a_nul_in_it_is_noted_and_the_lane_goes_on() {
    let engine = TestEngine::start().await;
    let warm = engine.pay(&[(stranger(), 1)]).await;
    engine.ended(&warm).await;
    engine.proxy.next(1, SEND, Fault::Refuse(-32000, "bytes32 reason\0\0\0"));
    let jane = stranger();
    let operations = engine.pay(&[(jane, 4)]).await;
    assert_eq!(engine.ended(&operations).await, ["succeeded"]);
    assert_eq!(engine.transfers_to(jane).await, [4]);
}

#[tokio::test]
async fn a_payment_that_cannot_be_looked_into_keeps_no_other_waiting() {
    let engine = TestEngine::start().await;
    let warm = engine.pay(&[(stranger(), 1)]).await;
    engine.ended(&warm).await;
    // What its calls take is known; that they succeed is tried.
    engine.proxy.next(1, "eth_call", Fault::Garbage);
    let (jane, john) = (stranger(), stranger());
    let held = engine.pay(&[(jane, 5)]).await;
    crate::harness::until("the first payment is held back", || async {
        let mut sql = engine.sql().await;
        let query = "select count(*) from user_op where held_until > now()";
        let count: i64 = sqlx::query_scalar(query).fetch_one(&mut sql).await.unwrap();
        (count == 1).then_some(())
    })
    .await;
    let next = engine.pay(&[(john, 6)]).await;
    assert_eq!(engine.ended(&next).await, ["succeeded"]);
    assert_eq!(engine.ended(&held).await, ["succeeded"]);
    assert_eq!((engine.transfers_to(jane).await, engine.transfers_to(john).await), (vec![5], vec![6]));
}
