//! A verification service over HTTP, as `src/providers/verification/http.rs` documents it: one that answers, errs and refuses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use chrono::TimeDelta;
use insta::assert_snapshot;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::{begin, begun, example, signed_in, validate};
use crate::harness::app::TestApp;
use crate::harness::until;

/// What it was sent, and what it says.
#[derive(Default)]
struct Books {
    starts: BTreeMap<Uuid, Value>,
    fingerprints: BTreeMap<Uuid, Value>,
    messages: usize,
    /// Refuses with this code.
    refuses: Option<&'static str>,
    /// Answers that are lost from now on, after the request was heard.
    loses: usize,
    /// Takes a fingerprint for malformed.
    is_malformed: bool,
    /// Fingerprints that were heard.
    heard: usize,
    /// How long a start takes.
    slow: Duration,
}

type Shared = Arc<Mutex<Books>>;

async fn service() -> (String, Shared) {
    let books = Shared::default();
    let router = Router::new()
        .route("/verifications", post(start))
        .route("/verifications/{id}/validation", post(validation))
        .with_state(books.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, books)
}

fn answer(books: &mut Books, body: Value) -> Response {
    if books.loses > 0 {
        books.loses -= 1;
        return StatusCode::BAD_GATEWAY.into_response();
    }
    match books.refuses {
        Some(code) => (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"code": code}))).into_response(),
        None => Json(body).into_response(),
    }
}

async fn start(State(books): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    assert_eq!(headers["authorization"], "Bearer s3cret");
    let id: Uuid = body["id"].as_str().unwrap().parse().unwrap();
    let slow = books.lock().unwrap().slow;
    tokio::time::sleep(slow).await;
    let mut books = books.lock().unwrap();
    if books.starts.insert(id, body).is_none() {
        books.messages += 1;
    }
    answer(&mut books, json!({"id": id, "request_id": format!("theirs-{id}")}))
}

async fn validation(State(books): State<Shared>, Path(id): Path<Uuid>, Json(body): Json<Value>) -> Response {
    let mut books = books.lock().unwrap();
    if !books.starts.contains_key(&id) {
        return StatusCode::NOT_FOUND.into_response();
    }
    books.fingerprints.insert(id, body);
    books.heard += 1;
    if books.is_malformed {
        return StatusCode::BAD_REQUEST.into_response();
    }
    answer(
        &mut books,
        json!({
            "id": id, "first_name": "Tod", "last_name": "Weedall", "address": {"city": "San Antonio"},
            "email_addresses": ["tweedalld@ehow.com"], "ssn": "565228370", "date_of_birth": "1984-12-10",
            "trust_score": 1000,
        }),
    )
}

async fn checked_by(url: &str) -> TestApp {
    TestApp::with(|variables| {
        variables.insert("VERIFICATION_PROVIDER", "http".to_owned());
        variables.insert("VERIFICATION_URL", url.to_owned());
        variables.insert("VERIFICATION_TOKEN", "s3cret".to_owned());
    })
    .await
}

