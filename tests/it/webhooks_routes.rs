//! `/v1/dashboard/webhooks`: every documented answer of every route.

use std::time::Duration;

use insta::{allow_duplicates, assert_json_snapshot, assert_snapshot};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::Executor;

use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::harness::tenant::TestTenant;
use crate::harness::webhook_receiver::{Behaviour, Receiver};
use crate::webhooks::{acme, app, app_without_worker, simulate};

const HOOKS: &str = "/v1/dashboard/webhooks";
const LOGS: &str = "/v1/dashboard/webhooks/logs";
const NOWHERE: &str = "http://127.0.0.1:9/";

/// Every route, for an endpoint and a log.
fn routes(hook: &str, log: &str) -> Vec<(Method, String)> {
    vec![
        (Method::POST, HOOKS.to_owned()),
        (Method::GET, HOOKS.to_owned()),
        (Method::POST, format!("{HOOKS}/{hook}/test")),
        (Method::POST, format!("{HOOKS}/{hook}/rotate-secret")),
        (Method::GET, format!("{LOGS}?endpoint={hook}")),
        (Method::POST, format!("{LOGS}/{log}/replay")),
        (Method::DELETE, format!("{HOOKS}/{hook}")),
    ]
}

async fn call(caller: &Actor, method: &Method, path: &str) -> Answer {
    let body =
        (*method == Method::POST).then(|| ("application/json", json!({"url": NOWHERE}).to_string().into_bytes()));
    caller.send(method.clone(), path, body).await
}

async fn create(tenant: &TestTenant, body: Value) -> Answer {
    tenant.dashboard.post(HOOKS, body).await
}

