//! The funding account fills lanes that run low: up to the mark, within the cap, and once for each need.

use alloy::primitives::{Address, U256};
use alloy::signers::local::PrivateKeySigner;
use diolkos::app::Server;
use diolkos::config::{Config, Environment};
use diolkos::dev::contracts;
use diolkos::foundation::Clock;
use serde_json::{Value, json};

use crate::harness::app::{TestApp, Variables};
use crate::harness::engine::coins;
use crate::harness::process::Process;
use crate::harness::rpc_proxy::Fault;
use crate::harness::tenant::phone;
use crate::harness::until;

const SEND: &str = "eth_sendRawTransaction";

/// A server whose lane is filled by an account that holds so many coins.
struct Funded {
    app: TestApp,
    lane: Address,
    funding: Address,
}

impl Funded {
    async fn new(holds: u64, change: impl FnOnce(&mut Variables)) -> Self {
        let funding = PrivateKeySigner::random();
        let app = TestApp::with(|variables| {
            variables.insert("GAS_FUNDING_KEY", hex::encode(funding.to_bytes()));
            change(variables);
        })
        .await;
        let lane = app.variables["LANE_KEYS"].parse::<PrivateKeySigner>().unwrap().address();
        let funded = Self { app, lane, funding: funding.address() };
        funded.set(funded.funding, coins(holds)).await;
        funded
    }

    /// The same, when the treasury is delegated and the lane spends nothing any more.
    async fn at_rest(holds: u64, change: impl FnOnce(&mut Variables)) -> Self {
        let funded = Self::new(holds, change).await;
        until("the lane is at rest", || async {
            let shown = funded.shown().await;
            let is_idle = shown["lanes"][0]["in_flight"] == 0 && shown["treasury"]["delegated"] == true;
            is_idle.then_some(())
        })
        .await;
        funded
    }

    /// From now on an account holds so many wei.
    async fn set(&self, account: Address, wei: U256) {
        contracts::give_native(&self.app.services.rpc_url, account, wei).await.unwrap();
    }

    async fn held(&self, account: Address) -> U256 {
        self.app.rpc().balance(account).await.unwrap()
    }

    async fn until_lane_holds(&self, wei: U256) {
        until(&format!("the lane holds {wei}"), || async { (self.held(self.lane).await == wei).then_some(()) }).await;
    }

    /// Wei of all refills that were ever stored, in their order.
    async fn refills(&self) -> Vec<String> {
        let mut sql = self.app.sql().await;
        sqlx::query_scalar("select value::text from refill order by id").fetch_all(&mut sql).await.unwrap()
    }

    async fn blocks_go_by(&self, count: u64) {
        let head = self.app.rpc().head().await.unwrap().number;
        until("some blocks have gone by", || async {
            (self.app.rpc().head().await.unwrap().number >= head + count).then_some(())
        })
        .await;
    }

    async fn shown(&self) -> Value {
        self.app.operator().get("/admin/chain").await.expect(200).json
    }
}

#[tokio::test]
async fn a_lane_below_the_low_mark_is_filled_to_the_high_mark_once() {
    let funded = Funded::at_rest(1_000, |_| {}).await;
    funded.set(funded.lane, coins(20)).await;
    funded.blocks_go_by(8).await;
    assert!(funded.refills().await.is_empty(), "at the mark it has enough");

    funded.set(funded.lane, coins(20) - U256::from(1)).await;
    funded.until_lane_holds(coins(100)).await;
    funded.blocks_go_by(10).await;

    assert_eq!(funded.refills().await, [(coins(80) + U256::from(1)).to_string()]);
    assert_eq!(funded.held(funded.lane).await, coins(100));
    let shown = funded.shown().await;
    let account = &shown["funding"];
    assert_eq!(account["address"], funded.funding.to_string());
    assert_eq!(account["refilled_today_wei"], (coins(80) + U256::from(1)).to_string());
    assert_eq!(account["balance_wei"], funded.held(funded.funding).await.to_string());
    assert_eq!((&account["is_short"], &account["note"]), (&json!(false), &json!(null)));
    assert!(account["holder"].is_string());
    assert_eq!(shown["lanes"].as_array().unwrap().len(), 1, "the funding account is no lane");
}

#[tokio::test]
async fn a_day_brings_no_more_than_its_cap() {
    let cap = |variables: &mut Variables| drop(variables.insert("LANE_REFILLS_A_DAY", "150".to_owned()));
    let funded = Funded::at_rest(1_000, cap).await;
    funded.set(funded.lane, coins(5)).await;
    funded.until_lane_holds(coins(100)).await;
    // 55 are left of the cap.
    funded.set(funded.lane, coins(5)).await;
    funded.until_lane_holds(coins(60)).await;
    funded.set(funded.lane, coins(5)).await;
    funded.blocks_go_by(12).await;

    assert_eq!(funded.refills().await, [coins(95).to_string(), coins(55).to_string()]);
    assert_eq!(funded.held(funded.lane).await, coins(5));
    let metrics = funded.app.nobody().get("/metrics").await.text;
    assert!(metrics.contains("diolkos_refills_refused_total{reason=\"cap\"}"));

    // A day later.
    let mut sql = funded.app.sql().await;
    sqlx::query("update refill set created_at = created_at - interval '1 day'").execute(&mut sql).await.unwrap();
    funded.until_lane_holds(coins(100)).await;
}

