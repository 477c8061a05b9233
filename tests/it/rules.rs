//! Rules of badges decide movements of money.

mod added_up;
mod barred;
mod batches;
mod counted;
mod held;
mod versions;
mod written;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{Datelike, Months, TimeDelta, Utc};
use futures_util::future::join_all;
use insta::{allow_duplicates, assert_snapshot};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fx::quote;
use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::harness::badges::{Badges, rule_body};
use crate::harness::rpc_proxy::Fault;
use crate::harness::tenant::{TestTenant, fund_body, phone};
use crate::harness::until;
use crate::harness::withdrawals::{send, send_body, until_is, withdraw_body};

/// Acme with money, and Jane with a badge that has no rules yet.
struct Scene {
    app: TestApp,
    acme: TestTenant,
    badges: Badges,
    jane: Uuid,
    plain: String,
}

async fn scene() -> Scene {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "1000").await;
    let badges = app.badges_of(&acme);
    let jane = app.customer_of(acme.customer(&phone(1)).await).await;
    let plain = badges.plain("Plain").await;
    badges.assign(&plain, jane).await;
    Scene { app, acme, badges, jane, plain }
}

/// A customer of the test keys, whose wallet holds whatever is asked of it.
async fn rehearsing(app: &TestApp, acme: &TestTenant, index: u32) -> Uuid {
    let made = acme.test.post("/v1/users/provision", json!({"phone_number": phone(index)})).await.expect(200).json;
    app.customer_of(made["wallet_address"].as_str().unwrap().parse().unwrap()).await
}

/// So many times the database has looked into a table, as far as it has told yet.
async fn scans(app: &TestApp, table: &str) -> i64 {
    let query =
        "select (coalesce(seq_scan, 0) + coalesce(idx_scan, 0))::bigint from pg_stat_user_tables where relname = $1";
    sqlx::query_scalar(query).bind(table).fetch_one(&mut app.sql().await).await.unwrap()
}

/// How often which answer came.
fn tally(answers: &[Answer]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for answer in answers {
        *tally.entry(format!("{} {}", answer.status, answer.error())).or_default() += 1;
    }
    tally
}

/// Twenty transfers of 1 USDC at once.
async fn twenty_transfers(caller: &Actor, from: u32, to: u32) -> Vec<Answer> {
    let (from, to) = (phone(from), phone(to));
    join_all((0..20).map(|_| send(caller, &from, &to, "1"))).await
}

