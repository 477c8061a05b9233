//! A published rate source that can be slow, fail, lag behind and talk nonsense.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde_json::json;

/// What the source answers.
#[derive(Clone, Debug)]
pub enum Reply {
    Body(String),
    Status(u16),
    /// Nothing, ever.
    Hang,
    /// To itself.
    Redirect,
}

impl Reply {
    /// A document of a time, with francs at this rate.
    pub fn rates(as_of: DateTime<Utc>, francs: &str) -> Self {
        Self::Body(
            json!({"base": "USD", "timestamp": as_of.timestamp(), "rates": {"XOF": francs, "KES": 0}}).to_string(),
        )
    }
}

#[derive(Clone)]
pub struct RateServer {
    address: String,
    plan: Arc<Mutex<(Reply, usize)>>,
}

impl RateServer {
    pub async fn start(reply: Reply) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Self { address, plan: Arc::new(Mutex::new((reply, 0))) };
        let router = Router::new().route("/latest.json", get(answer)).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    /// The document's URL, with a key that nobody may see.
    pub fn url(&self) -> String {
        format!("http://{}/latest.json?app_id=SECRET", self.address)
    }

    /// What it answers from now on.
    pub fn reply(&self, reply: Reply) {
        self.plan.lock().unwrap().0 = reply;
    }

    /// How often it has been asked.
    pub fn calls(&self) -> usize {
        self.plan.lock().unwrap().1
    }
}

async fn answer(State(server): State<RateServer>) -> Response {
    let reply = {
        let mut plan = server.plan.lock().unwrap();
        plan.1 += 1;
        plan.0.clone()
    };
    match reply {
        Reply::Body(body) => body.into_response(),
        Reply::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Reply::Redirect => Redirect::temporary("/latest.json").into_response(),
        Reply::Hang => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
    }
}
