//! Many deposits in one batch: each is decided as if those before it that happen had happened, and no other.

use std::collections::BTreeMap;

use serde_json::json;

use super::{scans, tally};
use crate::funding_at_once::{Call, app, in_one_batch, in_one_batch_in_turn};
use crate::harness::actor::Actor;
use crate::harness::app::TestApp;
use crate::harness::badges::Badges;
use crate::harness::tenant::{TestTenant, fund_body, phone};
use crate::harness::until;

/// Acme with so much money, Jane with a plain badge, and John without any.
async fn acme(app: &TestApp, usdc: &str) -> (TestTenant, Badges, String) {
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", usdc).await;
    let (badges, jane) = (app.badges_of(&acme), acme.customer(&phone(1)).await);
    acme.customer(&phone(2)).await;
    let plain = badges.plain("Plain").await;
    badges.assign(&plain, app.customer_of(jane).await).await;
    (acme, badges, plain)
}

fn fund(caller: &Actor, index: u32, deposit: &str, amount: &str) -> Call {
    let (caller, body) = (caller.clone(), fund_body(&phone(index), deposit, amount));
    Box::pin(async move { caller.post("/v1/users/fund", body).await })
}

/// What becomes of Jane's deposits, named and priced, in one batch.
async fn together(app: &TestApp, acme: &TestTenant, caller: &Actor, deposits: &[(&str, &str)]) -> Vec<String> {
    let calls = deposits.iter().map(|(name, amount)| fund(caller, 1, name, amount)).collect();
    let answers = in_one_batch_in_turn(app, fund(&acme.live, 2, &format!("busy-{}", deposits[0].0), "1"), calls).await;
    answers.iter().map(|answer| format!("{} {}", answer.status, answer.error()).trim().to_owned()).collect()
}

#[tokio::test]
async fn what_comes_to_nothing_is_counted_by_nobody() {
    let app = app().await;
    let (acme, badges, plain) = acme(&app, "41").await;
    // More than once is allowed of small amounts only after a large one.
    badges.rule(&plain, "deposits_month > 0 || amount >= tokens(\"10\")", "ULDT2005").await;
    let told = together(&app, &acme, &acme.live, &[("a", "50"), ("b", "5"), ("c", "20"), ("c", "1"), ("d", "5")]).await;
    assert_eq!(told, ["402 insufficient_balance", "403 rule_violated", "202", "409 duplicate_deposit", "202"]);
    assert_eq!(acme.balance().await, ("15.000000".to_owned(), "26.000000".to_owned()));
}

#[tokio::test]
async fn what_repeats_is_counted_once_whether_it_is_known_or_asked_for_twice() {
    let app = app().await;
    let (acme, badges, plain) = acme(&app, "100").await;
    badges.rule(&plain, "deposits_month < 2", "ULDT2005").await;
    acme.fund(&phone(1), "a", "1").await.expect(202);
    let told = together(&app, &acme, &acme.live, &[("a", "1"), ("a", "2"), ("b", "1"), ("b", "1"), ("c", "1")]).await;
    let repeated = "409 duplicate_deposit";
    assert_eq!(told, [repeated, repeated, "202", repeated, "403 rule_violated"]);
}

#[tokio::test]
async fn a_name_that_a_test_key_uses_again_after_a_shortage_is_ruled_like_any_other() {
    let app = app().await;
    let (acme, badges, plain) = acme(&app, "100").await;
    let made = acme.test.post("/v1/users/provision", json!({"phone_number": phone(1)})).await.expect(200).json;
    let twin = app.customer_of(made["wallet_address"].as_str().unwrap().parse().unwrap()).await;
    badges.assign(&plain, twin).await;
    badges.rule(&plain, "deposits_day < 1", "ULDT2005").await;
    let told = together(&app, &acme, &acme.test, &[("a", "1.000003"), ("a", "1"), ("b", "1"), ("a", "1")]).await;
    assert_eq!(told, ["402 insufficient_balance", "202", "403 rule_violated", "409 duplicate_deposit"]);
}

#[tokio::test]
async fn one_customers_hopeless_deposits_are_decided_in_one_go() {
    let app = app().await;
    let (acme, badges, plain) = acme(&app, "100").await;
    badges.rule(&plain, "deposits_day < 1", "ULDT2005").await;
    let before = scans(&app, "badge_assignment").await;
    let calls = (0..100).map(|n| fund(&acme.live, 1, &format!("dep-{n}"), "5000")).collect();
    let answers = in_one_batch(&app, vec![fund(&acme.live, 2, "busy", "1")], calls, async || {}).await;
    assert_eq!(tally(&answers), BTreeMap::from([("402 insufficient_balance".to_owned(), 100)]));
    // Two looks a deposit: for what identifies and for what informs.
    let looks = until("the database tells", || async {
        let looks = scans(&app, "badge_assignment").await - before;
        (looks >= 100).then_some(looks)
    })
    .await;
    assert!(looks < 500, "{looks}");
}

#[tokio::test]
async fn a_rule_that_cannot_be_read_refuses_its_own_customers_and_nobody_else() {
    let app = app().await;
    let (acme, badges, plain) = acme(&app, "100").await;
    let other = badges.plain("Other").await;
    badges.assign(&other, app.customer_of(acme.customer(&phone(2)).await).await).await;
    badges.rule(&other, "deposits_day < 2", "ULDT2005").await;
    let rule = badges.rule(&plain, "amount > 0", "ULDT2006").await;
    sqlx::query("update badge_rule set expression = 'of another release()' where id = $1::uuid")
        .bind(&rule)
        .execute(&mut app.sql().await)
        .await
        .unwrap();
    let calls = vec![fund(&acme.live, 2, "a", "1"), fund(&acme.live, 1, "b", "1"), fund(&acme.live, 2, "c", "1")];
    let answers = in_one_batch_in_turn(&app, fund(&acme.live, 2, "busy", "1"), calls).await;
    assert_eq!([&answers[0], &answers[2]].map(|answer| answer.status), [202, 403]);
    insta::assert_snapshot!(answers[1], @r#"403 {"error":"rule_violated","error_code":"ULDT2006","message":"ULDT2006 not met"}"#);
    // It is counted and told once, and not read again for each movement.
    for deposit in ["d", "e", "f"] {
        acme.fund(&phone(1), deposit, "1").await.expect(403);
    }
    let metrics = app.nobody().get("/metrics").await.text;
    let counted = metrics.lines().find(|line| line.starts_with("diolkos_rules_unreadable_total"));
    assert!(counted.is_some_and(|line| line.ends_with(" 1")), "{counted:?}");
}
