//! Customers' wallets pay: deployed by their first user operation, in bundles with the treasury's and each other's.

use alloy::primitives::Address;
use diolkos::chain::{Payer, SmartWallet};

use crate::harness::engine::{TestEngine, stranger};

async fn is_deployed(engine: &TestEngine, wallet: SmartWallet) -> bool {
    !engine.rpc().code(wallet.address()).await.unwrap().is_empty()
}

#[tokio::test]
async fn a_wallet_is_deployed_by_its_first_payment_and_pays_again_afterwards() {
    let engine = TestEngine::start().await;
    let jane = engine.wallet(10_000_000).await;
    let shop = stranger();

    let first = engine.pay_from(Payer::Wallet(jane), &[(shop, 4_000_000)]).await;
    assert_eq!(engine.ended(&first).await, ["succeeded"]);
    assert!(is_deployed(&engine, jane).await);
    let second = engine.pay_from(Payer::Wallet(jane), &[(shop, 5_000_000)]).await;
    assert_eq!(engine.ended(&second).await, ["succeeded"]);

    assert_eq!(engine.holds(shop).await, 9_000_000);
    assert_eq!(engine.holds(jane.address()).await, 1_000_000);
    let mut sql = engine.sql().await;
    let deploying: i64 =
        sqlx::query_scalar("select count(*) from user_op_version where deploys").fetch_one(&mut sql).await.unwrap();
    assert_eq!(deploying, 1);
    engine.lane_at_rest().await;
}

#[tokio::test]
async fn two_payments_of_a_wallet_that_is_not_deployed_both_arrive() {
    let engine = TestEngine::start().await;
    let jane = engine.wallet(10_000_000).await;
    let (shop, bank) = (stranger(), stranger());
    let mut operations = engine.pay_from(Payer::Wallet(jane), &[(shop, 4_000_000)]).await;
    operations.extend(engine.pay_from(Payer::Wallet(jane), &[(bank, 5_000_000)]).await);
    assert_eq!(engine.ended(&operations).await, ["succeeded", "succeeded"]);
    assert_eq!((engine.holds(shop).await, engine.holds(bank).await), (4_000_000, 5_000_000));
}

#[tokio::test]
async fn fault_17_a_wallet_deployed_meanwhile_by_someone_else_keeps_its_nonce_and_pays_once() {
    let mut engine = TestEngine::start().await;
    let jane = engine.wallet(10_000_000).await;
    let (shop, bank) = (stranger(), stranger());
    let first = engine.pay_from(Payer::Wallet(jane), &[(shop, 1_000_000)]).await;
    // Signed with init code and stored, but no node takes it.
    engine.proxy.next(
        usize::MAX,
        "eth_sendRawTransaction",
        crate::harness::rpc_proxy::Fault::Refuse(-32000, "txpool is full"),
    );
    crate::harness::until("the wallet's user operation is signed", || async {
        let mut sql = engine.sql().await;
        let signed: i64 =
            sqlx::query_scalar("select count(*) from user_op_version where deploys").fetch_one(&mut sql).await.unwrap();
        (signed > 0).then_some(())
    })
    .await;
    engine.kill().await;
    // A stranger executes the very user operation, and the wallet is there.
    let mut sql = engine.sql().await;
    engine.carry_as_stranger().await;
    // Meanwhile another payment was signed with init code by an engine that did not see it coming.
    let second = engine.pay_from(Payer::Wallet(jane), &[(bank, 2_000_000)]).await;
    engine.proxy.heal();
    engine.run().await;

    assert_eq!(engine.ended(&first).await, ["succeeded"]);
    assert_eq!(engine.ended(&second).await, ["succeeded"]);
    assert_eq!((engine.holds(shop).await, engine.holds(bank).await), (1_000_000, 2_000_000));
    let versions: i64 = sqlx::query_scalar("select count(distinct hash) from user_op_version where deploys")
        .fetch_one(&mut sql)
        .await
        .unwrap();
    assert_eq!(versions, 1);
    engine.lane_at_rest().await;
}

#[tokio::test]
async fn a_payment_beyond_what_a_wallet_holds_fails_alone_and_takes_nothing() {
    let engine = TestEngine::start().await;
    let (jane, john) = (engine.wallet(1_000_000).await, engine.wallet(1_000_000).await);
    let shop = stranger();
    let mut operations = engine.pay_from(Payer::Wallet(jane), &[(shop, 2_000_000)]).await;
    operations.extend(engine.pay_from(Payer::Wallet(john), &[(shop, 600_000)]).await);
    assert_eq!(engine.ended(&operations).await, ["failed", "succeeded"]);
    assert_eq!(engine.state(operations[0]).await.1.as_deref(), Some("ERC20: transfer amount exceeds balance"));
    assert_eq!(engine.holds(jane.address()).await, 1_000_000);
    assert_eq!(engine.holds(shop).await, 600_000);
}

#[tokio::test]
async fn treasury_and_wallets_share_bundles_and_each_payment_arrives_once() {
    let mut engine = TestEngine::stopped(|settings| settings.in_flight = 1).await;
    let mut operations = Vec::new();
    let mut expected: Vec<(Address, u64)> = Vec::new();
    for amount in 1..=12_u64 {
        let jane = engine.wallet(amount).await;
        let shop = stranger();
        operations.extend(engine.pay_from(Payer::Wallet(jane), &[(shop, amount)]).await);
        expected.push((shop, amount));
        let john = stranger();
        operations.extend(engine.pay(&[(john, 100 + amount)]).await);
        expected.push((john, 100 + amount));
    }
    engine.run().await;

    assert!(engine.ended(&operations).await.iter().all(|state| state == "succeeded"));
    for (recipient, amount) in expected {
        assert_eq!(engine.holds(recipient).await, amount);
    }
    let mut sql = engine.sql().await;
    let shared: i64 = sqlx::query_scalar("select max(cardinality(user_ops)) from bundle")
        .fetch_one(&mut sql)
        .await
        .map(|most: i32| i64::from(most))
        .unwrap();
    assert!(shared > 10, "the largest bundle carries {shared} user operations");
    engine.lane_at_rest().await;
}
