//! A webhook receiver that behaves as a test likes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio::net::TcpListener;

use super::tenant::TestTenant;
use super::until;

/// What a receiver does with a message.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Answers with this status.
    Status(u16),
    /// Answers 200 after a while.
    Late(Duration),
    /// Never answers.
    Hang,
    /// Answers 302 to this place.
    Redirect(String),
    /// Answers with this status and a body without an end.
    Endless(u16),
}

/// A message that arrived.
#[derive(Clone)]
pub struct Received {
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
}

type Script = Arc<dyn Fn(&Received) -> Behaviour + Send + Sync>;

/// The receiver of one test.
#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    pub port: u16,
    inner: Arc<Inner>,
}

struct Inner {
    script: Mutex<Script>,
    received: Mutex<Vec<Received>>,
    in_hand: AtomicUsize,
    most_in_hand: AtomicUsize,
    connections: AtomicUsize,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// Which event.
    pub fn event(&self) -> &str {
        self.body["event"].as_str().unwrap()
    }

    /// Which deposit.
    pub fn deposit(&self) -> &str {
        self.body["data"]["deposit_id"].as_str().unwrap_or_default()
    }

    /// Whether this secret signed it, as the reference implementation sees it.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        Webhook::new(secret).unwrap().verify(self.text.as_bytes(), &self.headers).is_ok()
    }
}

impl Receiver {
    /// A receiver that answers 200.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            script: Mutex::new(Arc::new(|_| Behaviour::Status(200))),
            received: Mutex::default(),
            in_hand: AtomicUsize::default(),
            most_in_hand: AtomicUsize::default(),
            connections: AtomicUsize::default(),
        });
        let receiver = Self { url: format!("http://{address}/hooks"), port: address.port(), inner };
        let router = axum::Router::new().fallback(receive).with_state(receiver.clone());
        let counted = receiver.clone();
        let listener = axum::serve::ListenerExt::tap_io(listener, move |_| {
            counted.inner.connections.fetch_add(1, Ordering::SeqCst);
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    /// From now on it behaves like this.
    pub fn does(&self, behaviour: Behaviour) {
        self.decides(move |_| behaviour.clone());
    }

    /// From now on it looks at each message and behaves like this.
    pub fn decides(&self, script: impl Fn(&Received) -> Behaviour + Send + Sync + 'static) {
        *self.inner.script.lock().unwrap() = Arc::new(script);
    }

    /// Whatever arrived so far, answered or not.
    pub fn received(&self) -> Vec<Received> {
        self.inner.received.lock().unwrap().clone()
    }

    /// The events that arrived so far.
    pub fn events(&self) -> Vec<String> {
        self.received().iter().map(|received| received.event().to_owned()).collect()
    }

    /// Waits until so many messages have arrived.
    pub async fn until_received(&self, count: usize) -> Vec<Received> {
        until(&format!("{count} messages arrive"), || async {
            let received = self.received();
            (received.len() >= count).then_some(received)
        })
        .await
    }

    /// The most messages that were in hand at once.
    pub fn most_in_hand(&self) -> usize {
        self.inner.most_in_hand.load(Ordering::SeqCst)
    }

    /// Connections that were made to it.
    pub fn connections(&self) -> usize {
        self.inner.connections.load(Ordering::SeqCst)
    }
}

/// Counts a message in hand until it is answered or its connection is gone.
struct InHand(Receiver);

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.inner.in_hand.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let inner = &receiver.inner;
    let in_hand = inner.in_hand.fetch_add(1, Ordering::SeqCst) + 1;
    inner.most_in_hand.fetch_max(in_hand, Ordering::SeqCst);
    let _in_hand = InHand(receiver.clone());
    let text = String::from_utf8(body.to_vec()).unwrap();
    let received = Received { headers, body: serde_json::from_str(&text).unwrap_or_default(), text };
    let behaviour = inner.script.lock().unwrap().clone()(&received);
    inner.received.lock().unwrap().push(received);
    let answer = Response::builder();
    match behaviour {
        Behaviour::Status(status) => answer.status(status).body(Body::from(format!("status {status}\0"))).unwrap(),
        Behaviour::Late(pause) => {
            tokio::time::sleep(pause).await;
            answer.body(Body::empty()).unwrap()
        }
        Behaviour::Hang => std::future::pending().await,
        Behaviour::Redirect(to) => answer.status(302).header("location", to).body(Body::empty()).unwrap(),
        Behaviour::Endless(status) => {
            let chunks = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 8192])));
            answer.status(status).body(Body::from_stream(chunks)).unwrap()
        }
    }
}

/// A webhook of a tenant.
pub struct Hook {
    pub id: String,
    pub secret: String,
}

impl TestTenant {
    /// Registers a URL for some events, or for all.
    pub async fn hook(&self, url: &str, events: Option<&[&str]>) -> Hook {
        let mut body = json!({"url": url});
        if let Some(events) = events {
            body["events"] = json!(events);
        }
        let made = self.dashboard.post("/v1/dashboard/webhooks", body).await.expect(201).json;
        let text = |field: &str| made[field].as_str().unwrap().to_owned();
        Hook { id: text("id"), secret: text("secret") }
    }

    /// What was sent, oldest first.
    pub async fn hook_logs(&self) -> Vec<Value> {
        let page = self.dashboard.get("/v1/dashboard/webhooks/logs?limit=100").await.expect(200).json;
        let mut logs = page["data"].as_array().unwrap().clone();
        logs.reverse();
        logs
    }

    /// Waits until all logs, which are so many, have this status.
    pub async fn until_hook_logs_are(&self, count: usize, status: &str) -> Vec<Value> {
        until(&format!("{count} logs are {status}"), || async {
            let logs = self.hook_logs().await;
            (logs.len() == count && logs.iter().all(|log| log["status"] == status)).then_some(logs)
        })
        .await
    }
}