#[tokio::test]
async fn a_movement_that_a_rule_forbids_is_refused_with_its_code_and_text() {
    let Scene { app: _app, acme, badges, plain, .. } = scene().await;
    badges.rule(&plain, "amount <= tokens(\"10.5\")", "ULDT2005").await;
    let refused = acme.fund(&phone(1), "dep-1", "10.500001").await;
    assert_snapshot!(refused, @r#"403 {"error":"rule_violated","error_code":"ULDT2005","message":"ULDT2005 not met"}"#);
    acme.fund(&phone(1), "dep-1", "10.5").await.expect(202);
    // A repetition learns what became of the first, whatever the rules say by now.
    badges.rule(&plain, "false", "ULDT2006").await;
    assert_eq!(acme.fund(&phone(1), "dep-1", "10.5").await.expect(409).error(), "duplicate_deposit");
    assert_eq!(acme.fund(&phone(1), "dep-2", "1").await.expect(403).json["error_code"], "ULDT2006");
    // Nothing of what was refused is left.
    assert_eq!(acme.dashboard.get("/v1/dashboard/deposits/dep-2").await.status, 404);
}

#[tokio::test]
async fn a_customer_without_a_badge_is_not_restricted() {
    let Scene { app: _app, acme, badges, plain, jane } = scene().await;
    badges.rule(&plain, "false", "ULTT0001").await;
    acme.customer(&phone(2)).await;
    acme.fund(&phone(2), "dep-1", "100").await.expect(202);
    acme.fund(&phone(1), "dep-2", "1").await.expect(403);
    badges.delete(&format!("/{plain}/assignments/{jane}")).await.expect(204);
    acme.fund(&phone(1), "dep-2", "1").await.expect(202);
}

#[tokio::test]
async fn the_starting_limits_of_bronze_hold_for_all_tokens_together() {
    let Scene { app, acme, badges, jane, .. } = scene().await;
    acme.top_up("USDT", "10000").await;
    let bronze = badges.starting("Bronze", "IDENTIFICATION").await;
    badges.assign(&bronze, jane).await;
    let fund = async |index: u32, deposit: &str, token: &str, amount: &str| {
        let mut body = fund_body(&phone(index), deposit, amount);
        body["target_token"] = json!(token);
        acme.live.post("/v1/users/fund", body).await
    };
    for deposit in 0..10 {
        let token = ["USDC", "USDT"][deposit % 2];
        fund(1, &format!("dep-{deposit}"), token, "50").await.expect(202);
    }
    for token in ["USDC", "USDT"] {
        let eleventh = fund(1, "dep-10", token, "1").await;
        allow_duplicates! { assert_snapshot!(eleventh, @r#"403 {"error":"rule_violated","error_code":"ULDT2005","message":"Maximum allowed number of deposit transactions per month for a user per wallet criteria not met"}"#); }
    }
    badges.assign(&badges.starting("Silver", "IDENTIFICATION").await, jane).await;
    fund(1, "dep-10", "USDC", "1").await.expect(202);

    let john = app.customer_of(acme.customer(&phone(2)).await).await;
    badges.assign(&bronze, john).await;
    fund(2, "dep-11", "USDT", "999").await.expect(202);
    let refused = fund(2, "dep-12", "USDC", "1.000001").await;
    assert_snapshot!(refused, @r#"403 {"error":"rule_violated","error_code":"ULTT0010","message":"Stored value per month criteria not met"}"#);
    fund(2, "dep-12", "USDC", "1").await.expect(202);
}

#[tokio::test]
async fn of_twenty_deposits_at_once_a_limit_admits_what_it_admits() {
    let Scene { app, acme, badges, plain, .. } = scene().await;
    badges.rule(&plain, "deposits_day < 7 && deposited_month + amount <= tokens(\"7\")", "ULDT2005").await;
    let second = app.replica().await;
    let elsewhere = acme.at(&second.base_url);
    let asked = (0..20).map(|deposit| {
        let tenant = if deposit % 2 == 0 { acme.clone() } else { elsewhere.clone() };
        async move { tenant.fund(&phone(1), &format!("dep-{deposit}"), "1").await }
    });
    let answers = join_all(asked).await;
    assert_eq!(tally(&answers), BTreeMap::from([("202 ".into(), 7), ("403 rule_violated".into(), 13)]));
}

#[tokio::test]
async fn of_twenty_transfers_at_once_the_senders_and_the_recipients_limits_hold() {
    let Scene { app, acme, badges, plain, .. } = scene().await;
    let (sender, recipient) = (rehearsing(&app, &acme, 11).await, rehearsing(&app, &acme, 12).await);
    rehearsing(&app, &acme, 13).await;
    let receiving = badges.plain("Receiving").await;
    badges.assign(&plain, sender).await;
    badges.assign(&receiving, recipient).await;
    badges.rule(&plain, "direction != \"out\" || transfers_out_day < 5", "ULTT0001").await;
    badges.rule(&receiving, "direction != \"in\" || transferred_in_month + amount <= tokens(\"3\")", "ULTT0002").await;

    let answers = twenty_transfers(&acme.test, 11, 12).await;
    assert_eq!(tally(&answers), BTreeMap::from([("202 ".into(), 3), ("403 rule_violated".into(), 17)]));
    assert!(answers.iter().filter(|a| a.status == 403).all(|a| a.json["error_code"] == "ULTT0002"));
    // What the recipient's rule refused has not used up what the sender's admits.
    let answers = twenty_transfers(&acme.test, 11, 13).await;
    assert_eq!(tally(&answers), BTreeMap::from([("202 ".into(), 2), ("403 rule_violated".into(), 18)]));
    // Another customer's transfers are not counted.
    send(&acme.test, &phone(13), &phone(11), "1").await.expect(202);
}

#[tokio::test]
async fn transfers_to_and_fro_between_customers_with_badges_do_not_wait_for_each_other() {
    let Scene { app, acme, badges, plain, .. } = scene().await;
    for index in [11, 12] {
        badges.assign(&plain, rehearsing(&app, &acme, index).await).await;
    }
    badges.rule(&plain, "amount > 0", "ULTT0001").await;
    let asked = (0..40).map(|turn| {
        let (from, to) = if turn % 2 == 0 { (11, 12) } else { (12, 11) };
        let caller = acme.test.clone();
        async move { send(&caller, &phone(from), &phone(to), "1").await }
    });
    assert_eq!(tally(&join_all(asked).await), BTreeMap::from([("202 ".into(), 40)]));
}

#[tokio::test]
async fn withdrawals_are_counted_and_refused() {
    let Scene { app, acme, badges, plain, .. } = scene().await;
    badges.assign(&plain, rehearsing(&app, &acme, 11).await).await;
    badges
        .rule(&plain, "kind != \"withdrawal\" || withdrawals_month < 2 && withdrawn_day < tokens(\"3\")", "ULTT0003")
        .await;
    let withdraw = async || acme.test.post("/v1/users/withdraw", withdraw_body(&phone(11), "2", None)).await;
    withdraw().await.expect(202);
    withdraw().await.expect(202);
    assert_snapshot!(withdraw().await, @r#"403 {"error":"rule_violated","error_code":"ULTT0003","message":"ULTT0003 not met"}"#);
}

#[tokio::test]
async fn live_transfers_and_withdrawals_are_ruled_and_a_refused_one_leaves_its_quote() {
    let Scene { app, acme, badges, plain, .. } = scene().await;
    acme.customer(&phone(2)).await;
    acme.customer_with(&phone(1), "20").await;
    let rule = badges.rule(&plain, "direction == \"in\"", "ULTT0003").await;
    let quoted = quote(&acme.live, "XOF", "1000").await.expect(200).json;
    let body = json!({"sender_phone": phone(1), "recipient_phone": phone(2), "quote_id": quoted["quote_id"]});
    let asked = async || acme.live.post("/v1/transfers/send", body.clone()).await;
    let withdrawn = async || acme.live.post("/v1/users/withdraw", withdraw_body(&phone(1), "2", None)).await;
    for refused in [asked().await, withdrawn().await] {
        allow_duplicates! { assert_snapshot!(refused, @r#"403 {"error":"rule_violated","error_code":"ULTT0003","message":"ULTT0003 not met"}"#); }
    }
    badges.delete(&format!("/{plain}/rules/{rule}")).await.expect(204);
    let sent = asked().await.expect(202);
    withdrawn().await.expect(202);
    // Both happen, and of the twenty tokens nothing else has gone.
    until_is(&app, sent.json["transfer_id"].as_str().unwrap(), "SETTLED").await;
    assert_eq!(asked().await.error(), "quote_used");
}

#[tokio::test]
async fn a_badge_that_is_given_while_the_chain_is_asked_rules_and_does_not_disturb() {
    let Scene { app, acme, badges, plain, jane } = scene().await;
    acme.customer(&phone(2)).await;
    acme.customer_with(&phone(1), "20").await;
    badges.delete(&format!("/{plain}/assignments/{jane}")).await.expect(204);
    let held = json!(format!("0x{:064x}", 20_000_000));
    for (path, body) in [
        ("/v1/transfers/send", send_body(&phone(1), &phone(2), "1")),
        ("/v1/users/withdraw", withdraw_body(&phone(1), "1", None)),
    ] {
        let before = app.rpc_proxy.calls("eth_call").len();
        app.rpc_proxy.next(1, "eth_call", Fault::AnswerLate(Duration::from_millis(1000), held.clone()));
        let caller = acme.live.clone();
        let asked = tokio::spawn(async move { caller.post(path, body).await });
        until("the chain is asked", || async { (app.rpc_proxy.calls("eth_call").len() > before).then_some(()) }).await;
        badges.assign(&plain, jane).await;
        let accepted = asked.await.unwrap().expect(202).json;
        // So that nobody else asks the chain when the next one does.
        if let Some(transfer) = accepted["transfer_id"].as_str() {
            until_is(&app, transfer, "SETTLED").await;
        }
        badges.delete(&format!("/{plain}/assignments/{jane}")).await.expect(204);
    }
}

#[tokio::test]
async fn what_lacks_funds_does_not_use_a_limit_up() {
    let Scene { app: _app, acme, badges, plain, .. } = scene().await;
    badges.rule(&plain, "deposits_day < 1", "ULDT2005").await;
    // Together they are one batch or several: either way the one that is covered comes through.
    let asked = (0..12).map(|deposit| {
        let acme = acme.clone();
        let amount = if deposit == 11 { "1" } else { "5000" };
        async move { acme.fund(&phone(1), &format!("dep-{deposit}"), amount).await }
    });
    let answers = join_all(asked).await;
    let tally = tally(&answers);
    assert_eq!(tally.get("202 "), Some(&1), "{tally:?}");
    assert_eq!(
        tally.get("402 insufficient_balance").copied().unwrap_or(0)
            + tally.get("403 rule_violated").copied().unwrap_or(0),
        11
    );
}

#[tokio::test]
async fn a_rule_counts_from_its_beginning_to_its_end_and_until_a_version_follows() {
    let Scene { app, acme, badges, plain, .. } = scene().await;
    let mut caller = acme.clone();
    let now = app.app.clock.now();
    let path = format!("/{plain}/rules");
    let version = |expression: &str, days: (i64, i64)| {
        let mut body = rule_body(expression, "ULTT0001");
        body["starts_at"] = json!(now + TimeDelta::days(days.0));
        body["ends_at"] = json!(now + TimeDelta::days(days.1));
        body
    };
    let first = badges.post(&path, version("amount < tokens(\"1\")", (1, 9))).await.expect(201).json;
    let rule = first["id"].as_str().unwrap().to_owned();
    badges.post(&format!("{path}/{rule}"), version("amount < tokens(\"2\")", (3, 5))).await.expect(201);
    let statuses = async || {
        let rules = badges.get(&path).await.expect(200).json;
        let status = |rule: &Value| format!("{} {}", rule["version"], rule["status"].as_str().unwrap());
        rules["data"].as_array().unwrap().iter().map(status).collect::<Vec<_>>().join(", ")
    };
    let mut story = String::new();
    for day in 0..10 {
        let answers = [
            caller.fund(&phone(1), &format!("a-{day}"), "1").await,
            caller.fund(&phone(1), &format!("b-{day}"), "2").await,
        ];
        let [one, two] = answers.map(|answer| answer.status);
        story += &format!("day {day}: 1 {one}, 2 {two}; {}\n", statuses().await);
        app.app.clock.move_by(TimeDelta::days(1));
        // Tokens of people do not last a day.
        caller.dashboard = Actor::bearer(&app.base_url, &app.token(acme.id, &["waas"]));
    }
    assert_snapshot!(story, @r"
    day 0: 1 202, 2 202; 2 pending, 1 pending
    day 1: 1 403, 2 403; 2 pending, 1 active
    day 2: 1 403, 2 403; 2 pending, 1 active
    day 3: 1 202, 2 403; 2 active, 1 superseded
    day 4: 1 202, 2 403; 2 active, 1 superseded
    day 5: 1 403, 2 403; 2 expired, 1 active
    day 6: 1 403, 2 403; 2 expired, 1 active
    day 7: 1 403, 2 403; 2 expired, 1 active
    day 8: 1 403, 2 403; 2 expired, 1 active
    day 9: 1 202, 2 202; 2 expired, 1 expired
    ");
    // What was put out of use counts no more, until another version follows.
    badges.post(&format!("{path}/{rule}"), rule_body("false", "ULTT0001")).await.expect(201);
    caller.fund(&phone(1), "c", "1").await.expect(403);
    badges.delete(&format!("{path}/{rule}")).await.expect(204);
    caller.fund(&phone(1), "c", "1").await.expect(202);
    assert!(statuses().await.starts_with("3 inactive, 2 inactive"));
    assert_eq!(badges.delete(&format!("{path}/{rule}")).await.status, 404);
}

#[tokio::test]
async fn counts_begin_again_with_the_day_and_with_the_month() {
    let Scene { app, acme, badges, plain, .. } = scene().await;
    badges.rule(&plain, "deposits_day < 1 && deposits_month < 2", "ULDT2005").await;
    // From the first of a month on; 33 days later another has begun, and two days of it have passed.
    let first = app.app.clock.now().date_naive().checked_add_months(Months::new(1)).unwrap();
    let first = first.with_day(1).unwrap();
    app.app.clock.move_by(first.and_hms_opt(12, 0, 0).unwrap().and_utc() - app.app.clock.now());
    let mut told = Vec::new();
    for day in 0..33 {
        for turn in 0..2 {
            told.push(acme.fund(&phone(1), &format!("dep-{day}-{turn}"), "1").await.status);
        }
        app.app.clock.move_by(TimeDelta::days(1));
    }
    assert_eq!(told[..6], [202, 403, 202, 403, 403, 403]);
    assert_eq!(told.iter().filter(|status| **status == 202).count(), 4, "{told:?}");
}

#[tokio::test]
async fn rules_ask_for_badges_wallets_and_what_is_stored() {
    let Scene { app: _app, acme, badges, plain, jane } = scene().await;
    let (limits, strict, loose) = (
        badges.of_kind("Limits", "FINANCIAL").await,
        badges.of_kind("Strict", "FINANCIAL").await,
        badges.of_kind("Loose", "FINANCIAL").await,
    );
    badges
        .rule(
            &limits,
            "stored_value + amount <= tokens(\"5\") && badge == \"Plain\" && user_group == \"WALLET_USER\"",
            "ULTT0001",
        )
        .await;
    badges.rule(&strict, "\"Staff\" in information_badges", "ULTT0002").await;
    let link = async |body: Value| badges.post(&format!("/{plain}/links"), body).await.expect(200);
    link(json!({"token": "USDC", "financial_badge_id": limits})).await;
    acme.fund(&phone(1), "dep-1", "3").await.expect(202);
    assert_eq!(acme.fund(&phone(1), "dep-2", "2.000001").await.expect(403).json["error_code"], "ULTT0001");
    acme.fund(&phone(1), "dep-2", "2").await.expect(202);

    // A custom financial badge stands in for the other; an information badge is seen.
    link(json!({"token": "USDC", "financial_badge_id": limits, "custom_financial_badge_id": strict})).await;
    assert_eq!(acme.fund(&phone(1), "dep-3", "1").await.expect(403).json["error_code"], "ULTT0002");
    badges.assign(&badges.of_kind("Staff", "INFORMATION").await, jane).await;
    acme.fund(&phone(1), "dep-3", "1").await.expect(202);

    // The wallet's own comes before both.
    badges.rule(&loose, "amount < tokens(\"100\")", "ULTT0003").await;
    let wallet = acme.customer(&phone(1)).await;
    let body = json!({"customer_id": jane, "wallet_address": wallet.to_string(), "token": "USDC"});
    badges.post(&format!("/{loose}/assignments"), body).await.expect(200);
    acme.fund(&phone(1), "dep-4", "99").await.expect(202);
    assert_eq!(acme.fund(&phone(1), "dep-5", "100").await.expect(403).json["error_code"], "ULTT0003");
    // Of another token there is no rule.
    acme.top_up("USDT", "1000").await;
    let mut body = fund_body(&phone(1), "dep-6", "500");
    body["target_token"] = json!("USDT");
    acme.live.post("/v1/users/fund", body).await.expect(202);
}

#[tokio::test]
async fn a_badge_of_a_live_customer_is_none_of_the_test_customer_with_the_same_number() {
    let Scene { app, acme, badges, plain, .. } = scene().await;
    badges.rule(&plain, "deposits_day < 1", "ULDT2005").await;
    let twin = rehearsing(&app, &acme, 1).await;
    let fund = async |caller: &Actor, deposit: &str| {
        caller.post("/v1/users/fund", fund_body(&phone(1), deposit, "1")).await.status
    };
    assert_eq!((fund(&acme.live, "dep-1").await, fund(&acme.live, "dep-2").await), (202, 403));
    assert_eq!((fund(&acme.test, "dep-1").await, fund(&acme.test, "dep-2").await), (202, 202));
    // With one of its own it is ruled, by its own movements.
    badges.assign(&plain, twin).await;
    assert_eq!(fund(&acme.test, "dep-3").await, 403);
}
