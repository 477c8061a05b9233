//! A verification service over HTTP, as `src/providers/verification/http.rs` documents it: one that answers, errs and refuses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use insta::assert_snapshot;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::{begin, begun, example, validate};
use crate::harness::app::TestApp;

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
    assert_snapshot!(validate(&acme.live, &check, "vfp-2").await, @r#"400 {"errors":[{"message":"Request Id not found","type":"Prove"}]}"#);
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
    assert_snapshot!(validate(&acme.live, &check, "vfp-1").await, @r#"400 {"errors":[{"message":"The verification fingerprint is not valid","type":"Prove"}]}"#);
    books.lock().unwrap().refuses = None;
    // More answers are lost than are waited for; the same fingerprint once more.
    books.lock().unwrap().loses = 3;
    validate(&acme.live, &check, "vfp-2").await.expect(503);
    validate(&acme.live, &check, "vfp-2").await.expect(202);
}

#[tokio::test]
async fn a_service_that_does_not_deal_with_us_begins_nothing() {
    let (url, _) = service().await;
    let app = checked_by(&format!("{url}/wrong")).await;
    let acme = app.tenant("acme").await;
    assert_snapshot!(begin(&acme.live, example()).await, @r#"400 {"errors":[{"message":"Get auth URL request got failed","type":"Prove"}]}"#);
}
