//! What is counted, and for whom it is looked up.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Scene, rehearsing, scans, scene};
use crate::funding_at_once::{Call, app, in_one_batch_in_turn};
use crate::harness::app::TestApp;
use crate::harness::tenant::{fund_body, phone};
use crate::harness::until;
use crate::harness::withdrawals::{send, until_is, until_refund_is, withdraw_body};

#[tokio::test]
async fn what_failed_or_came_back_is_not_counted() {
    let Scene { app, acme, badges, plain, .. } = scene().await;
    let jane = rehearsing(&app, &acme, 11).await;
    rehearsing(&app, &acme, 12).await;
    badges.assign(&plain, jane).await;
    badges
        .rule(
            &plain,
            "deposits_day < 1 && transfers_out_day < 1 && withdrawals_day < 1 && received_day == 0",
            "ULTT0001",
        )
        .await;
    let fund = async |deposit: &str, amount: &str| {
        acme.test.post("/v1/users/fund", fund_body(&phone(11), deposit, amount)).await
    };
    let transfer = async |amount: &str| send(&acme.test, &phone(11), &phone(12), amount).await;
    let withdraw =
        async |amount: &str| acme.test.post("/v1/users/withdraw", withdraw_body(&phone(11), amount, None)).await;

    fund("dep-1", "1.000001").await.expect(202);
    fund("dep-2", "1").await.expect(403);
    until("the deposit has failed", || async {
        let deposit = acme.dashboard.get("/v1/dashboard/deposits/dep-1?mode=test").await.json;
        (deposit["status"] == "FAILED").then_some(())
    })
    .await;

    let sent = transfer("1.000001").await.expect(202).json["transfer_id"].as_str().unwrap().to_owned();
    transfer("1").await.expect(403);
    until_is(&app, &sent, "FAILED").await;

    let id = withdraw("5.000002").await.expect(202).json["withdrawal_id"].as_str().unwrap().to_owned();
    withdraw("1").await.expect(403);
    until_refund_is(&app, &id, "returned").await;

    // What failed of each kind stands in nobody's way.
    fund("dep-2", "1").await.expect(202);
    transfer("1").await.expect(403);
}

#[tokio::test]
async fn numbers_of_all_tokens_are_counted_together_whatever_their_precision() {
    let app = TestApp::with(|variables| {
        let tokens = variables["TOKENS"].replace("USDT:", "CENT:");
        let tokens = format!("{}:2", tokens.strip_suffix(":6").unwrap());
        variables.insert("TOKENS", tokens);
    })
    .await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    acme.top_up("CENT", "100").await;
    let badges = app.badges_of(&acme);
    let plain = badges.plain("Plain").await;
    badges.assign(&plain, app.customer_of(acme.customer(&phone(1)).await).await).await;
    badges
        .rule(
            &plain,
            "all_received_month + amount <= tokens(\"10\") && all_deposits_day < 4 && deposits_day < 3 && all_sent_day == 0",
            "ULTT0010",
        )
        .await;
    let fund = async |deposit: &str, token: &str, amount: &str| {
        let mut body = fund_body(&phone(1), deposit, amount);
        body["target_token"] = json!(token);
        acme.live.post("/v1/users/fund", body).await.status
    };
    assert_eq!(fund("a", "USDC", "5").await, 202);
    assert_eq!(fund("b", "CENT", "5.01").await, 403);
    assert_eq!(fund("b", "CENT", "3.99").await, 202);
    assert_eq!(fund("c", "USDC", "1.010001").await, 403);
    assert_eq!(fund("c", "USDC", "0.5").await, 202);
    assert_eq!(fund("d", "USDC", "0.1").await, 202);
    // Of this token there is room for one more, of all together there is none.
    assert_eq!(fund("e", "CENT", "0.01").await, 403);
}

