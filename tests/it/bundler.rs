//! A bundler carries payments: it drops them, forgets them, refuses them, lies, is not there; nothing lost, nothing twice.

use alloy::primitives::{Address, B256, U256};
use diolkos::chain::bundler::DepositMarks;
use diolkos::chain::entry_point::ENTRY_POINT;
use diolkos::chain::{Payer, status};
use serde_json::{Value, json};

use crate::harness::app::TestApp;
use crate::harness::engine::{Path, TestEngine, stranger};
use crate::harness::paymaster::that_undoes;
use crate::harness::rpc_proxy::{Fault, RpcProxy};
use crate::harness::services::services;
use crate::harness::tenant::phone;
use crate::harness::until;

const SEND: &str = "eth_sendUserOperation";
const ESTIMATE: &str = "eth_estimateUserOperationGas";

/// An engine at rest whose payments go through Alto, which a paymaster pays; and the proxy in front of Alto.
async fn at_rest() -> (TestEngine, RpcProxy) {
    let engine = TestEngine::at_rest_by(Path::Sponsored).await;
    let bundler = engine.bundler.clone().unwrap();
    (engine, bundler)
}

/// How many transactions of the lane carried user operations.
async fn carried_by_lane(engine: &TestEngine) -> i64 {
    let given: Vec<Option<String>> = sqlx::query_scalar("select failure from user_op where by_lane")
        .fetch_all(&mut engine.sql().await)
        .await
        .unwrap();
    println!("given to lanes: {given:?}");
    let query = "select count(*) from bundle where purpose = 'user_ops'";
    sqlx::query_scalar(query).fetch_one(&mut engine.sql().await).await.unwrap()
}

/// Waits until the payment's user operation has been refused or not answered, and says why.
async fn waits(engine: &TestEngine) -> String {
    until("the payment waits", || async {
        let query = "select failure from user_op where state = 'open' and refusals > 0";
        sqlx::query_scalar(query).fetch_optional(&mut engine.sql().await).await.unwrap()
    })
    .await
}

/// What waits after a refusal is looked at again at once.
async fn nothing_is_held(engine: &TestEngine) {
    let query = "update user_op set held_until = null where held_until is not null";
    sqlx::query(query).execute(&mut engine.sql().await).await.unwrap();
}

fn fee(call: &Value) -> u128 {
    let text = call[0]["maxFeePerGas"].as_str().unwrap();
    u128::from_str_radix(&text[2..], 16).unwrap()
}

#[tokio::test]
async fn payments_of_the_treasury_and_of_wallets_go_through_the_bundler_and_no_lane_pays() {
    let (engine, bundler) = at_rest().await;
    let (jane, shop) = (engine.wallet(9).await, stranger());
    let recipients: Vec<Address> = (0..20).map(|_| stranger()).collect();
    let payments: Vec<(Address, u64)> = recipients.iter().map(|recipient| (*recipient, 5)).collect();
    let mut operations = engine.pay(&payments).await;
    operations.extend(engine.pay_from(Payer::Wallet(jane), &[(shop, 9)]).await);

    assert!(engine.ended(&operations).await.iter().all(|state| state == "succeeded"));
    for recipient in recipients {
        assert_eq!(engine.transfers_to(recipient).await, [5]);
    }
    assert_eq!(engine.holds(shop).await, 9);
    assert_eq!(carried_by_lane(&engine).await, 0);
    assert!(engine.paymaster.as_ref().unwrap().signed() >= 3);
    assert!(bundler.calls(SEND).len() < 15, "one user operation carries many payments");
}

#[tokio::test]
async fn fault_17_the_bundler_takes_a_user_operation_and_drops_it() {
    let (engine, bundler) = at_rest().await;
    bundler.next(1, SEND, Fault::TakeAndDrop);
    engine.pays_once_and_goes_on().await;
}

#[tokio::test]
async fn fault_17_the_bundler_drops_a_user_operation_until_it_is_offered_more() {
    let (engine, bundler) = at_rest().await;
    let before = bundler.calls(SEND).len();
    bundler.next(4, SEND, Fault::TakeAndDrop);
    engine.pays_once_and_goes_on().await;
    let fees: Vec<u128> = bundler.calls(SEND)[before..].iter().map(fee).collect();
    assert_eq!(fees[0], fees[1], "first it is sent again as it is");
    assert!(fees[3] > fees[0] + fees[0] / 9, "then it is offered at least a tenth more: {fees:?}");
}

#[tokio::test]
async fn fault_17_the_bundler_accepts_and_its_answer_is_lost() {
    let (engine, bundler) = at_rest().await;
    bundler.next(2, SEND, Fault::DoAndHang);
    engine.pays_once_and_goes_on().await;
}

