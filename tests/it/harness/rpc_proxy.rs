//! A proxy in front of the chain's RPC that can refuse, lie, hang and lose answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use diolkos::chain::entry_point::{self, UserOperation};
use serde_json::{Value, json};

/// What happens to a call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The node refuses with this JSON-RPC error and does nothing.
    Refuse(i64, &'static str),
    /// The node does what it is asked; the caller gets this error all the same.
    DoAndRefuse(i64, &'static str),
    /// The node answers with this result instead of its own.
    Answer(Value),
    /// The same after a while.
    AnswerLate(Duration, Value),
    /// A bundler takes the user operation, and forgets it.
    TakeAndDrop,
    /// HTTP 429.
    TooManyRequests,
    /// An answer that is not JSON.
    Garbage,
    /// An answer that is cut short.
    CutShort,
    /// The node does what it is asked; the answer never comes.
    DoAndHang,
}

#[derive(Default)]
struct Plan {
    /// Faults by method, with how many more times each happens.
    faults: HashMap<String, Vec<(Fault, usize)>>,
    /// Calls by method.
    calls: HashMap<String, Vec<Value>>,
    /// Where everything goes, if not where it went first.
    target: Option<String>,
}

/// The proxy of one test.
#[derive(Clone)]
pub struct RpcProxy {
    pub target: String,
    plan: Arc<Mutex<Plan>>,
    client: reqwest::Client,
    pub url: String,
}

impl RpcProxy {
    /// A proxy that passes everything on.
    pub async fn start(target: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let proxy = Self {
            target: target.to_owned(),
            plan: Arc::default(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            url,
        };
        let router = Router::new().route("/", post(pass)).route("/v2/rpc", post(pass)).with_state(proxy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        proxy
    }

    /// The next `times` calls of a method suffer this.
    pub fn next(&self, times: usize, method: &str, fault: Fault) {
        self.plan.lock().unwrap().faults.entry(method.to_owned()).or_default().push((fault, times));
    }

    /// From now on everything passes.
    pub fn heal(&self) {
        self.plan.lock().unwrap().faults.clear();
    }

    /// Parameters of all calls of a method so far.
    pub fn calls(&self, method: &str) -> Vec<Value> {
        self.plan.lock().unwrap().calls.get(method).cloned().unwrap_or_default()
    }

    fn fault(&self, method: &str, params: &Value) -> Option<Fault> {
        let mut plan = self.plan.lock().unwrap();
        plan.calls.entry(method.to_owned()).or_default().push(params.clone());
        let faults = plan.faults.get_mut(method)?;
        let (fault, left) = faults.first_mut()?;
        let fault = fault.clone();
        *left -= 1;
        if *left == 0 {
            faults.remove(0);
        }
        Some(fault)
    }

    /// From now on everything passes to another target.
    pub fn redirect(&self, target: &str) {
        self.plan.lock().unwrap().target = Some(target.to_owned());
    }

    /// What the target answers; nothing when it is not there.
    async fn forward(&self, call: &Value) -> Option<Value> {
        let target = self.plan.lock().unwrap().target.clone().unwrap_or_else(|| self.target.clone());
        self.client.post(&target).json(call).send().await.ok()?.json().await.ok()
    }
}

async fn pass(State(proxy): State<RpcProxy>, Json(call): Json<Value>) -> Response {
    let method = call["method"].as_str().unwrap_or_default().to_owned();
    let error = |code: i64, message: &str| {
        Json(json!({"jsonrpc": "2.0", "id": call["id"], "error": {"code": code, "message": message}})).into_response()
    };
    match proxy.fault(&method, &call["params"]) {
        None => match proxy.forward(&call).await {
            Some(answer) => Json(answer).into_response(),
            None => StatusCode::BAD_GATEWAY.into_response(),
        },
        Some(Fault::Refuse(code, message)) => error(code, message),
        Some(Fault::DoAndRefuse(code, message)) => {
            proxy.forward(&call).await;
            error(code, message)
        }
        Some(Fault::Answer(result)) => {
            Json(json!({"jsonrpc": "2.0", "id": call["id"], "result": result})).into_response()
        }
        Some(Fault::AnswerLate(wait, result)) => {
            tokio::time::sleep(wait).await;
            Json(json!({"jsonrpc": "2.0", "id": call["id"], "result": result})).into_response()
        }
        Some(Fault::TakeAndDrop) => {
            let op: UserOperation = serde_json::from_value(call["params"][0].clone()).unwrap();
            let hash = entry_point::hash(&op.pack(), entry_point::ENTRY_POINT, 137);
            Json(json!({"jsonrpc": "2.0", "id": call["id"], "result": hash})).into_response()
        }
        Some(Fault::TooManyRequests) => StatusCode::TOO_MANY_REQUESTS.into_response(),
        Some(Fault::Garbage) => "<html>gateway</html>".into_response(),
        Some(Fault::CutShort) => r#"{"jsonrpc":"2.0","id":"#.into_response(),
        Some(Fault::DoAndHang) => {
            proxy.forward(&call).await;
            tokio::time::sleep(Duration::from_secs(600)).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
    }
}