#[tokio::test]
async fn what_is_stored_is_looked_up_for_those_alone_whose_rules_ask_for_it() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    let badges = app.badges_of(&acme);
    let (curious, plain) = (badges.plain("Curious").await, badges.plain("Plain").await);
    for (index, badge) in [(1, &curious), (2, &plain)] {
        badges.assign(badge, app.customer_of(acme.customer(&phone(index)).await).await).await;
    }
    acme.customer(&phone(3)).await;
    badges.rule(&curious, "stored_value < tokens(\"5\")", "ULTT0001").await;
    badges.rule(&plain, "deposits_day < 5", "ULTT0002").await;
    let fund = |index: u32, deposit: &str| -> Call {
        let (caller, body) = (acme.live.clone(), fund_body(&phone(index), deposit, "1"));
        Box::pin(async move { caller.post("/v1/users/fund", body).await })
    };
    let before = scans(&app, "outside_movement").await;
    let answers = in_one_batch_in_turn(&app, fund(3, "busy"), vec![fund(1, "a"), fund(2, "b"), fund(2, "c")]).await;
    assert!(answers.iter().all(|answer| answer.status == 202));
    let after = until("the database tells", || async {
        let after = scans(&app, "outside_movement").await;
        (after > before).then_some(after)
    })
    .await;
    // For what Jane holds. What John holds is nobody's question.
    assert_eq!(after - before, 1);
}

#[tokio::test]
async fn a_deposit_that_an_operator_reversed_is_counted_no_more() {
    let Scene { app, acme, badges, plain, jane } = scene().await;
    badges.rule(&plain, "deposits_month < 1 && stored_value < tokens(\"1\")", "ULTT0001").await;
    acme.fund(&phone(1), "dep-1", "1").await.expect(202);
    acme.until_deposit_is("dep-1", "SETTLED").await;
    acme.fund(&phone(1), "dep-2", "1").await.expect(403);
    let mut sql = app.sql().await;
    // As if it had been written down long since.
    for written in [
        "insert into stored_value (tenant_id, customer_id, token, up_to, came, gone, updated_at)
        values ($1, $2, 'USDC', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 1000000, 0, now())",
        "insert into counted_month (tenant_id, customer_id, kind, month, up_to, not_ended, tokens, movements, amounts,
            updated_at)
        values ($1, $2, 'deposit', date_trunc('month', now() at time zone 'UTC') at time zone 'UTC',
            'ffffffff-ffff-ffff-ffff-ffffffffffff', '{}', '{USDC}', '{1}', '{1000000}', now())",
    ] {
        sqlx::query(written).bind(acme.id.0).bind(jane).execute(&mut sql).await.unwrap();
    }
    acme.fund(&phone(1), "dep-2", "1").await.expect(403);

    let undo = "update chain_op set undone = 'blacklisted' where reference = 'dep-1' returning id";
    let id: Uuid = sqlx::query_scalar(undo).fetch_one(&mut sql).await.unwrap();
    let end = app.operator().post(&format!("/admin/chain/reviews/{id}"), json!({"outcome": "failed"})).await;
    end.expect(200);
    acme.until_deposit_is("dep-1", "SETTLED").await;
    acme.fund(&phone(1), "dep-2", "1").await.expect(202);
    acme.fund(&phone(1), "dep-3", "1").await.expect(403);
}

fn id_at(at: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(at.timestamp_millis()).unwrap();
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, millis / 1000, 0))
}

/// A deposit of one token that a customer got so long ago.
async fn planted(sql: &mut PgConnection, tenant: Uuid, customer: Uuid, age: TimeDelta, status: &str) {
    let at = Utc::now() - age;
    let id = id_at(at);
    sqlx::query(
        "insert into deposit (tenant_id, mode, deposit_id, id, customer_id, wallet, token, amount, local_fiat_amount,
            status, created_at, ended_at)
        values ($1, 'test', $2::uuid::text, $2::uuid, $3, '', 'USDC', 1000000, 1, $4, $5,
            case when $4 = 'QUEUED' then null else $5 end)",
    )
    .bind(tenant)
    .bind(id)
    .bind(customer)
    .bind(status)
    .bind(at)
    .execute(sql)
    .await
    .unwrap();
}