#[tokio::test]
async fn the_bundler_says_that_the_nonce_is_used_after_it_executed_it() {
    let (engine, bundler) = at_rest().await;
    let said = "UserOperation failed validation with reason: AA25 invalid account nonce";
    bundler.next(1, SEND, Fault::DoAndRefuse(-32500, said));
    engine.pays_once_and_goes_on().await;
}

#[tokio::test]
async fn the_bundler_asks_for_higher_fees_and_gets_them() {
    let (engine, bundler) = at_rest().await;
    let before = bundler.calls(SEND).len();
    let said = "maxFeePerGas must be at least 77000000000 (current maxFeePerGas: 1) - use another";
    bundler.next(1, SEND, Fault::Refuse(-32602, said));
    engine.pays_once_and_goes_on().await;
    assert!(fee(&bundler.calls(SEND)[before + 1]) >= 77_000_000_000);
}

#[tokio::test]
async fn the_bundler_asks_for_more_than_the_cap_and_the_payment_waits() {
    let (engine, bundler) = at_rest().await;
    let before = bundler.calls(SEND).len();
    let said = "maxFeePerGas must be at least 77000000000000000 (current maxFeePerGas: 1)";
    bundler.next(1, SEND, Fault::Refuse(-32602, said));
    engine.pays_once_and_goes_on().await;
    assert!(bundler.calls(SEND)[before..].iter().all(|call| fee(call) <= engine.settings.fees.max_fee));
}

/// What bundlers say, beside what other tests are about.
const SAID: &[(i64, &str)] = &[
    (-32602, "Already known"),
    (-32500, "UserOperation reverted during simulation with reason: AA10 sender already constructed"),
    (-32500, "UserOperation reverted during simulation with reason: AA13 initCode failed or OOG"),
    (-32500, "UserOperation reverted during simulation with reason: AA14 initCode must return sender"),
    (-32500, "UserOperation reverted during simulation with reason: AA20 account not deployed"),
    (-32500, "UserOperation reverted during simulation with reason: AA21 didn't pay prefund"),
    (-32500, "UserOperation reverted during simulation with reason: AA23 reverted"),
    (-32507, "UserOperation reverted during simulation with reason: AA24 signature error"),
    (-32500, "UserOperation reverted during simulation with reason: AA26 over verificationGasLimit"),
    (-32508, "UserOperation reverted during simulation with reason: AA31 paymaster deposit too low"),
    (-32503, "UserOperation reverted during simulation with reason: AA32 paymaster expired or not due"),
    (-32501, "UserOperation reverted during simulation with reason: AA33 reverted"),
    (-32507, "UserOperation reverted during simulation with reason: AA34 signature error"),
    (-32501, "UserOperation reverted during simulation with reason: AA36 over paymasterVerificationGasLimit"),
    (-32500, "UserOperation reverted during simulation with reason: AA95 out of gas"),
    (-32500, "preVerificationGas is not enough, required: 90000, got: 1"),
    (
        -32602,
        "AA25 invalid account nonce: User operation already present in mempool, bump the gas price by minimum 10%",
    ),
    (-32502, "account uses banned opcode: GAS"),
    (-32504, "paymaster is throttled"),
    (-32505, "paymaster is not staked"),
    (-32506, "unsupported aggregator"),
    (-32601, "there is no such method"),
    (-32602, "EntryPoint not supported"),
    (-32603, "something nobody has heard of"),
];

#[tokio::test]
async fn what_bundlers_say_wedges_nothing() {
    let (engine, bundler) = at_rest().await;
    for (code, message) in SAID {
        for method in [SEND, ESTIMATE] {
            bundler.next(1, method, Fault::Refuse(*code, message));
            let jane = stranger();
            let operations = engine.pay(&[(jane, 5)]).await;
            until(&format!("the payment is made though {code} {message}"), || async {
                nothing_is_held(&engine).await;
                let (state, failure) = engine.state(operations[0]).await;
                assert!(!matches!(&*state, "failed" | "review"), "{message}: {failure:?}");
                (state == "succeeded").then_some(())
            })
            .await;
            assert_eq!(engine.transfers_to(jane).await, [5], "{message}");
        }
    }
    for fault in [Fault::TooManyRequests, Fault::Garbage, Fault::CutShort, Fault::Answer(json!(B256::ZERO))] {
        bundler.next(1, SEND, fault.clone());
        bundler.next(1, ESTIMATE, fault);
        engine.pays_once_and_goes_on().await;
    }
}

