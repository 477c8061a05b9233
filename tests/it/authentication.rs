//! Who is let in where; FAULT 24 for API keys.

use alloy::signers::local::PrivateKeySigner;
use insta::{allow_duplicates, assert_snapshot};

use crate::harness::actor::Actor;
use crate::harness::app::TestApp;
use crate::harness::document::operations;
use crate::harness::wire;
use crate::sign_in::{device, knows, sign_in};

const DEPOSITS: &str = "/v1/dashboard/deposits";
const JANE: &str = "+2250700000001";
const BALANCE: &str = "/v1/users/balance?phone_number=%2B2250700000001";

#[tokio::test]
async fn every_route_opens_to_its_own_kind_of_caller_and_to_nobody_else() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let operator_token = &app.variables["OPERATOR_TOKEN"];
    let jane = PrivateKeySigner::random();
    knows(&app, &acme, 1, jane.address()).await;
    let wallet = sign_in(&app, &jane).await;
    let pair = [("tenant-id", &*acme.id.to_string()), ("api-key", &acme.live_key)];
    let callers = [
        ("", app.nobody()),
        ("api_key", acme.live.clone()),
        ("api_key", acme.test.clone()),
        ("api_key", Actor::new(&app.base_url, &pair)),
        ("wallet", Actor::bearer(&app.base_url, &wallet)),
        ("wallet", app.nobody().with("access-token", &wallet)),
        ("preauth", device(&app, &acme, "xyz").await),
        ("bearer", acme.dashboard.clone()),
        ("operator", app.operator()),
        // The right secrets in the wrong places.
        ("", Actor::bearer(&app.base_url, &acme.live_key)),
        ("", app.nobody().with("x-api-key", operator_token)),
        ("", app.nobody().with("authorization", operator_token)),
        ("", app.nobody().with("access-token", &app.token(acme.id, &["waas"]))),
        ("", app.nobody().with("x-api-key", &wallet)),
        ("", Actor::new(&app.base_url, &pair[..1])),
    ];
    for operation in operations() {
        let schemes = operation.schemes();
        for (scheme, caller) in &callers {
            let answer = caller.send(operation.method.parse().unwrap(), &operation.any_path(), None).await;
            let is_let_in = schemes.is_empty() || schemes.contains(scheme);
            assert_eq!(answer.status != 401, is_let_in, "{} as {scheme:?}: {answer}", operation.name());
            assert_eq!(answer.header("www-authenticate").is_empty(), is_let_in, "{}", operation.name());
        }
    }
}

#[tokio::test]
async fn who_sends_no_credentials_is_told_which() {
    let app = TestApp::new().await;
    assert_snapshot!(app.nobody().get(BALANCE).await, @r#"401 {"error":"missing_api_key","message":"send the API key as X-API-Key, or tenant-id and api-key"}"#);
    assert_snapshot!(app.nobody().with("api-key", "k").get(BALANCE).await, @r#"401 {"error":"missing_tenant_id","message":"the header api-key goes with tenant-id"}"#);
    assert_snapshot!(app.nobody().get(DEPOSITS).await, @r#"401 {"error":"missing_token","message":"send the token as Authorization: Bearer"}"#);
    assert_snapshot!(app.nobody().get("/admin/tenants").await, @r#"401 {"error":"missing_token","message":"send the token as Authorization: Bearer"}"#);
}

#[tokio::test]
async fn a_wrong_key_or_token_is_told_nothing_more() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let digits = "0".repeat(64);
    let mut close = acme.live_key.clone();
    let last = close.pop().unwrap();
    close.push(if last == '0' { '1' } else { '0' });
    for key in ["", "x", &format!("sk_live_{digits}"), &close, &acme.live_key.replace("live", "test"), "' or 1=1 --"] {
        let answer = app.nobody().with("x-api-key", key).get(BALANCE).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"401 {"error":"invalid_api_key","message":"the API key is unknown or revoked"}"#); }
    }
    for token in ["x", &app.variables["OPERATOR_TOKEN"][1..], &acme.live_key] {
        let answer = Actor::bearer(&app.base_url, token).get("/admin/tenants").await;
        allow_duplicates! { assert_snapshot!(answer, @r#"401 {"error":"invalid_token","message":"the token is not valid or has expired"}"#); }
    }
}

#[tokio::test]
async fn a_header_sent_twice_counts_as_wrong() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let key = &acme.live_key;
    let request = format!(
        "GET {BALANCE} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {key}\r\nx-api-key: {key}\r\n\r\n"
    );
    let answer = wire::send(&app.base_url, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("invalid_api_key"), "{answer}");
}

#[tokio::test]
async fn fault_24_another_tenants_key_with_the_pair_of_headers_opens_nothing() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    acme.customer(JANE).await;
    let pair = |tenant: &str, key: &str| Actor::new(&app.base_url, &[("tenant-id", tenant), ("api-key", key)]);
    let (acme_id, globex_id) = (acme.id.to_string(), globex.id.to_string());

    pair(&acme_id, &acme.live_key).get(BALANCE).await.expect(200);
    let claims = [(&acme_id, &globex.live_key), (&globex_id, &acme.live_key), (&acme_id, &globex.test_key)];
    for (tenant, key) in claims {
        let answer = pair(tenant, key).get(BALANCE).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"401 {"error":"invalid_api_key","message":"the API key is unknown or revoked"}"#); }
    }
    assert_eq!(pair("acme.ul", &acme.live_key).get(BALANCE).await.error(), "invalid_api_key");
    // With X-API-Key the key alone says who is calling.
    assert_eq!(globex.live.with("tenant-id", &acme_id).get(BALANCE).await.error(), "wallet_not_provisioned");
}
