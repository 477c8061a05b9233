//! A PawaPay that keeps books, and loses, delays and refuses as a test likes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

/// What becomes of a payout that is sent from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Accepted; asked again, it is paid.
    Pays,
    /// Accepted, and nothing more until [`FakePawaPay::ends`].
    Waits,
    /// Accepted; asked again, it has failed for this reason.
    Fails(&'static str),
    /// Not accepted, for this reason.
    Rejects(&'static str),
}

/// What becomes of an answer from now on. The request has been heard first, unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    Good,
    /// Heard, and answered after a while.
    Late(Duration),
    /// Heard, and never answered.
    LosesAnswers,
    /// Not heard, never answered.
    Hangs,
    /// Heard after a while, when nobody waits for the answer any more.
    HearsLate(Duration),
    /// Heard, and answered with this status and body.
    Garbles(u16, String),
    /// Not heard, and answered with this status and body.
    Refuses(u16, String),
}

/// A payout in the fake's books.
#[derive(Clone, Debug)]
pub struct Booked {
    pub id: Uuid,
    /// The request as it came.
    pub body: Value,
    /// PawaPay's word.
    pub status: &'static str,
    pub failure: Option<&'static str>,
}

impl Booked {
    /// The withdrawal that it is for.
    pub fn withdrawal(&self) -> String {
        self.body["metadata"][0]["withdrawal_id"].as_str().unwrap().to_owned()
    }
}

/// A PawaPay of one test.
#[derive(Clone)]
pub struct FakePawaPay {
    pub url: String,
    books: Arc<Mutex<Books>>,
}

struct Books {
    token: String,
    fate: Fate,
    send_line: Line,
    status_line: Line,
    call_back_url: Option<String>,
    payouts: BTreeMap<Uuid, Booked>,
    /// Payouts that it has had and knows nothing of any more.
    forgotten: Vec<Booked>,
    sends: usize,
    asks: usize,
}

impl FakePawaPay {
    /// One that takes this token and pays whatever it is sent.
    pub async fn start(token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let books = Books {
            token: token.to_owned(),
            fate: Fate::Pays,
            send_line: Line::Good,
            status_line: Line::Good,
            call_back_url: None,
            payouts: BTreeMap::new(),
            forgotten: Vec::new(),
            sends: 0,
            asks: 0,
        };
        let fake = Self { url, books: Arc::new(Mutex::new(books)) };
        let router = Router::new()
            .route("/v2/payouts", post(send))
            .route("/v2/payouts/{id}", get(status))
            .with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    /// What becomes of payouts that are sent from now on.
    pub fn fate(&self, fate: Fate) {
        self.books.lock().unwrap().fate = fate;
    }

    /// How sends are answered from now on.
    pub fn send_line(&self, line: Line) {
        self.books.lock().unwrap().send_line = line;
    }

    /// How questions for a status are answered from now on.
    pub fn status_line(&self, line: Line) {
        self.books.lock().unwrap().status_line = line;
    }

    /// Where it calls back when a payout has ended.
    pub fn calls_back(&self, url: &str) {
        self.books.lock().unwrap().call_back_url = Some(url.to_owned());
    }

    /// Ends a payout that waits, and calls back: paid, or failed for a reason.
    pub async fn ends(&self, id: Uuid, failure: Option<&'static str>) {
        let call_back = {
            let mut books = self.books.lock().unwrap();
            books.end(id, failure);
            books.call_back(id)
        };
        deliver(call_back).await;
    }

    /// Gives a payout a state, documented or not.
    pub fn sets(&self, id: Uuid, status: &'static str) {
        self.books.lock().unwrap().payouts.get_mut(&id).unwrap().status = status;
    }

    /// Loses what it knows of a payout, as after a restored backup; what it has paid it has paid.
    pub fn forgets(&self, id: Uuid) {
        let mut books = self.books.lock().unwrap();
        let payout = books.payouts.remove(&id).unwrap();
        books.forgotten.push(payout);
    }

    /// All payouts that it has accepted: one an id.
    pub fn payouts(&self) -> Vec<Booked> {
        self.books.lock().unwrap().payouts.values().cloned().collect()
    }

    /// Those that were paid.
    pub fn paid(&self) -> Vec<Booked> {
        self.payouts().into_iter().filter(|payout| payout.status == "COMPLETED").collect()
    }

    /// How often each withdrawal was paid.
    pub fn times_paid(&self) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for payout in self.paid() {
            *times.entry(payout.withdrawal()).or_default() += 1;
        }
        times
    }

    /// Fails when a withdrawal was paid twice, or may yet be: it has two payouts that have not failed.
    #[track_caller]
    pub fn pays_nobody_twice(&self) {
        let mut alive: BTreeMap<String, Vec<Booked>> = BTreeMap::new();
        let forgotten = self.books.lock().unwrap().forgotten.clone();
        for payout in self.payouts().into_iter().chain(forgotten).filter(|payout| payout.status != "FAILED") {
            alive.entry(payout.withdrawal()).or_default().push(payout);
        }
        for (withdrawal, payouts) in alive {
            assert!(payouts.len() == 1, "withdrawal {withdrawal} is paid {} times: {payouts:?}", payouts.len());
        }
    }

    /// Requests to pay that arrived, heard or not.
    pub fn sends(&self) -> usize {
        self.books.lock().unwrap().sends
    }

    /// Questions for a status that arrived, heard or not.
    pub fn asks(&self) -> usize {
        self.books.lock().unwrap().asks
    }
}

