//! FAULT 1: the process dies between any two steps, and the payment is made exactly once.

use std::time::Duration;

use alloy::primitives::Address;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::harness::app::{TestApp, Variables};
use crate::harness::engine::Path;
use crate::harness::process::Process;
use crate::harness::tenant::{TestTenant, fund_body, phone};
use crate::harness::until;

/// A server whose engine runs in other processes, with a tenant that has a customer and a balance.
async fn app_without_engine(path: Path) -> (TestApp, TestTenant, Address) {
    let only_api = |variables: &mut Variables| drop(variables.insert("ROLES", "api".to_owned()));
    let app = match path {
        Path::Sponsored => TestApp::by_bundler(only_api).await,
        Path::Lanes | Path::Deposit => TestApp::with(only_api).await,
    };
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "1000").await;
    let jane = acme.customer(&phone(1)).await;
    (app, acme, jane)
}

async fn dies_at(step: &str, path: Path) {
    let (app, acme, jane) = app_without_engine(path).await;
    let mut variables = app.variables.clone();
    variables.insert("ROLES", "api,worker".to_owned());
    let mut process = Process::serve(&variables, Some(step)).await;
    let customer = acme.at(&process.base_url);
    let answer = customer.live.try_send(
        reqwest::Method::POST,
        "/v1/users/fund",
        Some(("application/json", fund_body(&phone(1), "dep_1", "19.62").to_string().into_bytes())),
    );
    // Whoever is not answered sends the same again, and learns what became of the first.
    if !answer.await.is_ok_and(|answer| answer.status == 202) {
        let again = acme.fund(&phone(1), "dep_1", "19.62").await;
        assert!(matches!(again.status, 202 | 409), "{again}");
    }
    process.dies().await;

    let _second = Process::serve(&variables, None).await;

    acme.until_deposit_is("dep_1", "SETTLED").await;
    assert_eq!(app.transfers_to(jane).await, [19_620_000]);
    assert_eq!(acme.balance().await, ("980.380000".to_owned(), "0.000000".to_owned()));
    let verified = app.operator().get("/admin/ledger/verify").await.expect(200);
    assert_eq!(verified.json["ok"], true, "{verified}");
}

macro_rules! dies_at {
    ($when:ident, $path:ident, [$($step:ident),* $(,)?]) => {
        mod $when {
            $(#[tokio::test]
            async fn $step() {
                super::dies_at(stringify!($step), super::Path::$path).await;
            })*
        }
    };
}

dies_at!(
    dies_when,
    Lanes,
    [working, committed, claimed, user_op_stored, bundle_signed, bundle_stored, broadcast, sent, mined, ended, noted]
);
dies_at!(dies_by_bundler_when, Sponsored, [claimed, user_op_stored, handed_over, mined, ended, noted]);

#[tokio::test]
async fn after_a_thousand_funds_and_random_kills_chain_ledger_and_deposits_agree() {
    const CUSTOMERS: u32 = 20;
    const FUNDS: u32 = 1_000;
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (app, acme, _) = app_without_engine(Path::Lanes).await;
    acme.top_up("USDC", "100000").await;
    let mut wallets = Vec::new();
    for index in 0..CUSTOMERS {
        wallets.push(acme.customer(&phone(100 + index)).await);
    }
    let mut variables = app.variables.clone();
    variables.insert("ROLES", "worker".to_owned());
    let mut worker = Process::spawn(&variables, None);

    let mut expected = vec![0_u64; wallets.len()];
    let mut asked = Vec::new();
    for index in 0..FUNDS {
        let customer = random.random_range(0..CUSTOMERS);
        let units = random.random_range(1..50_000_000_u64);
        expected[customer as usize] += units;
        let amount = format!("{}.{:06}", units / 1_000_000, units % 1_000_000);
        asked.push(fund_body(&phone(100 + customer), &format!("dep_{index}"), &amount));
    }
    for chunk in asked.chunks(50) {
        let answers = chunk.iter().map(|body| acme.live.post("/v1/users/fund", body.clone()));
        for answer in futures::future::join_all(answers).await {
            assert_eq!(answer.status, 202, "{answer}");
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..400))).await;
        worker.kill();
        worker = Process::spawn(&variables, None);
    }

    until_settled(&app, FUNDS).await;

    for (wallet, expected) in wallets.iter().zip(&expected) {
        let held: u64 = app.rpc().token_balance(app.services.contracts.usdc, *wallet).await.unwrap().to();
        assert_eq!(held, *expected);
    }
    let given: u64 = expected.iter().sum();
    let mut sql = app.sql().await;
    let (debits, pending): (i64, i64) = sqlx::query_as(
        "select posted_debits::bigint, pending_debits::bigint from ledger_account where kind = 'treasury' and token = 'USDC'",
    )
    .fetch_one(&mut sql)
    .await
    .unwrap();
    assert_eq!((debits, pending), (i64::try_from(given).unwrap(), 0));
    let verified = app.operator().get("/admin/ledger/verify").await.expect(200);
    assert_eq!(verified.json["ok"], true, "{verified}");
}

async fn until_settled(app: &TestApp, count: u32) {
    until("all deposits are settled", || async {
        let mut sql = app.sql().await;
        let settled: i64 = sqlx::query_scalar("select count(*) from deposit where status = 'SETTLED'")
            .fetch_one(&mut sql)
            .await
            .unwrap();
        (settled == i64::from(count)).then_some(())
    })
    .await;
}
