//! Customers' wallets pay: deployed by their first user operation, in bundles with the treasury's and each other's.

use alloy::primitives::Address;
use diolkos::chain::{Payer, SmartWallet};

use crate::harness::engine::{Path, TestEngine, stranger};
use crate::harness::until;
use crate::on_paths;

on_paths!([by_lanes = Lanes, by_bundler = Sponsored, by_bundler_from_deposit = Deposit] [
    a_wallet_is_deployed_by_its_first_payment_and_pays_again_afterwards,
    two_payments_of_a_wallet_that_is_not_deployed_both_arrive,
    fault_17_a_wallet_deployed_meanwhile_by_someone_else_keeps_its_nonce_and_pays_once,
    fault_17_a_wallet_deployed_meanwhile_by_another_user_operation_loses_its_init_code_and_keeps_its_nonce,
    a_payment_beyond_what_a_wallet_holds_fails_alone_and_takes_nothing,
    treasury_and_wallets_share_bundles_and_each_payment_arrives_once,
]);

async fn is_deployed(engine: &TestEngine, wallet: SmartWallet) -> bool {
    !engine.rpc().code(wallet.address()).await.unwrap().is_empty()
}

async fn a_wallet_is_deployed_by_its_first_payment_and_pays_again_afterwards(path: Path) {
    let engine = TestEngine::start_by(path).await;
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
    let query = "select count(distinct user_op_id) from user_op_version where deploys";
    let deploying: i64 = sqlx::query_scalar(query).fetch_one(&mut sql).await.unwrap();
    assert_eq!(deploying, 1);
    engine.lane_at_rest().await;
}

async fn two_payments_of_a_wallet_that_is_not_deployed_both_arrive(path: Path) {
    let engine = TestEngine::start_by(path).await;
    let jane = engine.wallet(10_000_000).await;
    let (shop, bank) = (stranger(), stranger());
    let mut operations = engine.pay_from(Payer::Wallet(jane), &[(shop, 4_000_000)]).await;
    operations.extend(engine.pay_from(Payer::Wallet(jane), &[(bank, 5_000_000)]).await);
    assert_eq!(engine.ended(&operations).await, ["succeeded", "succeeded"]);
    assert_eq!((engine.holds(shop).await, engine.holds(bank).await), (4_000_000, 5_000_000));
}

async fn fault_17_a_wallet_deployed_meanwhile_by_someone_else_keeps_its_nonce_and_pays_once(path: Path) {
    let mut engine = TestEngine::at_rest_by(path).await;
    let jane = engine.wallet(10_000_000).await;
    let (shop, bank) = (stranger(), stranger());
    let first = engine.pay_from(Payer::Wallet(jane), &[(shop, 1_000_000)]).await;
    // Signed with init code and stored, but no node takes it.
    engine.nobody_takes_anything();
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
    engine.everybody_is_well();
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

async fn fault_17_a_wallet_deployed_meanwhile_by_another_user_operation_loses_its_init_code_and_keeps_its_nonce(
    path: Path,
) {
    let mut engine = TestEngine::at_rest_by(path).await;
    let jane = engine.wallet(10_000_000).await;
    let shop = stranger();
    engine.nobody_takes_anything();
    let operations = engine.pay_from(Payer::Wallet(jane), &[(shop, 1_000_000)]).await;
    until("the wallet's user operation is signed", || async {
        let query = "select count(*) from user_op_version where deploys";
        let signed: i64 = sqlx::query_scalar(query).fetch_one(&mut engine.sql().await).await.unwrap();
        (signed > 0).then_some(())
    })
    .await;
    engine.deploy_as_stranger(jane).await;
    if path == Path::Lanes {
        // What is on board of a lane's bundle stays there until the bundle is passed.
        engine.kill().await;
        engine.run().await;
    }
    engine.everybody_is_well();

    assert_eq!(engine.ended(&operations).await, ["succeeded"]);
    assert_eq!(engine.holds(shop).await, 1_000_000);
    let query = "select count(distinct user_op_id), bool_or(deploys), bool_or(not deploys) from user_op_version
        where user_op_id = (select user_op_id from chain_op where id = $1)";
    let versions: (i64, bool, bool) =
        sqlx::query_as(query).bind(operations[0]).fetch_one(&mut engine.sql().await).await.unwrap();
    assert_eq!(versions, (1, true, true));
}

async fn a_payment_beyond_what_a_wallet_holds_fails_alone_and_takes_nothing(path: Path) {
    let engine = TestEngine::start_by(path).await;
    let (jane, john) = (engine.wallet(1_000_000).await, engine.wallet(1_000_000).await);
    let shop = stranger();
    let mut operations = engine.pay_from(Payer::Wallet(jane), &[(shop, 2_000_000)]).await;
    operations.extend(engine.pay_from(Payer::Wallet(john), &[(shop, 600_000)]).await);
    assert_eq!(engine.ended(&operations).await, ["failed", "succeeded"]);
    assert_eq!(engine.state(operations[0]).await.1.as_deref(), Some("ERC20: transfer amount exceeds balance"));
    assert_eq!(engine.holds(jane.address()).await, 1_000_000);
    assert_eq!(engine.holds(shop).await, 600_000);
}

async fn treasury_and_wallets_share_bundles_and_each_payment_arrives_once(path: Path) {
    let mut engine = TestEngine::stopped_by(path, |settings| settings.in_flight = 1).await;
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
    if path == Path::Lanes {
        let query = "select max(cardinality(user_ops)) from bundle";
        let shared: i32 = sqlx::query_scalar(query).fetch_one(&mut engine.sql().await).await.unwrap();
        assert!(shared > 10, "the largest bundle carries {shared} user operations");
    }
    engine.lane_at_rest().await;
}