#[tokio::test]
async fn an_estimate_beyond_reason_is_not_signed_and_a_lane_carries_the_payment_in_the_end() {
    let (engine, bundler) = at_rest().await;
    let before = bundler.calls(SEND).len();
    let absurd = json!({
        "preVerificationGas": "0xffffffff", "verificationGasLimit": "0x1", "callGasLimit": "0x1",
        "paymasterVerificationGasLimit": "0x1", "paymasterPostOpGasLimit": "0x1",
    });
    bundler.next(usize::MAX, ESTIMATE, Fault::Answer(absurd));
    let jane = stranger();
    let operations = engine.pay(&[(jane, 5)]).await;
    engine.arrives_once(jane, &operations).await;
    assert_eq!((bundler.calls(SEND).len(), carried_by_lane(&engine).await), (before, 1));
}

#[tokio::test]
async fn payments_wait_while_the_bundler_is_down_and_one_that_restarted_gets_them_again() {
    let (engine, bundler) = at_rest().await;
    let first = services().another_alto("alto-first").await;
    bundler.redirect(&first.url);
    engine.pays_once_and_goes_on().await;
    first.stop().await.unwrap();

    let jane = stranger();
    let operations = engine.pay(&[(jane, 5)]).await;
    assert_eq!(waits(&engine).await, "the bundler does not answer: HTTP status 502");
    assert_eq!(engine.state(operations[0]).await.0, "waiting");

    let second = services().another_alto("alto-second").await;
    bundler.redirect(&second.url);
    engine.arrives_once(jane, &operations).await;
    engine.pays_once_and_goes_on().await;
    assert_eq!(carried_by_lane(&engine).await, 0);
}

#[tokio::test]
async fn a_paymaster_that_refuses_keeps_payments_waiting_until_it_pays() {
    let (engine, _) = at_rest().await;
    let sponsor = engine.sponsor.clone().unwrap();
    for method in ["pm_getPaymasterStubData", "pm_getPaymasterData"] {
        sponsor.next(usize::MAX, method, Fault::Refuse(-32000, "the policy's budget is spent"));
        let jane = stranger();
        let operations = engine.pay(&[(jane, 5)]).await;
        assert_eq!(waits(&engine).await, "the paymaster says -32000: the policy's budget is spent");
        sponsor.heal();
        engine.arrives_once(jane, &operations).await;
    }
    assert_eq!(carried_by_lane(&engine).await, 0);
}

#[tokio::test]
async fn a_paymaster_that_undoes_what_it_paid_for_fails_no_payment() {
    let (engine, bundler) = at_rest().await;
    let hostile = that_undoes(&engine.services.rpc_url).await;
    let stub = json!({
        "paymaster": hostile, "paymasterData": "0x", "isFinal": true,
        "paymasterVerificationGasLimit": "0x13880", "paymasterPostOpGasLimit": "0x13880",
    });
    let estimate =
        json!({"preVerificationGas": "0x186a0", "verificationGasLimit": "0x30d40", "callGasLimit": "0x30d40"});
    engine.sponsor.as_ref().unwrap().next(usize::MAX, "pm_getPaymasterStubData", Fault::Answer(stub));
    bundler.next(usize::MAX, ESTIMATE, Fault::Answer(estimate));

    let (jane, shop) = (stranger(), stranger());
    let operations = engine.pay(&[(jane, 5), (shop, 7)]).await;
    assert_eq!(engine.ended(&operations).await, ["succeeded", "succeeded"]);
    assert_eq!((engine.transfers_to(jane).await, engine.transfers_to(shop).await), (vec![5], vec![7]));
    let query = "select count(*) from user_op where state = 'ended' and not success";
    let undone: i64 = sqlx::query_scalar(query).fetch_one(&mut engine.sql().await).await.unwrap();
    assert!(undone >= 1 && carried_by_lane(&engine).await >= 1, "{undone}");
}

#[tokio::test]
async fn paymaster_data_that_has_expired_are_asked_for_again() {
    let (engine, _) = at_rest().await;
    let paymaster = engine.paymaster.clone().unwrap();
    let before = paymaster.signed();
    paymaster.expire(1);
    engine.pays_once_and_goes_on().await;
    assert!(paymaster.signed() - before >= 3, "once in vain, and once for each of two payments");
    for method in ["pm_getPaymasterStubData", "pm_getPaymasterData"] {
        let asked = engine.sponsor.as_ref().unwrap().calls(method).pop().unwrap();
        assert_eq!(asked.as_array().unwrap()[1..], [json!(ENTRY_POINT), json!("0x89"), json!({"policy": "tests"})]);
    }
    let query =
        "select count(*) from user_op u where (select count(*) from user_op_version where user_op_id = u.id) > 1";
    let again: i64 = sqlx::query_scalar(query).fetch_one(&mut engine.sql().await).await.unwrap();
    assert!(again >= 1, "signed again under the same nonce");
}