/// A webhook and a log of a test of it, which is still on its way.
async fn hook_and_log(tenant: &TestTenant) -> (String, String) {
    let hook = tenant.hook(NOWHERE, None).await;
    let test = tenant.dashboard.post(&format!("{HOOKS}/{}/test", hook.id), json!({})).await.expect(202);
    (hook.id, test.json["log_id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_webhook_is_made_with_a_secret_that_is_shown_once() {
    let app = app_without_worker().await;
    let acme = app.tenant("acme").await;

    let body = json!({"url": "https://Example.com/a b?c=d", "events": ["deposit.failed"], "description": "till"});
    let made = create(&acme, body).await.expect(201).json;

    assert_json_snapshot!(made, {".id" => "webhook_…", ".secret" => "whsec_…", ".created_at" => "…"}, @r#"
    {
      "created_at": "…",
      "description": "till",
      "events": [
        "deposit.failed"
      ],
      "id": "webhook_…",
      "secret": "whsec_…",
      "url": "https://example.com/a%20b?c=d"
    }
    "#);
    let listed = acme.dashboard.get(HOOKS).await.expect(200).json;
    let mut expected = made.clone();
    expected.as_object_mut().unwrap().remove("secret");
    assert_eq!(listed["data"], json!([expected]));

    let all = create(&acme, json!({"url": NOWHERE})).await.expect(201).json;
    assert_eq!((&all["events"], &all["description"]), (&json!(null), &json!(null)));
    assert_ne!(all["secret"], made["secret"]);
}

#[tokio::test]
async fn a_webhook_that_makes_no_sense_is_refused() {
    let app = TestApp::with(|variables| {
        variables.insert("ROLES", "api".to_owned());
    })
    .await;
    let acme = app.tenant("acme").await;
    let long = format!("https://example.com/{}", "x".repeat(2048));
    let (scheme, malformed, private) =
        ("must begin with https://", "must be an absolute URL", "must lead to a public address");
    for (url, why) in [
        ("http://example.com/", scheme),
        ("ftp://example.com/", scheme),
        ("", malformed),
        ("example.com", malformed),
        ("https://user:pass@example.com/", malformed),
        ("https://example.com/#part", malformed),
        (&long, malformed),
        ("https://127.0.0.1/", private),
        ("https://[::1]/", private),
        ("https://[::ffff:192.168.0.1]/", private),
        ("https://10.1.2.3:8443/", private),
        ("https://100.64.0.1/", private),
        ("https://169.254.169.254/latest/meta-data", private),
        ("https://0x7f.1/", private),
        ("https://localhost/", private),
    ] {
        let answer = create(&acme, json!({"url": url})).await;
        assert_eq!((answer.status, answer.error()), (400, "invalid_url"), "{url}: {answer}");
        assert!(answer.json["message"].as_str().unwrap().contains(why), "{url}: {answer}");
    }
    let good = "https://93.184.216.34/";
    for (body, error) in [
        (json!({}), "missing_field"),
        (json!({"url": 1}), "invalid_url"),
        (json!({"url": good, "events": []}), "invalid_events"),
        (json!({"url": good, "events": "deposit.settled"}), "invalid_events"),
        (json!({"url": good, "events": ["deposit.lost"]}), "invalid_events"),
        (json!({"url": good, "description": "x".repeat(501)}), "invalid_description"),
    ] {
        let answer = create(&acme, body).await;
        assert_eq!((answer.status, answer.error()), (400, error), "{answer}");
    }
    let bytes = |kind: &'static str, body: Vec<u8>| acme.dashboard.post_bytes(HOOKS, kind, body);
    assert_eq!(bytes("text/plain", b"{}".to_vec()).await.status, 415);
    assert_eq!(bytes("application/json", vec![b' '; 2 << 20]).await.status, 413);
    assert_eq!(acme.dashboard.get(HOOKS).await.expect(200).json["data"], json!([]));
    create(&acme, json!({"url": good})).await.expect(201);
}

#[tokio::test]
async fn a_tenant_has_at_most_20_webhooks_also_when_they_are_made_at_once() {
    let app = app_without_worker().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);

    let answers = futures::future::join_all((0..30).map(|_| create(&acme, json!({"url": NOWHERE})))).await;

    let made: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 20);
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        allow_duplicates! { assert_snapshot!(refused, @r#"409 {"error":"too_many_webhooks","message":"a tenant has at most 20 webhooks; delete one first"}"#); }
    }
    create(&globex, json!({"url": NOWHERE})).await.expect(201);
    let first = made[0].json["id"].as_str().unwrap();
    acme.dashboard.delete(&format!("{HOOKS}/{first}")).await.expect(204);
    create(&acme, json!({"url": NOWHERE})).await.expect(201);

    let page = acme.dashboard.get(&format!("{HOOKS}?limit=15")).await.expect(200).json;
    let next = format!("{HOOKS}?limit=15&cursor={}", page["next_cursor"].as_str().unwrap());
    let rest = acme.dashboard.get(&next).await.expect(200).json;
    assert_eq!((page["data"].as_array().unwrap().len(), rest["data"].as_array().unwrap().len()), (15, 5));
    assert!(rest["next_cursor"].is_null());
    for query in ["limit=0", "limit=101", "cursor=x", "limit=x"] {
        assert_eq!(acme.dashboard.get(&format!("{HOOKS}?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_deleted_webhook_is_told_nothing_more() {
    let app = app().await;
    let acme = acme(&app).await;
    let receiver = Receiver::start().await;
    receiver.does(Behaviour::Status(500));
    let hook = acme.hook(&receiver.url, None).await;
    simulate(&acme, "dep_1").await;
    receiver.until_received(1).await;
    crate::harness::until("all of its events wait", || async { (acme.hook_logs().await.len() == 3).then_some(()) })
        .await;

    acme.dashboard.delete(&format!("{HOOKS}/{}", hook.id)).await.expect(204);
    simulate(&acme, "dep_2").await;

    let logs = acme.until_hook_logs_are(3, "failed").await;
    assert_eq!(logs[2]["error"], "the webhook was deleted");
    for path in [format!("{HOOKS}/{}", hook.id), format!("{HOOKS}/x"), format!("{HOOKS}/key_{}", &hook.id[8..])] {
        let answer = acme.dashboard.delete(&path).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"404 {"error":"webhook_not_found","message":"there is no such webhook, or it is deleted"}"#); }
    }
    for action in ["test", "rotate-secret"] {
        assert_eq!(acme.dashboard.post(&format!("{HOOKS}/{}/{action}", hook.id), json!({})).await.status, 404);
    }
    // Its logs stay, and cannot be replayed.
    let replay = format!("{LOGS}/{}/replay", logs[0]["id"].as_str().unwrap());
    let answer = acme.dashboard.post(&replay, json!({})).await;
    assert_snapshot!(answer, @r#"409 {"error":"webhook_deleted","message":"the webhook of this log is deleted"}"#);
    let of_hook = acme.dashboard.get(&format!("{LOGS}?endpoint={}", hook.id)).await.expect(200).json;
    assert_eq!(of_hook["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_secret_is_rotated_three_times_a_day_at_most() {
    let app = app_without_worker().await;
    let acme = app.tenant("acme").await;
    let hook = acme.hook(NOWHERE, None).await;
    let rotate = format!("{HOOKS}/{}/rotate-secret", hook.id);

    let first = acme.dashboard.post(&rotate, json!({})).await.expect(200).json;
    assert_json_snapshot!(first, {".id" => "webhook_…", ".secret" => "whsec_…", ".previous_secret_expires_at" => "…"}, @r#"
    {
      "id": "webhook_…",
      "previous_secret_expires_at": "…",
      "secret": "whsec_…"
    }
    "#);
    let calls = futures::future::join_all((0..5).map(|_| acme.dashboard.post(&rotate, json!({})))).await;
    let mut statuses: Vec<u16> = calls.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 409, 409, 409]);
    let answer = acme.dashboard.post(&rotate, json!({})).await;
    assert_snapshot!(answer, @r#"409 {"error":"too_many_rotations","message":"this webhook was rotated three times within 24 hours; wait until an older secret has expired"}"#);

    app.sql().await.execute("update webhook_secret set expires_at = now() where expires_at is not null").await.unwrap();
    acme.dashboard.post(&rotate, json!({})).await.expect(200);
    let left: i64 =
        sqlx::query_scalar("select count(*) from webhook_secret").fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(left, 2);
}

#[tokio::test]
async fn logs_are_filtered_and_paged() {
    let app = app().await;
    let acme = acme(&app).await;
    let (good, bad) = (Receiver::start().await, Receiver::start().await);
    bad.does(Behaviour::Status(503));
    let (well, ill) = (acme.hook(&good.url, None).await, acme.hook(&bad.url, None).await);
    simulate(&acme, "dep_1").await;
    good.until_received(3).await;
    bad.until_received(1).await;
    let count = async |query: &str| {
        let page = acme.dashboard.get(&format!("{LOGS}?{query}")).await.expect(200).json;
        page["data"].as_array().unwrap().len()
    };
    crate::harness::until("three are delivered", || async { (count("status=delivered").await == 3).then_some(()) })
        .await;

    assert_eq!(count("").await, 6);
    assert_eq!(count(&format!("endpoint={}", well.id)).await, 3);
    assert_eq!(count(&format!("endpoint={}&status=delivered", ill.id)).await, 0);
    assert_eq!(count("event=deposit.settled").await, 2);
    assert_eq!(count("event=topup.confirmed").await, 0);
    assert_eq!(count("status=pending").await, 3);
    assert_eq!(count("status=failed").await, 0);
    let page = acme.dashboard.get(&format!("{LOGS}?limit=4")).await.expect(200).json;
    assert_eq!(count(&format!("limit=4&cursor={}", page["next_cursor"].as_str().unwrap())).await, 2);
    for query in ["limit=0", "cursor=x", "event=deposit", "status=lost", "status=PENDING"] {
        assert_eq!(acme.dashboard.get(&format!("{LOGS}?{query}")).await.status, 400, "{query}");
    }
    let answer = acme.dashboard.get(&format!("{LOGS}?endpoint=x")).await;
    assert_snapshot!(answer, @r#"404 {"error":"webhook_not_found","message":"there is no such webhook, or it is deleted"}"#);
}

#[tokio::test]
async fn a_replay_is_one_at_a_time() {
    let app = app().await;
    let acme = acme(&app).await;
    let receiver = Receiver::start().await;
    acme.hook(&receiver.url, Some(&["deposit.settled"])).await;
    simulate(&acme, "dep_1").await;
    let log = acme.until_hook_logs_are(1, "delivered").await[0]["id"].as_str().unwrap().to_owned();
    let replay = format!("{LOGS}/{log}/replay");
    receiver.does(Behaviour::Status(500));

    let answers = futures::future::join_all((0..10).map(|_| acme.dashboard.post(&replay, json!({})))).await;

    let accepted: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 202).collect();
    assert_eq!(accepted.len(), 1);
    assert_eq!(accepted[0].json["status"], "pending");
    let refused = answers.iter().find(|answer| answer.status != 202).unwrap();
    assert_snapshot!(refused, @r#"409 {"error":"delivery_pending","message":"this event is on its way to that webhook"}"#);
    let answer = acme.dashboard.post(&format!("{LOGS}/log_{}/replay", "0".repeat(32)), json!({})).await;
    assert_snapshot!(answer, @r#"404 {"error":"log_not_found","message":"there is no such log"}"#);
    assert_eq!(acme.dashboard.post(&format!("{LOGS}/x/replay"), json!({})).await.status, 404);
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer() {
    let app = app_without_worker().await;
    let acme = app.tenant("acme").await;
    let once = acme.dashboard.with("idempotency-key", "k1");
    let first = once.post(HOOKS, json!({"url": NOWHERE})).await.expect(201).json;
    let again = once.post(HOOKS, json!({"url": NOWHERE})).await.expect(201);
    assert_eq!((again.header("idempotency-replayed"), &again.json), ("true", &first));
    assert_eq!(once.post(HOOKS, json!({"url": "http://127.0.0.1:10/"})).await.error(), "idempotency_key_reused");
    let id = first["id"].as_str().unwrap();
    for (index, action) in ["test", "rotate-secret"].iter().enumerate() {
        let (path, once) =
            (format!("{HOOKS}/{id}/{action}"), acme.dashboard.with("idempotency-key", &format!("a{index}")));
        let first = once.post(&path, json!({})).await;
        assert!(first.status < 300, "{first}");
        assert_eq!(once.post(&path, json!({})).await.json, first.json);
        assert_eq!(once.post(&path, json!({"other": 1})).await.status, 409);
        assert_eq!(once.post_bytes(&path, "application/json", vec![b' '; 2 << 20]).await.status, 413);
    }
    assert_eq!(acme.hook_logs().await.len(), 1);
}

#[tokio::test]
async fn fault_22_another_tenants_webhooks_and_logs_are_not_there() {
    let app = app_without_worker().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let (hook, log) = hook_and_log(&acme).await;
    globex.hook(NOWHERE, None).await;

    for (method, path) in &routes(&hook, &log)[2..] {
        let answer = call(&globex.dashboard, method, path).await;
        assert_eq!(answer.status, 404, "{method} {path}: {answer}");
    }
    assert_eq!(globex.hook_logs().await.len(), 0);
    let page = acme.dashboard.get(&format!("{HOOKS}?limit=1")).await.expect(200).json;
    assert_eq!(page["data"][0]["id"], hook.as_str());
    assert_eq!(acme.hook_logs().await[0]["status"], "pending");
}

#[tokio::test]
async fn only_a_dashboard_user_who_may_do_so_gets_in() {
    let app = app_without_worker().await;
    let acme = app.tenant("acme").await;
    let (hook, log) = hook_and_log(&acme).await;
    let jwt = app.app.auth.jwt();
    let token = jwt.issue_dashboard(acme.id, "test", &["other"], Duration::from_secs(60), app.app.clock.now()).unwrap();
    let nobody_much = Actor::bearer(&app.base_url, token.expose_secret());
    for (method, path) in routes(&hook, &log) {
        for stranger in [&app.nobody(), &acme.live, &app.operator()] {
            assert_eq!(call(stranger, &method, &path).await.status, 401, "{method} {path}");
        }
        let answer = call(&nobody_much, &method, &path).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"403 {"error":"missing_permission","message":"the token does not permit waas"}"#); }
    }
}

#[tokio::test]
async fn whoever_is_too_fast_is_told_so() {
    let app = TestApp::with(|variables| {
        variables.insert("ROLES", "api".to_owned());
        variables.insert("WEBHOOK_ALLOW_PRIVATE", "true".to_owned());
        variables.insert("RATE_LIMIT_PER_SECOND", "1".to_owned());
        variables.insert("RATE_LIMIT_BURST", "30".to_owned());
    })
    .await;
    let acme = app.tenant("acme").await;
    for (method, path) in routes("webhook_x", "log_x") {
        let mut slow_down = false;
        for _ in 0..40 {
            slow_down |= call(&acme.dashboard, &method, &path).await.status == 429;
        }
        assert!(slow_down, "{method} {path}");
    }
}

#[tokio::test]
async fn a_database_that_fails_is_a_500_or_a_503_that_tells_nothing() {
    let app = app_without_worker().await;
    let acme = app.tenant("acme").await;
    let (hook, log) = hook_and_log(&acme).await;
    app.sql().await.execute("update webhook_delivery set status = 'failed', ended_at = now()").await.unwrap();
    for (method, path) in routes(&hook, &log) {
        app.db_proxy.lose_answers_of_commits(1);
        let mut answer = call(&acme.dashboard, &method, &path).await;
        // A pooled connection that died before is noticed and replaced: the next commit is the one that is lost.
        if answer.status < 300 {
            answer = call(&acme.dashboard, &method, &path).await;
        }
        assert_eq!((answer.status, answer.error()), (503, "unavailable"), "{method} {path}: {answer}");
        app.db_proxy.lose_answers_of_commits(0);
        app.sql().await.execute("update webhook_delivery set status = 'failed', ended_at = now()").await.unwrap();
    }

    let (hook, log) = hook_and_log(&acme).await;
    app.sql()
        .await
        .execute("alter table webhook_delivery rename to gone_1; alter table webhook_endpoint rename to gone_2")
        .await
        .unwrap();
    for (method, path) in routes(&hook, &log) {
        let answer = call(&acme.dashboard, &method, &path).await;
        assert_eq!((answer.status, answer.error()), (500, "internal_error"), "{method} {path}: {answer}");
        assert!(!answer.text.contains("webhook_"), "{answer}");
    }
}
