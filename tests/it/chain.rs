//! The chain engine: an operation accepted once happens on chain exactly once.

use alloy::primitives::Address;

use crate::harness::engine::{TestEngine, stranger};

#[tokio::test]
async fn a_payment_arrives_once_and_its_transfer_comes_from_the_treasury() {
    let engine = TestEngine::start().await;
    let jane = stranger();

    let operations = engine.pay(&[(jane, 19_620_000)]).await;

    assert_eq!(engine.ended(&operations).await, ["succeeded"]);
    assert_eq!(engine.transfers_to(jane).await, [19_620_000]);
    assert_eq!(engine.rpc().balance(engine.chain.treasury()).await.unwrap().to::<u128>(), 0);
    engine.lane_at_rest().await;
}

#[tokio::test]
async fn payments_that_wait_together_ride_in_one_user_operation() {
    let mut engine = TestEngine::stopped(|_| {}).await;
    let recipients: Vec<Address> = (0..60).map(|_| stranger()).collect();
    let payments: Vec<(Address, u64)> = recipients.iter().zip(1_u64..).map(|(to, n)| (*to, n)).collect();
    let operations = engine.pay(&payments).await;

    engine.run().await;

    assert!(engine.ended(&operations).await.iter().all(|state| state == "succeeded"));
    for (recipient, amount) in payments {
        assert_eq!(engine.transfers_to(recipient).await, [amount]);
    }
    let mut sql = engine.sql().await;
    let user_ops: i64 = sqlx::query_scalar("select count(*) from user_op").fetch_one(&mut sql).await.unwrap();
    assert_eq!(user_ops, 1);
}