#[tokio::test]
async fn without_a_paymaster_a_lane_fills_the_treasurys_deposit_and_carries_what_customers_pay() {
    let engine = TestEngine::start_by(Path::Deposit).await;
    let bundler = engine.bundler.clone().unwrap();
    let (jane, shop, bank) = (engine.wallet(9).await, stranger(), stranger());
    let mut operations = engine.pay_from(Payer::Wallet(jane), &[(shop, 9)]).await;
    operations.extend(engine.pay(&[(bank, 7)]).await);

    assert_eq!(engine.ended(&operations).await, ["succeeded", "succeeded"]);
    assert_eq!((engine.holds(shop).await, engine.transfers_to(bank).await), (9, vec![7]));
    let coin = U256::from(10).pow(U256::from(18));
    let status = status::bundler(&engine.chain).await.unwrap().unwrap();
    let deposit = status.treasury_deposit.unwrap();
    assert!(deposit > U256::from(9) * coin && deposit < U256::from(10) * coin, "{deposit}");
    let senders: Vec<Value> = bundler.calls(SEND).iter().map(|call| call[0]["sender"].clone()).collect();
    assert!(senders.iter().all(|sender| *sender == json!(engine.chain.treasury())), "{senders:?}");
    let deposits: i64 = sqlx::query_scalar("select count(*) from bundle where purpose = 'deposit'")
        .fetch_one(&mut engine.sql().await)
        .await
        .unwrap();
    assert_eq!(deposits, 1);
    engine.lane_at_rest().await;
}

#[tokio::test]
async fn a_deposit_that_covers_no_user_operation_however_full_keeps_no_payment_waiting_for_ever() {
    let mut engine = TestEngine::stopped_by(Path::Deposit, |settings| {
        let bundler = settings.bundler.as_mut().unwrap();
        bundler.deposit = DepositMarks { low: U256::from(1_000), high: U256::from(2_000) };
    })
    .await;
    engine.run().await;
    let jane = stranger();
    let operations = engine.pay(&[(jane, 5)]).await;
    engine.arrives_once(jane, &operations).await;
    assert_eq!(carried_by_lane(&engine).await, 1);
    let asked = engine.bundler.as_ref().unwrap().calls(SEND).len();
    assert!((1..=8).contains(&asked), "the bundler was asked {asked} times");
}

#[tokio::test]
async fn a_lane_that_cannot_spare_the_deposit_goes_on_without_it() {
    let engine = TestEngine::stopped_by(Path::Deposit, |settings| {
        let bundler = settings.bundler.as_mut().unwrap();
        let coins = |count: u64| U256::from(count) * U256::from(10).pow(U256::from(18));
        bundler.deposit = DepositMarks { low: coins(2_000), high: coins(3_000) };
    });
    let mut engine = engine.await;
    engine.run().await;
    let jane = stranger();
    let operations = engine.pay(&[(jane, 5)]).await;
    engine.arrives_once(jane, &operations).await;
    let query = "select count(*) from bundle where purpose = 'deposit'";
    let deposits: i64 = sqlx::query_scalar(query).fetch_one(&mut engine.sql().await).await.unwrap();
    assert_eq!((deposits, carried_by_lane(&engine).await), (0, 1));
    engine.lane_at_rest().await;
}

#[tokio::test]
async fn a_deposit_is_settled_through_the_bundler() {
    let app = TestApp::by_bundler(|_| {}).await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    let jane = acme.customer(&phone(1)).await;

    acme.fund(&phone(1), "dep_1", "19.62").await.expect(202);

    acme.until_deposit_is("dep_1", "SETTLED").await;
    assert_eq!(app.transfers_to(jane).await, [19_620_000]);
    assert!(!app.bundler.as_ref().unwrap().calls(SEND).is_empty());
    let bundler = app.operator().get("/admin/chain").await.expect(200).json["bundler"].clone();
    assert_eq!(
        bundler,
        json!({"carries": ["treasury", "wallets"], "waiting": 0, "sent": 0, "treasury_deposit_wei": null, "last_error": null})
    );
    let metrics = app.operator().get("/metrics").await.expect(200).text;
    assert!(metrics.contains("diolkos_bundler_user_ops{state=\"sent\"} "), "{metrics}");
}
