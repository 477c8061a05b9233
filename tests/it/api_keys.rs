//! `/v1/dashboard/apikeys`: issued once, listed without secrets, dead within a second of being revoked.

use std::time::{Duration, Instant};

use insta::assert_snapshot;
use serde_json::json;

use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::harness::until;

const KEYS: &str = "/v1/dashboard/apikeys";
const BALANCE: &str = "/v1/users/balance?phone_number=%2B2250700000001";

async fn issue(dashboard: &Actor, name: &str) -> Answer {
    dashboard.post(KEYS, json!({"name": name})).await
}

#[tokio::test]
async fn a_key_is_issued_with_a_secret_that_is_shown_once() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;

    let issued = issue(&acme.clerk, "till 7").await;
    assert_snapshot!(issued.redacted(), @r#"201 {"id":"key_[id]","name":"till 7","mode":"live","key_secret":"sk_live_[secret]","prefix":"sk_live_[prefix]","created_at":"[time]"}"#);
    let rehearsal = acme.clerk.post(KEYS, json!({"name": "till 7", "mode": "test"})).await;
    assert_snapshot!(rehearsal.redacted(), @r#"201 {"id":"key_[id]","name":"till 7","mode":"test","key_secret":"sk_test_[secret]","prefix":"sk_test_[prefix]","created_at":"[time]"}"#);

    let secret = issued.json["key_secret"].as_str().unwrap();
    assert!(secret.starts_with(issued.json["prefix"].as_str().unwrap()));
    let till = Actor::new(&app.base_url, &[("x-api-key", secret)]);
    assert_eq!(till.get(BALANCE).await.error(), "wallet_not_provisioned");
    let listed = acme.clerk.get(KEYS).await;
    assert!(!listed.text.contains(secret) && !listed.text.contains(&secret[20..]));
    assert_snapshot!(listed.redacted(), @r#"200 {"data":[{"id":"key_[id]","name":"till 7","mode":"test","prefix":"sk_test_[prefix]","created_at":"[time]"},{"id":"key_[id]","name":"till 7","mode":"live","prefix":"sk_live_[prefix]","created_at":"[time]"},{"id":"key_[id]","name":"test","mode":"test","prefix":"sk_test_[prefix]","created_at":"[time]"},{"id":"key_[id]","name":"live","mode":"live","prefix":"sk_live_[prefix]","created_at":"[time]"}]}"#);
}

#[tokio::test]
async fn keys_are_listed_newest_first_in_pages() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    for name in ["a", "b", "c"] {
        issue(&acme.dashboard, name).await.expect(201);
    }
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = acme.dashboard.get(&format!("{KEYS}?limit=2{cursor}")).await.expect(200).json;
        names.extend(page["data"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(names, ["c", "b", "a", "test", "live"]);
    for query in ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=%00", "limit=1&limit=2"] {
        assert_eq!(acme.dashboard.get(&format!("{KEYS}?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_key_needs_a_name_of_its_own() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let key = issue(&acme.dashboard, "till").await.expect(201).json;

    assert_snapshot!(issue(&acme.dashboard, "till").await, @r#"409 {"error":"duplicate_name","message":"an API key of this name exists"}"#);
    issue(&globex.dashboard, "till").await.expect(201);
    // A revoked key's name is free again.
    acme.dashboard.delete(&format!("{KEYS}/{}", key["id"].as_str().unwrap())).await.expect(204);
    issue(&acme.dashboard, "till").await.expect(201);

    assert_snapshot!(issue(&acme.dashboard, "").await, @r#"400 {"error":"invalid_name","message":"name must have 1 to 100 characters"}"#);
    assert_snapshot!(issue(&acme.dashboard, &"x".repeat(101)).await, @r#"400 {"error":"invalid_name","message":"name must have 1 to 100 characters"}"#);
    assert_snapshot!(acme.dashboard.post(KEYS, json!({})).await, @r#"400 {"error":"missing_field","message":"name is required"}"#);
    assert_snapshot!(acme.dashboard.post(KEYS, json!({"name": "x", "mode": "prod"})).await, @r#"400 {"error":"invalid_mode","message":"mode is not valid: unknown variant `prod`, expected `live` or `test`"}"#);
}

#[tokio::test]
async fn only_a_dashboard_user_that_is_permitted_waas_deals_with_keys() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let guest = Actor::bearer(&app.base_url, &app.token(acme.id, &["reports"]));
    for answer in [guest.get(KEYS).await, issue(&guest, "x").await, guest.delete(&format!("{KEYS}/x")).await] {
        insta::allow_duplicates! { assert_snapshot!(answer, @r#"403 {"error":"missing_permission","message":"the token does not permit waas"}"#); }
    }
    for caller in [app.nobody(), acme.live, app.operator()] {
        for answer in [caller.get(KEYS).await, issue(&caller, "x").await, caller.delete(&format!("{KEYS}/x")).await] {
            assert_eq!(answer.status, 401, "{answer}");
        }
    }
}

#[tokio::test]
async fn only_a_key_that_works_is_revoked() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let id = issue(&acme.dashboard, "till").await.json["id"].as_str().unwrap().to_owned();

    let revoked = acme.dashboard.delete(&format!("{KEYS}/{id}")).await;
    assert_snapshot!(revoked, @"204");
    for unknown in [&*id, "x", "key_", &id.to_uppercase(), &id.replace("key_", "topup_"), &id[4..]] {
        let answer = acme.dashboard.delete(&format!("{KEYS}/{unknown}")).await;
        insta::allow_duplicates! { assert_snapshot!(answer, @r#"404 {"error":"key_not_found","message":"there is no such API key, or it is revoked already"}"#); }
    }
    let listed = acme.dashboard.get(&format!("{KEYS}?limit=1")).await;
    assert_snapshot!(listed.redacted(), @r#"200 {"data":[{"id":"key_[id]","name":"till","mode":"live","prefix":"sk_live_[prefix]","created_at":"[time]","revoked_at":"[time]"}],"next_cursor":"[cursor]"}"#);
}

#[tokio::test]
async fn a_revoked_key_stops_working_within_a_second_on_every_replica() {
    let app = TestApp::new().await;
    let replica = app.replica().await;
    let acme = app.tenant("acme").await;
    let key = issue(&acme.dashboard, "till").await.json;
    let till = Actor::new(&app.base_url, &[("x-api-key", key["key_secret"].as_str().unwrap())]);
    let servers = [till.clone(), till.at(&replica.base_url)];
    for server in &servers {
        assert_eq!(server.get(BALANCE).await.status, 404);
    }

    acme.dashboard.delete(&format!("{KEYS}/{}", key["id"].as_str().unwrap())).await.expect(204);

    let revoked = Instant::now();
    for server in &servers {
        until("the key is dead", || async {
            let asked = revoked.elapsed();
            let answer = server.get(BALANCE).await;
            assert!(answer.status == 401 || asked < Duration::from_secs(1), "{answer} after {asked:?}");
            (answer.error() == "invalid_api_key").then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_new_key_works_at_once_on_every_replica() {
    let app = TestApp::new().await;
    let replica = app.replica().await;
    let acme = app.tenant("acme").await;
    let key = issue(&acme.dashboard, "till").await.json;
    let till = Actor::new(&replica.base_url, &[("x-api-key", key["key_secret"].as_str().unwrap())]);
    assert_eq!(till.get(BALANCE).await.status, 404);
}
