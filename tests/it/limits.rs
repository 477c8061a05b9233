//! Rate limits: of a key, and of an address for those who have proved nothing. FAULT 26 in small.

use std::time::Duration;

use insta::assert_snapshot;

use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::harness::until;

const BALANCE: &str = "/v1/users/balance?phone_number=%2B2250700000001";
const BURST: u64 = 30;

async fn app() -> TestApp {
    TestApp::with(|variables| {
        variables.insert("RATE_LIMIT_PER_SECOND", "1".to_owned());
        variables.insert("RATE_LIMIT_BURST", BURST.to_string());
    })
    .await
}

/// Asks until it is told to slow down.
async fn flood(caller: &Actor, path: &str) -> Answer {
    for _ in 0..BURST * 3 {
        let answer = caller.get(path).await;
        if answer.status == 429 {
            return answer;
        }
    }
    panic!("nobody said stop");
}

#[tokio::test]
async fn a_key_that_is_too_fast_is_told_when_to_come_back_and_others_go_on() {
    let app = app().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    // A key has an allowance of its own once it has been found good.
    for key in [&acme.live, &globex.live] {
        key.get(BALANCE).await.expect(404);
    }

    let refused = flood(&acme.live, BALANCE).await;
    assert_snapshot!(refused, @r#"429 {"error":"rate_limited","message":"too many requests; slow down"}"#);
    let number = |name: &str| refused.header(name).parse::<u64>().unwrap();
    assert_eq!((number("ratelimit-limit"), number("ratelimit-remaining")), (BURST, 0));
    assert!((1..=2).contains(&number("retry-after")), "{}", refused.header("retry-after"));
    assert!((1..=BURST).contains(&number("ratelimit-reset")), "{}", refused.header("ratelimit-reset"));
    assert_eq!(refused.header("content-type"), "application/json");

    let answer = globex.live.get(BALANCE).await.expect(404);
    assert!(answer.header("ratelimit-remaining").parse::<u64>().unwrap() > 0);
    until("the key may go on", || async { (acme.live.get(BALANCE).await.status == 404).then_some(()) }).await;
}

#[tokio::test]
async fn invented_keys_share_the_allowance_of_their_address() {
    let app = app().await;
    let mut refused = false;
    for index in 0..BURST * 3 {
        let stranger = app.nobody().with("x-api-key", &format!("sk_live_{index:064x}"));
        refused |= stranger.get(BALANCE).await.status == 429;
    }
    assert!(refused);
    assert_eq!(flood(&app.nobody(), "/version").await.status, 429);
    // Those who look after the server are answered all the same.
    for path in ["/healthz", "/metrics"] {
        app.nobody().get(path).await.expect(200);
    }
}

#[tokio::test]
async fn a_429_is_told_in_the_dialect_of_the_surface() {
    let app = app().await;
    assert_snapshot!(flood(&app.nobody(), "/tenant/x").await, @r#"429 {"errors":[{"message":"Too many requests","type":"Rate Limit Exceeded"}]}"#);
    assert_snapshot!(flood(&app.nobody(), "/v2/users/x").await, @r#"429 {"code":"TOO_MANY_REQUESTS","error":"Too Many Requests","errorDetails":"too many requests; slow down"}"#);
}

#[tokio::test]
async fn who_waits_as_long_as_told_is_let_in() {
    let app = app().await;
    let refused = flood(&app.nobody(), "/version").await;
    tokio::time::sleep(Duration::from_secs(refused.header("retry-after").parse().unwrap())).await;
    app.nobody().get("/version").await.expect(200);
}

#[tokio::test]
async fn however_a_token_is_written_it_is_one_allowance() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    let token = app.token(acme.id, &["waas"]);
    let written = |text: String| Actor::new(&app.base_url, &[("authorization", &text)]);
    const KEYS: &str = "/v1/dashboard/apikeys";
    let plain = written(format!("Bearer {token}"));
    plain.get(KEYS).await.expect(200);
    flood(&plain, KEYS).await;
    for other in ["bearer", "BEARER", "bEaReR"] {
        let other = written(format!("{other} {token}"));
        // The first one counts for the address, for nobody knows yet whose it is.
        other.get(KEYS).await;
        other.get(KEYS).await.expect(429);
    }
}
