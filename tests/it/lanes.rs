//! Several lanes, and lanes that are given up: payments are carried by whoever can, once.

use std::sync::Arc;

use alloy::primitives::{Address, U256};
use alloy::signers::local::PrivateKeySigner;
use diolkos::chain::Chain;
use diolkos::dev::contracts;
use tokio_util::sync::CancellationToken;

use crate::harness::engine::{Path, TestEngine, stranger};
use crate::harness::rpc_proxy::Fault;
use crate::harness::until;
use crate::on_paths;

/// A lane with native coin.
pub async fn new_lane(engine: &TestEngine) -> PrivateKeySigner {
    let lane = PrivateKeySigner::random();
    let coins = U256::from(10).pow(U256::from(20));
    contracts::give_native(&engine.services.rpc_url, lane.address(), coins).await.unwrap();
    lane
}

on_paths!([by_lanes = Lanes, by_bundler = Sponsored] [
    of_three_lanes_at_work_each_payment_is_made_once_though_some_fail,
]);

async fn of_three_lanes_at_work_each_payment_is_made_once_though_some_fail(path: Path) {
    let engine = TestEngine::stopped_by(path, |settings| settings.batch_limit = 7).await;
    let mut settings = engine.settings.clone();
    for _ in 0..2 {
        settings.lanes.push(Arc::new(new_lane(&engine).await));
    }
    let stop = CancellationToken::new();
    let work = tokio::spawn(Chain::new(engine.db.clone(), settings).work(stop.clone()));

    let mut expected: Vec<(Address, &str)> = Vec::new();
    let mut operations = Vec::new();
    for round in 0..6 {
        let recipients: Vec<Address> = (0..20).map(|_| stranger()).collect();
        engine.services.blacklist(engine.services.contracts.usdc, recipients[round]).await;
        let payments: Vec<(Address, u64)> = recipients.iter().map(|to| (*to, 1_000)).collect();
        operations.extend(engine.pay(&payments).await);
        let state = |index| if index == round { "failed" } else { "succeeded" };
        expected.extend(recipients.iter().enumerate().map(|(index, to)| (*to, state(index))));
    }

    let states = engine.ended(&operations).await;
    for ((recipient, expected), state) in expected.into_iter().zip(states) {
        assert_eq!(state, expected);
        assert_eq!(engine.transfers_to(recipient).await.len(), usize::from(expected == "succeeded"));
    }
    stop.cancel();
    work.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_a_lane_that_was_given_up_had_on_board_is_carried_by_another() {
    let mut engine = TestEngine::start().await;
    let warm = engine.pay(&[(stranger(), 1)]).await;
    engine.ended(&warm).await;
    engine.proxy.next(usize::MAX, "eth_sendRawTransaction", Fault::Refuse(-32000, "insufficient funds for gas"));
    let jane = stranger();
    let operations = engine.pay(&[(jane, 9)]).await;
    until("a bundle is stored that no node takes", || async {
        let mut sql = engine.sql().await;
        let stuck: i64 =
            sqlx::query_scalar("select count(*) from bundle where failure is not null and state = 'stored'")
                .fetch_one(&mut sql)
                .await
                .unwrap();
        (stuck > 0).then_some(())
    })
    .await;
    engine.kill().await;
    engine.proxy.heal();

    let mut settings = engine.settings.clone();
    settings.lanes = vec![Arc::new(new_lane(&engine).await)];
    engine.chain = Chain::new(engine.db.clone(), settings);
    engine.run().await;

    assert_eq!(engine.ended(&operations).await, ["succeeded"]);
    assert_eq!(engine.transfers_to(jane).await, [9]);
}

#[tokio::test]
async fn a_treasury_that_is_short_of_tokens_waits_for_them() {
    let engine = TestEngine::start().await;
    let jane = stranger();
    let more_than_it_has = crate::harness::engine::TREASURY_USDC + 5;
    let operations = engine.pay(&[(jane, more_than_it_has)]).await;
    until("the payment waits", || async {
        let mut sql = engine.sql().await;
        let held: i64 = sqlx::query_scalar("select count(*) from user_op where held_until > now()")
            .fetch_one(&mut sql)
            .await
            .unwrap();
        (held == 1).then_some(())
    })
    .await;
    engine.services.mint(&engine.services.rpc_url, engine.chain.treasury(), 5).await;
    let mut sql = engine.sql().await;
    sqlx::query("update user_op set held_until = now()").execute(&mut sql).await.unwrap();
    assert_eq!(engine.ended(&operations).await, ["succeeded"]);
    assert_eq!(engine.transfers_to(jane).await, [more_than_it_has]);
}
