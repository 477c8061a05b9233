//! Two hundred withdrawals and two hundred transfers at once, each made once.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use futures::future::join_all;

use crate::harness::app::TestApp;
use crate::harness::tenant::{TestTenant, phone};
use crate::harness::until;
use crate::harness::withdrawals::{book, books_agree, send, usdc, withdraw_body};

const CUSTOMERS: u32 = 40;
const EACH: u32 = 5;

/// Forty customers with a hundred dollars each.
async fn customers(acme: &TestTenant) -> Vec<Address> {
    acme.top_up("USDC", "10000").await;
    let wallets = join_all((0..CUSTOMERS).map(|index| async move {
        let wallet = acme.customer(&phone(100 + index)).await;
        acme.fund(&phone(100 + index), &format!("dep_{index}"), "100").await.expect(202);
        wallet
    }))
    .await;
    acme.until_deposit_is(&format!("dep_{}", CUSTOMERS - 1), "SETTLED").await;
    for index in 0..CUSTOMERS {
        acme.until_deposit_is(&format!("dep_{index}"), "SETTLED").await;
    }
    wallets
}

async fn statuses(app: &TestApp, table: &str) -> BTreeMap<String, i64> {
    let query = format!("select status, count(*) from {table} group by status");
    let rows: Vec<(String, i64)> =
        sqlx::query_as(sqlx::AssertSqlSafe(query)).fetch_all(&mut app.sql().await).await.unwrap();
    rows.into_iter().collect()
}

/// Every customer withdraws five times and sends five times to the next, all at once.
pub async fn withdrawals_and_transfers_at_once(app: &TestApp) {
    let acme = app.tenant("acme").await;
    let wallets = customers(&acme).await;
    let treasury = usdc(app, app.app.chain.treasury()).await;

    let asked = (0..CUSTOMERS * EACH).map(|index| {
        let (acme, customer) = (acme.clone(), index % CUSTOMERS);
        tokio::spawn(async move {
            let (own, next) = (phone(100 + customer), phone(100 + (customer + 1) % CUSTOMERS));
            let body = withdraw_body(&own, "3", Some(&format!("w_{index}")));
            let withdrawn = acme.live.post("/v1/users/withdraw", body).await;
            let sent = send(&acme.live, &own, &next, "2").await;
            (withdrawn.status, sent.status)
        })
    });
    for answer in join_all(asked.collect::<Vec<_>>()).await {
        assert_eq!(answer.unwrap(), (202, 202));
    }

    let all = i64::from(CUSTOMERS * EACH);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    loop {
        let (withdrawals, transfers) = (statuses(app, "withdrawal").await, statuses(app, "transfer").await);
        let done = (withdrawals.get("COMPLETED"), transfers.get("SETTLED"));
        if done == (Some(&all), Some(&all)) {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{withdrawals:?} {transfers:?}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }

    // A hundred, less five times three; what was sent came from the one before.
    for wallet in &wallets {
        assert_eq!(usdc(app, *wallet).await, 85_000_000);
    }
    assert_eq!(usdc(app, app.app.chain.treasury()).await, treasury + 600_000_000);
    assert_eq!((book(app, "payouts").await, book(app, "house").await), ((0, 0), (600_000_000, 0)));
    assert_eq!(book(app, "customers").await, (3_400_000_000, 0));
    books_agree(app).await;
    until("nothing is left to do", || async {
        let open: i64 = sqlx::query_scalar("select count(*) from user_op where state <> 'ended'")
            .fetch_one(&mut app.sql().await)
            .await
            .unwrap();
        (open == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn two_hundred_of_each_over_lanes_are_each_made_once() {
    let app = TestApp::new().await;
    withdrawals_and_transfers_at_once(&app).await;
}

#[tokio::test]
async fn two_hundred_of_each_through_a_bundler_are_each_made_once() {
    let app = TestApp::by_bundler(|_| {}).await;
    withdrawals_and_transfers_at_once(&app).await;
    let mut sql = app.sql().await;
    let by_lane: i64 =
        sqlx::query_scalar("select count(*) from bundle where purpose = 'user_ops'").fetch_one(&mut sql).await.unwrap();
    assert_eq!(by_lane, 0, "a lane carried what the bundler was to carry");
}
