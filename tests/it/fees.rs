//! FAULT 15: the base fee rises tenfold while transactions wait.

use alloy::eips::BlockNumberOrTag;
use diolkos::chain::status;
use diolkos::dev::anvil::{Anvil, AnvilOptions};
use serde_json::{Value, json};

use crate::harness::engine::{TestEngine, stranger};
use crate::harness::until;

/// A chain of its own, whose blocks a test makes.
struct OwnChain {
    anvil: Anvil,
    engine: TestEngine,
}

async fn call(url: &str, method: &str, params: Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let answer: Value = client.post(url).json(&body).send().await.unwrap().json().await.unwrap();
    assert!(answer.get("error").is_none(), "{answer}");
}

impl OwnChain {
    async fn at_rest() -> Self {
        let anvil = Anvil::start(AnvilOptions { block_time: 0.2, ..Default::default() }).await.unwrap();
        diolkos::dev::contracts::deploy(&anvil.url()).await.unwrap();
        let mut engine = TestEngine::on(&anvil.url(), |_| {}).await;
        engine.run().await;
        let operations = engine.pay(&[(stranger(), 1)]).await;
        engine.ended(&operations).await;
        engine.lane_at_rest().await;
        Self { anvil, engine }
    }

    /// A payment whose bundle waits in the pool; what it offers.
    async fn waiting_payment(&self, recipient: alloy::primitives::Address) -> (Vec<uuid::Uuid>, i64) {
        call(&self.anvil.url(), "evm_setIntervalMining", json!([0])).await;
        let operations = self.engine.pay(&[(recipient, 5)]).await;
        until("the bundle is sent", || async {
            (self.engine.state(operations[0]).await.0 == "submitted").then_some(())
        })
        .await;
        let mut sql = self.engine.sql().await;
        let offered = "select max_fee::bigint from bundle where purpose = 'user_ops' order by version desc limit 1";
        (operations, sqlx::query_scalar(offered).fetch_one(&mut sql).await.unwrap())
    }

    /// Blocks are made again, the first of them with this base fee.
    async fn goes_on_at(&self, base_fee: u128) {
        call(&self.anvil.url(), "anvil_setNextBlockBaseFeePerGas", json!([format!("0x{base_fee:x}")])).await;
        call(&self.anvil.url(), "evm_setIntervalMining", json!([1])).await;
    }

    async fn base_fee(&self) -> u128 {
        self.engine.rpc().head().await.unwrap().base_fee_per_gas.unwrap()
    }
}

#[tokio::test]
async fn fault_15_a_base_fee_that_rises_tenfold_is_followed_by_a_replacement() {
    let chain = OwnChain::at_rest().await;
    let jane = stranger();
    let (operations, offered) = chain.waiting_payment(jane).await;
    let tenfold = 10 * u128::try_from(offered).unwrap();
    chain.goes_on_at(tenfold).await;

    chain.engine.arrives_once(jane, &operations).await;

    let mut sql = chain.engine.sql().await;
    let mined = "select block_number from chain_op where id = $1";
    let block: i64 = sqlx::query_scalar(mined).bind(operations[0]).fetch_one(&mut sql).await.unwrap();
    let block = BlockNumberOrTag::Number(u64::try_from(block).unwrap());
    let paid = chain.engine.rpc().block(block).await.unwrap().unwrap().base_fee_per_gas.unwrap();
    assert!(paid > u128::try_from(offered).unwrap(), "it was mined in a block that did not take the first offer");
    let highest = "select max(max_fee)::bigint from bundle where purpose = 'user_ops'";
    let highest: i64 = sqlx::query_scalar(highest).fetch_one(&mut sql).await.unwrap();
    assert!(highest > offered + offered / 8 && u128::try_from(highest).unwrap() >= paid, "{offered} {highest} {paid}");
    chain.engine.lane_at_rest().await;
    chain.anvil.stop().await.unwrap();
}

#[tokio::test]
async fn fault_15_at_the_cap_a_bundle_waits_and_operators_see_it_until_gas_is_cheap_again() {
    let mut chain = OwnChain::at_rest().await;
    let jane = stranger();
    let (operations, offered) = chain.waiting_payment(jane).await;
    let offered = u128::try_from(offered).unwrap();
    // From now on no more may be offered.
    chain.engine.kill().await;
    let mut settings = chain.engine.settings.clone();
    settings.fees.max_fee = offered;
    chain.engine.chain = diolkos::chain::Chain::new(chain.engine.db.clone(), settings);
    chain.engine.run().await;
    chain.goes_on_at(3 * offered).await;

    until("the bundle waits at the cap", || async {
        let head = chain.engine.rpc().head().await.unwrap();
        let fees = status::fees(&chain.engine.chain, &head).await.unwrap();
        assert!(fees.suggested.max_fee <= offered);
        (fees.capped == 1).then_some(())
    })
    .await;
    assert!(chain.base_fee().await > offered);
    assert!(chain.engine.transfers_to(jane).await.is_empty());

    // Empty blocks make gas cheaper, by an eighth each.
    chain.engine.arrives_once(jane, &operations).await;
    let head = chain.engine.rpc().head().await.unwrap();
    assert_eq!(status::fees(&chain.engine.chain, &head).await.unwrap().capped, 0);
    let mut sql = chain.engine.sql().await;
    let highest = "select max(max_fee)::bigint from bundle where nonce = (select max(nonce) from bundle)";
    let highest: i64 = sqlx::query_scalar(highest).fetch_one(&mut sql).await.unwrap();
    assert_eq!(u128::try_from(highest).unwrap(), offered, "nothing was offered beyond the cap");
    chain.anvil.stop().await.unwrap();
}