impl Books {
    fn end(&mut self, id: Uuid, failure: Option<&'static str>) {
        let payout = self.payouts.get_mut(&id).unwrap();
        assert!(!matches!(payout.status, "COMPLETED" | "FAILED"), "{id} has ended already");
        payout.status = if failure.is_some() { "FAILED" } else { "COMPLETED" };
        payout.failure = failure;
    }

    fn call_back(&self, id: Uuid) -> Option<(String, Value)> {
        Some((self.call_back_url.clone()?, data(&self.payouts[&id])))
    }

    fn accept(&mut self, body: &Value) -> (u16, Value) {
        let rejection = |code: &str, id: &Value| {
            let reason = json!({"failureCode": code, "failureMessage": format!("of {}", body["recipient"])});
            json!({"payoutId": id, "status": "REJECTED", "failureReason": reason})
        };
        let id = body["payoutId"].as_str().and_then(|id| Uuid::try_parse(id).ok());
        let Some(id) = id.filter(|id| id.get_version_num() == 4) else {
            return (400, rejection("INVALID_PARAMETER", &body["payoutId"]));
        };
        let answer = |status: &str| json!({"payoutId": id, "status": status, "created": "2026-06-25T12:00:00Z"});
        if let Fate::Rejects(code) = self.fate {
            return (200, rejection(code, &json!(id)));
        }
        if self.payouts.contains_key(&id) {
            return (200, answer("DUPLICATE_IGNORED"));
        }
        let body = body.clone();
        self.payouts.insert(id, Booked { id, body, status: "ACCEPTED", failure: None });
        (200, answer("ACCEPTED"))
    }
}

/// A payout as the status and a call-back tell it.
fn data(payout: &Booked) -> Value {
    let mut data = json!({
        "payoutId": payout.id, "status": payout.status, "amount": payout.body["amount"],
        "currency": payout.body["currency"], "country": "CIV", "recipient": payout.body["recipient"],
        "created": "2026-06-25T12:00:00Z", "metadata": payout.body["metadata"][0],
    });
    if payout.status == "COMPLETED" {
        data["providerTransactionId"] = json!(format!("NET-{}", payout.id.simple()));
    }
    if let Some(code) = payout.failure {
        data["failureReason"] =
            json!({"failureCode": code, "failureMessage": format!("of {}", payout.body["recipient"])});
    }
    data
}

async fn deliver(call_back: Option<(String, Value)>) {
    if let Some((url, body)) = call_back {
        // Whoever does not take it asks for the status.
        let _ = reqwest::Client::new().post(url).json(&body).send().await;
    }
}

async fn send(State(fake): State<FakePawaPay>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let (line, token) = {
        let mut books = fake.books.lock().unwrap();
        books.sends += 1;
        (books.send_line.clone(), books.token.clone())
    };
    let hear = move || {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let mut books = fake.books.lock().unwrap();
        let (status, answer) = books.accept(&body);
        let ends = match books.fate {
            Fate::Pays => Some(None),
            Fate::Fails(code) => Some(Some(code)),
            Fate::Waits | Fate::Rejects(_) => None,
        };
        let id = body["payoutId"].as_str().and_then(|id| Uuid::try_parse(id).ok());
        if let (Some(failure), Some(id), "ACCEPTED") = (ends, id, answer["status"].as_str().unwrap_or_default()) {
            books.end(id, failure);
            let call_back = books.call_back(id);
            tokio::spawn(deliver(call_back));
        }
        (status, answer)
    };
    respond(line, is_authorised(&headers, &token), hear).await
}

async fn status(State(fake): State<FakePawaPay>, Path(id): Path<Uuid>, headers: HeaderMap) -> Response<Body> {
    let (line, token) = {
        let mut books = fake.books.lock().unwrap();
        books.asks += 1;
        (books.status_line.clone(), books.token.clone())
    };
    let hear = move || match fake.books.lock().unwrap().payouts.get(&id) {
        Some(payout) => (200, json!({"status": "FOUND", "data": data(payout)})),
        None => (200, json!({"status": "NOT_FOUND"})),
    };
    respond(line, is_authorised(&headers, &token), hear).await
}

fn is_authorised(headers: &HeaderMap, token: &str) -> bool {
    headers.get("authorization").is_some_and(|value| value == format!("Bearer {token}").as_str())
}

async fn respond(
    line: Line,
    is_authorised: bool,
    hear: impl FnOnce() -> (u16, Value) + Send + 'static,
) -> Response<Body> {
    let answer = |status: u16, body: String| {
        Response::builder().status(status).header("content-type", "application/json").body(Body::from(body)).unwrap()
    };
    if !is_authorised {
        let reason = json!({"failureCode": "AUTHENTICATION_ERROR", "failureMessage": "The token is not valid."});
        return answer(403, json!({"failureReason": reason}).to_string());
    }
    match line {
        Line::Hangs => std::future::pending().await,
        Line::Refuses(status, body) => answer(status, body),
        Line::Good => {
            let (status, body) = hear();
            answer(status, body.to_string())
        }
        Line::Late(pause) => {
            let (status, body) = hear();
            tokio::time::sleep(pause).await;
            answer(status, body.to_string())
        }
        Line::HearsLate(pause) => {
            tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                hear();
            });
            std::future::pending().await
        }
        Line::LosesAnswers => {
            hear();
            std::future::pending().await
        }
        Line::Garbles(status, body) => {
            hear();
            answer(status, body)
        }
    }
}