#[tokio::test]
async fn a_service_whose_answers_are_lost_sends_one_message_and_proves_one_person() {
    let (url, books) = service().await;
    let app = checked_by(&url).await;
    let acme = app.tenant("acme").await;
    books.lock().unwrap().loses = 2;
    let check = begun(&acme.live, example()).await;
    books.lock().unwrap().loses = 2;
    let proven = validate(&acme.live, &check, "vfp-1").await;
    assert_snapshot!(proven, @r#"202 {"data":{"firstName":"Tod","lastName":"Weedall","addresses":{"address":null,"extendedAddress":null,"city":"San Antonio","region":null,"postalCode":null},"emailAddresses":["tweedalld@ehow.com"],"ssn":"565228370","dob":"1984-12-10","trustScore":1000}}"#);
    {
        let books = books.lock().unwrap();
        let id: Uuid = check.parse().unwrap();
        assert_eq!(books.messages, 1);
        assert_eq!(
            books.starts[&id],
            json!({
                "id": check, "source_ip": "127.0.0.1", "final_target_url": "https://google.com/",
                "mobile_number": "+12001001686", "date_of_birth": "1994-01-01", "ssn": "1232",
            })
        );
        assert_eq!(books.fingerprints[&id], json!({"request_id": format!("theirs-{check}"), "fingerprint": "vfp-1"}));
    }
    // What was proven is ours: the service is not asked again.
    books.lock().unwrap().starts.clear();
    assert_eq!(validate(&acme.live, &check, "vfp-1").await.text, proven.text);
    // It forgets a check.
    let check = begun(&acme.live, example()).await;
    books.lock().unwrap().starts.clear();
    assert_snapshot!(validate(&acme.live, &check, "vfp-2").await, @r#"400 {"errors":[{"message":[{"message":"Request Id not found","type":"Prove"}],"type":"Catch"}]}"#);
}

#[tokio::test]
async fn what_a_service_refuses_is_refused_in_the_documented_words() {
    let (url, books) = service().await;
    let app = checked_by(&url).await;
    let acme = app.tenant("acme").await;
    let check = begun(&acme.live, example()).await;
    books.lock().unwrap().refuses = Some("unreachable");
    assert_snapshot!(begin(&acme.live, example()).await, @r#"400 {"errors":[{"message":"SMS request got failed","type":"Prove"}]}"#);
    books.lock().unwrap().refuses = Some("refused");
    assert_snapshot!(begin(&acme.live, example()).await, @r#"400 {"errors":[{"message":"Get auth URL request got failed","type":"Prove"}]}"#);
    books.lock().unwrap().refuses = Some("not_proven");
    assert_snapshot!(validate(&acme.live, &check, "vfp-1").await, @r#"400 {"errors":[{"message":[{"message":"The verification fingerprint is not valid","type":"Prove"}],"type":"Catch"}]}"#);
    books.lock().unwrap().refuses = None;
    // More answers are lost than are waited for; the same fingerprint once more.
    books.lock().unwrap().loses = 3;
    validate(&acme.live, &check, "vfp-2").await.expect(503);
    app.app.clock.move_by(TimeDelta::seconds(31));
    until("it is proven", || async {
        let again = validate(&acme.live, &check, "vfp-2").await;
        (again.status == 202).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_service_whose_answer_was_lost_is_asked_again_without_anybody_asking_for_it() {
    let (url, books) = service().await;
    let app = checked_by(&url).await;
    let acme = app.tenant("acme").await;
    let check = begun(&acme.live, example()).await;
    books.lock().unwrap().loses = 3;
    validate(&acme.live, &check, "vfp-1").await.expect(503);
    app.app.clock.move_by(TimeDelta::seconds(31));
    until("it is proven", || async { (state(&app).await == "proven").then_some(()) }).await;
    assert_eq!(books.lock().unwrap().heard, 4);
    // What was said is ours.
    books.lock().unwrap().starts.clear();
    validate(&acme.live, &check, "vfp-1").await.expect(202);
}

async fn state(app: &TestApp) -> String {
    sqlx::query_scalar("select state from identity_check").fetch_one(&mut app.sql().await).await.unwrap()
}

#[tokio::test]
async fn a_fingerprint_that_gets_no_answer_is_asked_about_in_turns_and_let_go_in_the_end() {
    let (url, books) = service().await;
    let app = checked_by(&url).await;
    let acme = app.tenant("acme").await;
    let check = begun(&acme.live, example()).await;
    books.lock().unwrap().is_malformed = true;
    for _ in 0..5 {
        validate(&acme.live, &check, "vfp-1").await.expect(503);
        validate(&acme.live, &check, "vfp-2").await.expect(409);
        assert_eq!(books.lock().unwrap().heard, 1, "it is no one's turn yet");
    }
    for turn in 2..=5 {
        app.app.clock.move_by(TimeDelta::seconds(31));
        until("the next turn", || async { (books.lock().unwrap().heard == turn).then_some(()) }).await;
    }
    until("it is let go", || async { (state(&app).await == "sent").then_some(()) }).await;
    books.lock().unwrap().is_malformed = false;
    validate(&acme.live, &check, "vfp-2").await.expect(202);
    let query = "select attempts from identity_check";
    let attempts: i32 = sqlx::query_scalar(query).fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(attempts, 1);
}

#[tokio::test]
async fn a_provider_that_is_away_is_nobodys_fault() {
    let (url, books) = service().await;
    let app = checked_by(&url).await;
    let acme = app.tenant("acme").await;
    let check = begun(&acme.live, example()).await;
    books.lock().unwrap().loses = usize::MAX;
    validate(&acme.live, &check, "vfp-1").await.expect(503);
    for turn in 2..=6 {
        app.app.clock.move_by(TimeDelta::seconds(31));
        let query = "select 1 from identity_check where asked >= $1";
        until("the next turn", || async {
            sqlx::query_scalar::<_, i32>(query).bind(turn).fetch_optional(&mut app.sql().await).await.unwrap()
        })
        .await;
    }
    books.lock().unwrap().loses = 0;
    // The breaker rests for a while yet.
    until("it is proven", || async {
        app.app.clock.move_by(TimeDelta::seconds(31));
        (validate(&acme.live, &check, "vfp-1").await.status == 202).then_some(())
    })
    .await;
    let query = "select attempts from identity_check";
    let attempts: i32 = sqlx::query_scalar(query).fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(attempts, 0);
}

#[tokio::test]
async fn a_request_that_is_sent_again_while_it_runs_sends_one_message() {
    let (url, books) = service().await;
    let app = checked_by(&url).await;
    let acme = app.tenant("acme").await;
    let keyed = acme.live.with("idempotency-key", "once");
    books.lock().unwrap().refuses = Some("unreachable");
    begin(&keyed, example()).await.expect(400);
    // Nothing was begun: the same request is a new one.
    (books.lock().unwrap().refuses, books.lock().unwrap().slow) = (None, Duration::from_secs(2));
    let messages = books.lock().unwrap().messages;
    let runs = async {
        until("it runs", || async {
            let query = "select count(*) from identity_check where state = 'waiting'";
            let waiting: i64 = sqlx::query_scalar(query).fetch_one(&mut app.sql().await).await.unwrap();
            (waiting == 1).then_some(())
        })
        .await;
        begin(&keyed, example()).await
    };
    let (first, meanwhile) = tokio::join!(begin(&keyed, example()), runs);
    assert_snapshot!(meanwhile, @r#"409 {"errors":[{"message":"the first request with this Idempotency-Key is still running","type":"Conflict"}]}"#);
    assert_eq!(meanwhile.header("retry-after"), "1");
    let again = begin(&keyed, example()).await.expect(202);
    assert_eq!((&first.text, again.header("idempotency-replayed")), (&again.text, "true"));
    assert_eq!(books.lock().unwrap().messages, messages + 1);
}

#[tokio::test]
async fn where_customers_and_devices_ask_from_is_what_we_see_and_not_what_they_tell() {
    let (url, books) = service().await;
    let app = checked_by(&url).await;
    let acme = app.tenant("acme").await;
    let mut body = example();
    body["sourceIp"] = json!("203.0.113.9");
    let device = crate::sign_in::device(&app, &acme, "phone-1").await;
    let jane = signed_in(&app, &acme.customer(&crate::harness::tenant::phone(1)).await.to_string());
    for (caller, address) in [(&acme.live, "203.0.113.9"), (&device, "127.0.0.1"), (&jane, "127.0.0.1")] {
        let id: Uuid = begun(caller, body.clone()).await.parse().unwrap();
        assert_eq!(books.lock().unwrap().starts[&id]["source_ip"], address);
    }
}

#[tokio::test]
async fn a_service_that_does_not_deal_with_us_begins_nothing() {
    let (url, _) = service().await;
    let app = checked_by(&format!("{url}/wrong")).await;
    let acme = app.tenant("acme").await;
    assert_snapshot!(begin(&acme.live, example()).await, @r#"400 {"errors":[{"message":"Get auth URL request got failed","type":"Prove"}]}"#);
}
