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
    /// A check about which it answers so every time.
    silent_about: Option<Uuid>,
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
    if books.silent_about == Some(id) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
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

async fn check_of(app: &TestApp, customer: Uuid) -> Uuid {
    let query = sqlx::query_scalar("select id from compliance_check where customer_id = $1");
    query.bind(customer).fetch_one(&mut app.sql().await).await.unwrap()
}

async fn jobs_about(app: &TestApp, check: Uuid) -> i64 {
    let query = sqlx::query_scalar("select count(*) from job where payload->>'check' = $1::text");
    query.bind(check.to_string()).fetch_one(&mut app.sql().await).await.unwrap()
}

/// Waits until nobody has to ask about a check before this moment.
async fn until_asked(app: &TestApp, check: Uuid, after: chrono::DateTime<chrono::Utc>) {
    until("the check is asked about", || async {
        let query = "select state = 'pending' and next_at > $2 from compliance_check where id = $1";
        let query = sqlx::query_scalar::<_, bool>(query).bind(check).bind(after);
        query.fetch_one(&mut app.sql().await).await.unwrap().then_some(())
    })
    .await;
}

#[tokio::test]
async fn however_long_a_service_is_away_one_job_asks_about_a_check() {
    let (url, books) = service().await;
    let app = checked_by(&url).await;
    let (acme, badge) = acme(&app).await;
    let lost = id_of(&onboard(&acme.live, &person(&acme, badge, 1)).await.expect(201));
    let other = id_of(&onboard(&acme.live, &person(&acme, badge, 2)).await.expect(201));
    let (customer, lost, other) = (lost, check_of(&app, lost).await, check_of(&app, other).await);
    for check in [lost, other] {
        until_asked(&app, check, app.app.clock.now() - chrono::TimeDelta::days(1)).await;
    }
    books.lock().unwrap().silent_about = Some(lost);
    for _ in 0..4 {
        app.app.clock.move_by(chrono::TimeDelta::minutes(1));
        // Both are due at once: when the one has been asked about, the other was seen to.
        until_asked(&app, other, app.app.clock.now()).await;
    }
    assert_eq!(jobs_about(&app, other).await, 5);
    assert_eq!(jobs_about(&app, lost).await, 2, "the one that submitted it, and one that goes on asking");

    {
        let mut books = books.lock().unwrap();
        (books.silent_about, books.status) = (None, "accepted");
    }
    let now = "update job set due_at = now() where status = 'waiting'";
    sqlx::query(now).execute(&mut app.sql().await).await.unwrap();
    until_compliance_is(&acme.live, customer, "ACCEPTED").await;
}

#[tokio::test]
async fn papers_are_read_to_be_shown_and_only_those_that_the_customer_names() {
    let (url, books) = service().await;
    let app = checked_by(&url).await;
    let (acme, badge) = acme(&app).await;
    let customer = id_of(&onboard(&acme.live, &person(&acme, badge, 1)).await.expect(201));
    until_asked(&app, check_of(&app, customer).await, app.app.clock.now() - chrono::TimeDelta::days(1)).await;
    // Papers that cannot be opened are no obstacle to asking where a check stands.
    let spoil = "update customer_document set content = '\\x00'::bytea";
    sqlx::query(spoil).execute(&mut app.sql().await).await.unwrap();
    books.lock().unwrap().status = "accepted";
    app.app.clock.move_by(chrono::TimeDelta::minutes(1));
    until_compliance_is(&acme.live, customer, "ACCEPTED").await;

    // Nor are those in whose place others have come.
    let mut update = super::update_of(&acme, badge, customer, 1);
    update["passport"] = update["governmentDocuments"][0].clone();
    for _ in 0..2 {
        books.lock().unwrap().checks.clear();
        acme.live.post("/tenant/customer/update", update.clone()).await.expect(202);
        until_compliance_is(&acme.live, customer, "ACCEPTED").await;
    }
    let shown: Vec<usize> =
        books.lock().unwrap().checks.values().map(|check| check["documents"].as_array().unwrap().len()).collect();
    assert_eq!(shown, [4]);
}

#[tokio::test]
async fn a_service_is_shown_a_business_by_its_own_id_too() {
    let (url, books) = service().await;
    books.lock().unwrap().status = "accepted";
    let app = checked_by(&url).await;
    let (acme, badge) = crate::business_users::acme(&app).await;
    let body = crate::business_users::business(badge, 1);
    let business = crate::business_users::id_of(&crate::business_users::onboard(&acme.live, &body).await.expect(201));
    crate::business_users::until_compliance_is(&acme.live, business, "ACCEPTED").await;
    let books = books.lock().unwrap();
    let shown: Vec<&Value> = books.checks.values().collect();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0]["profile"]["businessEntityId"], "BE-10001");
    assert_eq!(shown[0]["profile"]["controlPersons"][0]["emailAddress"], "boss1@mail.example");
    assert_eq!(shown[0]["documents"].as_array().unwrap().len(), 23);
}
