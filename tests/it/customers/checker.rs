//! A compliance service over HTTP, as `src/providers/compliance/http.rs` documents it: one that answers, errs and forgets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::{acme, details, id_of, onboard, person, until_compliance_is};
use crate::harness::app::TestApp;
use crate::harness::until;

/// What it was sent, and what it says.
#[derive(Default)]
struct Books {
    checks: BTreeMap<Uuid, Value>,
    status: &'static str,
    /// Requests that it answers with 503 from now on, after having heard them.
    loses: usize,
}

type Shared = Arc<Mutex<Books>>;

async fn service() -> (String, Shared) {
    let books = Shared::default();
    books.lock().unwrap().status = "pending";
    let router = Router::new().route("/checks", post(submit)).route("/checks/{id}", get(status));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = router.with_state(books.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, books)
}

fn told(books: &mut Books, id: Uuid) -> Response {
    if books.loses > 0 {
        books.loses -= 1;
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    Json(json!({"id": id, "status": books.status, "code": "l07", "reason": "Invalid email address"})).into_response()
}

async fn submit(State(books): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    assert_eq!(headers["authorization"], "Bearer s3cret");
    let id: Uuid = body["id"].as_str().unwrap().parse().unwrap();
    let mut books = books.lock().unwrap();
    books.checks.entry(id).or_insert(body);
    told(&mut books, id)
}

async fn status(State(books): State<Shared>, Path(id): Path<Uuid>) -> Response {
    let mut books = books.lock().unwrap();
    if books.checks.contains_key(&id) { told(&mut books, id) } else { StatusCode::NOT_FOUND.into_response() }
}

async fn checked_by(url: &str) -> TestApp {
    TestApp::with(|variables| {
        variables.insert("COMPLIANCE_PROVIDER", "http".to_owned());
        variables.insert("COMPLIANCE_URL", url.to_owned());
        variables.insert("COMPLIANCE_TOKEN", "s3cret".to_owned());
    })
    .await
}

#[tokio::test]
async fn a_service_is_shown_the_customer_once_and_asked_until_it_decides() {
    let (url, books) = service().await;
    books.lock().unwrap().loses = 2;
    let app = checked_by(&url).await;
    let (acme, badge) = acme(&app).await;
    let customer = id_of(&onboard(&acme.live, &person(&acme, badge, 1)).await.expect(201));
    until("the check is pending", || async {
        let query = "select state = 'pending' from compliance_check";
        sqlx::query_scalar::<_, bool>(query).fetch_one(&mut app.sql().await).await.unwrap().then_some(())
    })
    .await;
    {
        let books = books.lock().unwrap();
        let shown: Vec<&Value> = books.checks.values().collect();
        assert_eq!(shown.len(), 1);
        assert_eq!(shown[0]["profile"]["firstName"], "Jone1");
        assert_eq!(shown[0]["profile"]["phoneNumber"], crate::harness::tenant::phone(1));
        assert_eq!(shown[0]["documents"].as_array().unwrap().len(), 4);
        assert_eq!(shown[0]["documents"][0]["content"], super::picture());
    }
    // It forgets the check: the same one is submitted again.
    books.lock().unwrap().checks.clear();
    books.lock().unwrap().status = "rejected";
    app.app.clock.move_by(chrono::TimeDelta::minutes(2));
    until_compliance_is(&acme.live, customer, "REJECTED").await;
    assert_eq!(books.lock().unwrap().checks.len(), 1);
    let pii = acme.live.get(&format!("/tenant/customer/pii-customer-details/{customer}")).await.expect(200);
    assert_eq!(pii.json["data"]["denialCode"], "l07");
    assert_eq!(pii.json["data"]["denialReason"], "Invalid email address");
}

#[tokio::test]
async fn a_service_that_does_not_deal_with_us_decides_nothing() {
    let (url, _) = service().await;
    let app = checked_by(&format!("{url}/wrong")).await;
    let (acme, badge) = acme(&app).await;
    let customer = id_of(&onboard(&acme.live, &person(&acme, badge, 1)).await.expect(201));
    let why = until("operators see why", || async {
        let query = "select last_error from job where kind = 'check_compliance' and last_error is not null";
        sqlx::query_scalar::<_, String>(query).fetch_optional(&mut app.sql().await).await.unwrap()
    })
    .await;
    assert_eq!(why, "the compliance service: status 404");
    assert_eq!(details(&acme.live, customer).await["complianceStatus"], "PENDING");
}