#[tokio::test]
async fn a_refill_that_was_stored_and_not_sent_is_made_once() {
    let mut funded = Funded::at_rest(1_000, |_| {}).await;
    funded.app.stop().await;
    funded.set(funded.lane, coins(1)).await;
    let mut process = Process::serve(&funded.app.variables, Some("refill_stored")).await;
    process.dies().await;
    assert_eq!(funded.refills().await.len(), 1);
    assert_eq!(funded.held(funded.lane).await, coins(1));

    funded.app.start_again().await;
    funded.until_lane_holds(coins(100)).await;
    funded.blocks_go_by(10).await;
    assert_eq!(funded.refills().await.len(), 1);
    assert_eq!(funded.held(funded.lane).await, coins(100));
}

#[tokio::test]
async fn a_refill_whose_answer_was_lost_is_made_once() {
    let mut funded = Funded::at_rest(1_000, |_| {}).await;
    funded.app.rpc_proxy.next(2, SEND, Fault::DoAndHang);
    funded.set(funded.lane, coins(1)).await;
    until("it is stored", || async { (!funded.refills().await.is_empty()).then_some(()) }).await;
    funded.app.restart().await;
    funded.until_lane_holds(coins(100)).await;
    funded.blocks_go_by(10).await;
    assert_eq!(funded.refills().await.len(), 1);
}

#[tokio::test]
async fn of_two_replicas_one_fills_the_lane() {
    let funded = Funded::at_rest(1_000, |_| {}).await;
    let second = Process::serve(&funded.app.variables, None).await;
    for round in 1..=3 {
        funded.set(funded.lane, coins(10)).await;
        funded.until_lane_holds(coins(100)).await;
        funded.blocks_go_by(8).await;
        assert_eq!(funded.refills().await.len(), round);
    }
    drop(second);
}

#[tokio::test]
async fn a_funding_account_that_is_short_is_told_and_goes_on_when_it_is_filled() {
    let funded = Funded::at_rest(3, |_| {}).await;
    funded.set(funded.lane, coins(5)).await;
    until("the shortage is told", || async {
        let metrics = funded.app.nobody().get("/metrics").await.text;
        let is_told = metrics.contains("diolkos_refills_refused_total{reason=\"funding\"}");
        (is_told && metrics.contains("diolkos_funding_short 1")).then_some(())
    })
    .await;
    assert_eq!(funded.shown().await["funding"]["is_short"], true);
    assert!(funded.refills().await.is_empty());

    // What lifts the lane to the low mark is given, though it is not all.
    funded.set(funded.funding, coins(40)).await;
    until("the lane holds something", || async { (funded.held(funded.lane).await > coins(20)).then_some(()) }).await;
    assert!(funded.held(funded.lane).await < coins(46));
    funded.set(funded.funding, coins(1_000)).await;
    funded.set(funded.lane, coins(5)).await;
    funded.until_lane_holds(coins(100)).await;
    assert_eq!(funded.shown().await["funding"]["is_short"], false);
}

#[tokio::test]
async fn what_a_lane_spends_is_what_the_chain_took_from_it() {
    let app = TestApp::new().await;
    let lane: Address = app.variables["LANE_KEYS"].parse::<PrivateKeySigner>().unwrap().address();
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "1000").await;
    acme.customer(&phone(1)).await;
    for index in 0..3 {
        let id = format!("dep_{index}");
        acme.fund(&phone(1), &id, "1.00").await.expect(202);
        acme.until_deposit_is(&id, "SETTLED").await;
    }
    let began_with = coins(1_000);
    until("the books agree with the chain", || async {
        let taken = began_with - app.rpc().balance(lane).await.unwrap();
        let mut sql = app.sql().await;
        let booked: String =
            sqlx::query_scalar("select coalesce(sum(cost), 0)::text from bundle").fetch_one(&mut sql).await.unwrap();
        (booked == taken.to_string() && !taken.is_zero()).then_some(())
    })
    .await;
    let lane = app.operator().get("/admin/chain").await.expect(200).json["lanes"][0].clone();
    let per_day: u128 = lane["spends_wei_a_day"].as_str().unwrap().parse().unwrap();
    let balance: u128 = lane["gas_balance_wei"].as_str().unwrap().parse().unwrap();
    let taken: u128 = (began_with - U256::from(balance)).to();
    // A lane that is younger than an hour is taken for one hour old.
    assert_eq!(per_day, taken * 24);
    assert_eq!(lane["lasts_seconds"].as_u64().unwrap(), u64::try_from(balance * 86_400 / per_day).unwrap());
}

#[tokio::test]
async fn the_funding_account_must_be_another_than_the_lanes() {
    let app = TestApp::new().await;
    for same in ["LANE_KEYS", "TREASURY_KEY"] {
        let mut variables = app.variables.clone();
        variables.insert("GAS_FUNDING_KEY", variables[same].clone());
        let config = Config::read(&Environment::new(&|name| variables.get(name).cloned())).unwrap();
        let refused = Server::build(config, Clock::default()).await.err().unwrap().to_string();
        assert!(refused.starts_with("GAS_FUNDING_KEY: "), "{refused}");
    }
}
