//! One attempt: a request, and what became of it.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use super::destination::{Destinations, InvalidDestination};

const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How long one attempt may take, from the look-up to the last byte that is read.
pub const TIME_LIMIT: Duration = Duration::from_secs(10);

/// How much of an answer's body is read, in bytes.
const READ: usize = 4096;

/// How much of it is kept, in characters.
const KEPT: usize = 256;

/// Longest error text that is kept, in characters.
const LONGEST_ERROR: usize = 300;

/// Sends messages; knows where they may go.
#[derive(Clone)]
pub struct Transport {
    client: Client,
    destinations: Destinations,
}

/// A signed message.
pub struct Message {
    pub url: String,
    pub id: String,
    pub timestamp: i64,
    pub signatures: String,
    pub body: String,
}

/// What became of an attempt.
#[derive(Debug)]
pub struct Outcome {
    /// How long it took.
    pub duration: Duration,
    /// The answer's status, if there was an answer.
    pub status_code: Option<u16>,
    /// Why it does not count as delivered, in words for the tenant; none when it does.
    pub error: Option<String>,
    /// The beginning of the answer's body.
    pub answer: Option<String>,
}

impl Outcome {
    /// An attempt that did not come to a request.
    pub fn not_sent(error: impl Into<String>) -> Self {
        Self { duration: Duration::ZERO, status_code: None, error: Some(error.into()), answer: None }
    }

    /// Whether the receiver has it.
    pub fn is_delivered(&self) -> bool {
        self.error.is_none()
    }
}

impl Transport {
    /// Fails when the system's certificates cannot be used.
    pub fn new(destinations: Destinations) -> reqwest::Result<Self> {
        let client = Client::builder()
            .user_agent(concat!("diolkos-webhooks/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(destinations.clone()))
            // Neither a redirect nor a proxy may lead past the check of addresses.
            .redirect(Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIME)
            .timeout(TIME_LIMIT)
            .pool_max_idle_per_host(2)
            .pool_idle_timeout(Duration::from_secs(20))
            .build()?;
        Ok(Self { client, destinations })
    }

    /// Sends a message once. Delivered is what is answered with 2xx.
    pub async fn send(&self, message: Message) -> Outcome {
        let started = Instant::now();
        let url = match self.destinations.parse(&message.url) {
            Ok(url) => url,
            Err(invalid) => return Outcome::not_sent(format!("the URL {invalid}")),
        };
        let sent = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", message.id)
            .header("webhook-timestamp", message.timestamp)
            .header("webhook-signature", message.signatures)
            .body(message.body)
            .send();
        match sent.await {
            Ok(response) => {
                let status = response.status();
                let answer = beginning(response).await;
                let error = match status {
                    status if status.is_success() => None,
                    status if status.is_redirection() => Some(format!("answered {status}; redirects are not followed")),
                    status => Some(format!("answered {status}")),
                };
                Outcome { duration: started.elapsed(), status_code: Some(status.as_u16()), error, answer: Some(answer) }
            }
            Err(error) => {
                let error = Some(describe(&error));
                Outcome { duration: started.elapsed(), status_code: None, error, answer: None }
            }
        }
    }
}

/// The beginning of a body; an end that does not come is no error, for the status has been seen.
async fn beginning(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < READ {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(chunk.get(..READ.min(chunk.len())).unwrap_or_default()),
            Ok(None) | Err(_) => break,
        }
    }
    // Postgres holds no NUL in a text.
    String::from_utf8_lossy(&bytes).chars().filter(|c| *c != '\0').take(KEPT).collect()
}

/// Words for the tenant: never the URL, which may hold a token.
fn describe(error: &reqwest::Error) -> String {
    let causes = || std::iter::successors(error.source(), |cause: &&(dyn StdError + 'static)| (*cause).source());
    if let Some(refused) = causes().find_map(|cause| cause.downcast_ref::<InvalidDestination>()) {
        return format!("the URL {refused}");
    }
    if error.is_timeout() {
        return format!("no answer within {} seconds", TIME_LIMIT.as_secs());
    }
    let innermost = causes().last().map(ToString::to_string).unwrap_or_default();
    let io = causes().find_map(|cause| cause.downcast_ref::<io::Error>()).map(ToString::to_string);
    let words = match (error.is_connect(), io) {
        (true, Some(io)) => format!("no connection: {io}"),
        (true, None) => format!("no connection: {innermost}"),
        (false, _) => format!("no answer: {innermost}"),
    };
    words.chars().filter(|c| *c != '\0').take(LONGEST_ERROR).collect()
}
