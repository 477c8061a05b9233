//! FAULT 19: a token pauses, keeps a fee, or moves nothing and returns false.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol;
use alloy::sol_types::SolCall;
use diolkos::chain::Payer;
use diolkos::dev::anvil::{Anvil, AnvilOptions};
use diolkos::dev::contracts;

use crate::harness::engine::{TestEngine, stranger};
use crate::harness::paymaster::{create, send};

const ARTIFACT: &str = include_str!("../../contracts/out/test/OddToken.json");

sol! {
    function mint(address to, uint256 amount) external;
    function misbehave(uint256 fee, bool refuses) external;
}

/// A token of its own of which the engine's treasury holds a million base units.
async fn odd_token(engine: &TestEngine) -> Address {
    let artifact: serde_json::Value = serde_json::from_str(ARTIFACT).unwrap();
    let code: Bytes = artifact["bytecode"].as_str().unwrap().parse().unwrap();
    let token = create(&engine.proxy.target, rand::random::<[u8; 32]>().into(), &code).await;
    let mint = mintCall { to: engine.chain.treasury(), amount: U256::from(1_000_000) };
    send(&engine.proxy.target, token, mint.abi_encode(), U256::ZERO).await;
    token
}

async fn misbehave(engine: &TestEngine, token: Address, fee: u64, refuses: bool) {
    let call = misbehaveCall { fee: U256::from(fee), refuses };
    send(&engine.proxy.target, token, call.abi_encode(), U256::ZERO).await;
}

async fn held(engine: &TestEngine, token: Address, account: Address) -> u64 {
    engine.rpc().token_balance(token, account).await.unwrap().to()
}

#[tokio::test]
async fn fault_19_a_token_that_pauses_fails_what_it_refuses_and_the_lane_goes_on() {
    let anvil = Anvil::start(AnvilOptions { block_time: 0.2, ..Default::default() }).await.unwrap();
    contracts::deploy(&anvil.url()).await.unwrap();
    let mut engine = TestEngine::on(&anvil.url(), |_| {}).await;
    engine.run().await;
    let warm = engine.pay(&[(stranger(), 1)]).await;
    engine.ended(&warm).await;
    let usdc = engine.services.contracts.usdc;
    let before = engine.holds(engine.chain.treasury()).await;

    contracts::pause(&anvil.url(), usdc).await.unwrap();
    let refused: Vec<Address> = (0..5).map(|_| stranger()).collect();
    let payments: Vec<(Address, u64)> = refused.iter().map(|to| (*to, 9)).collect();
    let operations = engine.pay(&payments).await;
    assert!(engine.ended(&operations).await.iter().all(|state| state == "failed"));
    assert_eq!(engine.state(operations[0]).await.1.as_deref(), Some("Pausable: paused"));
    assert_eq!(engine.holds(engine.chain.treasury()).await, before, "nothing moved");

    contracts::unpause(&anvil.url(), usdc).await.unwrap();
    let jane = stranger();
    let next = engine.pay(&[(jane, 7)]).await;
    assert_eq!(engine.ended(&next).await, ["succeeded"]);
    assert_eq!(engine.transfers_to(jane).await, [7]);
    for recipient in refused {
        assert_eq!(engine.holds(recipient).await, 0, "what has failed stays failed");
    }
    engine.kill().await;
    anvil.stop().await.unwrap();
}

#[tokio::test]
async fn fault_19_a_token_that_keeps_a_fee_is_for_an_operator_and_its_neighbours_are_not() {
    let engine = TestEngine::start().await;
    let token = odd_token(&engine).await;
    let payer = Payer::Treasury(engine.chain.treasury());
    misbehave(&engine, token, 3, false).await;
    let (jane, john) = (stranger(), stranger());

    let odd = engine.pay_in(token, payer, &[(jane, 100)]).await;
    let usual = engine.pay(&[(john, 8)]).await;

    assert_eq!(engine.ended(&odd).await, ["review"]);
    assert_eq!(engine.ended(&usual).await, ["succeeded"]);
    assert_eq!(held(&engine, token, jane).await, 97, "it was sent once, and less arrived");
    assert_eq!(held(&engine, token, engine.chain.treasury()).await, 1_000_000 - 100);
    assert_eq!(engine.transfers_to(john).await, [8]);
}

#[tokio::test]
async fn fault_19_a_token_that_returns_false_has_moved_nothing() {
    let engine = TestEngine::start().await;
    let token = odd_token(&engine).await;
    let payer = Payer::Treasury(engine.chain.treasury());
    misbehave(&engine, token, 0, true).await;
    let (jane, john) = (stranger(), stranger());

    let odd = engine.pay_in(token, payer, &[(jane, 100), (jane, 50)]).await;
    let usual = engine.pay(&[(john, 8)]).await;

    assert_eq!(engine.ended(&odd).await, ["failed", "failed"]);
    assert_eq!(engine.ended(&usual).await, ["succeeded"]);
    assert_eq!(held(&engine, token, engine.chain.treasury()).await, 1_000_000);

    misbehave(&engine, token, 0, false).await;
    let again = engine.pay_in(token, payer, &[(jane, 100)]).await;
    assert_eq!(engine.ended(&again).await, ["succeeded"]);
    assert_eq!(held(&engine, token, jane).await, 100, "what has failed stays failed");
}