async fn received_outside(app: &TestApp, tenant: Uuid, customer: Uuid, age: TimeDelta) {
    let at = Utc::now() - age;
    sqlx::query(
        "insert into outside_movement (tenant_id, id, customer_id, direction, wallet, counterparty, token, amount, tx_hash,
            block_number, log_index, created_at)
        values ($1, $2, $3, 'in', $4, $4, 'USDC', 1000000, $5, 1, 0, $6)",
    )
    .bind(tenant)
    .bind(id_at(at))
    .bind(customer)
    .bind(vec![7_u8; 20])
    .bind(vec![7_u8; 32])
    .bind(at)
    .execute(&mut app.sql().await)
    .await
    .unwrap();
}

#[tokio::test]
async fn what_ended_long_ago_is_added_up_once_and_what_becomes_known_late_is_not_lost() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    let badges = app.badges_of(&acme);
    let jane = rehearsing(&app, &acme, 1).await;
    let plain = badges.plain("Plain").await;
    badges.assign(&plain, jane).await;
    let (tenant, mut sql) = (acme.id.0, app.sql().await);
    // Three hundred tokens long ago, two that failed, one that has not ended for eight days, and three that came later.
    for n in 0..300 {
        planted(&mut sql, tenant, jane, TimeDelta::days(10) + TimeDelta::minutes(n), "SETTLED").await;
    }
    for hours in [1, 2] {
        planted(&mut sql, tenant, jane, TimeDelta::days(9) + TimeDelta::hours(hours), "FAILED").await;
    }
    planted(&mut sql, tenant, jane, TimeDelta::days(8), "QUEUED").await;
    for hours in [1, 2, 3] {
        planted(&mut sql, tenant, jane, TimeDelta::days(7) + TimeDelta::hours(hours), "SETTLED").await;
    }
    let mut deposits = 0;
    let mut fits = async |most: u32| {
        deposits += 1;
        let rule = badges.rule(&plain, &format!("stored_value == tokens(\"{most}\")"), "ULTT0001").await;
        let body = fund_body(&phone(1), &format!("dep-{deposits}"), "1");
        let status = acme.test.post("/v1/users/fund", body).await.status;
        badges.delete(&format!("/{plain}/rules/{rule}")).await.expect(204);
        status
    };
    let written = async || -> Option<(String, String)> {
        sqlx::query_as("select came::text, gone::text from stored_value where customer_id = $1")
            .bind(jane)
            .fetch_optional(&mut app.sql().await)
            .await
            .unwrap()
    };
    assert_eq!(fits(304).await, 202);
    // The one that has not ended is counted beside what is written down, and does not keep what came after it out of that.
    assert_eq!(written().await, Some(("303000000".to_owned(), "0".to_owned())));
    assert_eq!(fits(305).await, 202);

    // An indexer that was away for long: what it tells lies before what was written down, and that is thrown away.
    received_outside(&app, tenant, jane, TimeDelta::days(12)).await;
    assert_eq!(written().await, None);
    assert_eq!(fits(307).await, 202);
    assert_eq!(written().await, Some(("304000000".to_owned(), "0".to_owned())));
    received_outside(&app, tenant, jane, TimeDelta::hours(1)).await;
    assert_eq!(written().await, Some(("304000000".to_owned(), "0".to_owned())));
    assert_eq!(fits(309).await, 202);
    // A deep reorg undoes it.
    sqlx::query("update outside_movement set status = 'REVERSED' where created_at < now() - interval '11 days'")
        .execute(&mut app.sql().await)
        .await
        .unwrap();
    assert_eq!(written().await, None);
    assert_eq!(fits(309).await, 202);
}
