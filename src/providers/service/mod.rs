//! A service over HTTP that speaks JSON and knows us by a bearer token: what adapters to such services share.
//!
//! One request has a time limit, and so have all tries together; what may pass is tried again with jitter; a service that
//! keeps failing is left alone for a while. Nothing that is said here quotes a body or a URL.

mod settings;

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use recloser::{AsyncRecloser, Recloser};
use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, StatusCode};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use settings::Account;
pub use settings::{Provider, ServiceSettings};

/// Bytes of an answer at most.
const LONGEST: usize = 64 << 10;

/// Calls of which half may fail before the service is left alone, less one.
const PATIENCE: usize = 10;

/// Requests for one answer at most.
const TRIES: usize = 3;

/// How long all tries may take: less than a request of our own may, which is dropped together with what it waits for. The
/// breaker counts only what comes to an end.
const PERSEVERANCE: Duration = Duration::from_secs(20);

/// A service.
pub struct Service {
    client: reqwest::Client,
    settings: ServiceSettings,
    breaker: AsyncRecloser,
}

/// An answer: of a status that the caller expects.
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    body: Vec<u8>,
}

/// Why there is no answer that can be read.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody answered in time.
    #[error("no answer")]
    NoAnswer,
    /// A status that nobody expects.
    #[error("status {}", .0.as_u16())]
    Status(StatusCode),
    /// The answer cannot be read.
    #[error("the answer is not such a document")]
    NotADocument,
    /// There is no such request.
    #[error("the request cannot be written")]
    Unwritten,
    /// It has failed too often.
    #[error("left alone for a while after repeated failures")]
    Resting,
}

impl CallError {
    /// Whether somebody on our side has to look: asking again would fail as well.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Status(status) => {
                let is_theirs = *status == StatusCode::REQUEST_TIMEOUT || *status == StatusCode::TOO_MANY_REQUESTS;
                !status.is_server_error() && !is_theirs
            }
            Self::Unwritten => true,
            Self::NoAnswer | Self::NotADocument | Self::Resting => false,
        }
    }

    fn is_passing(&self) -> bool {
        !self.is_ours() && !matches!(self, Self::Resting)
    }
}

impl Reply {
    /// What the answer says.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_slice(&self.body).map_err(|_| CallError::NotADocument)
    }
}

impl Service {
    /// Asks nothing yet. Fails when the system has no TLS.
    pub fn new(settings: ServiceSettings) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(settings.time_limit)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("diolkos/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let breaker = Recloser::custom().closed_len(PATIENCE).half_open_len(1).open_wait(settings.rest).build();
        Ok(Self { client, settings, breaker: AsyncRecloser::from(breaker) })
    }

    /// Posts a document until there is an answer of one of these statuses that can be read.
    pub async fn post<T>(
        &self,
        path: &str,
        document: &Value,
        expected: &[StatusCode],
        read: impl Fn(&Reply) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let body = document.to_string();
        let post = || self.client.post(self.url(path)).header(CONTENT_TYPE, "application/json").body(body.clone());
        self.ask(post, expected, read).await
    }

    /// The same by a question that changes nothing.
    pub async fn get<T>(
        &self,
        path: &str,
        expected: &[StatusCode],
        read: impl Fn(&Reply) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        self.ask(|| self.client.get(self.url(path)), expected, read).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.url.as_str().trim_end_matches('/'))
    }

    /// Asks through the breaker, which counts what is the service's fault and not what is ours.
    async fn ask<T>(
        &self,
        request: impl Fn() -> RequestBuilder,
        expected: &[StatusCode],
        read: impl Fn(&Reply) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let once = async || read(&self.ask_once(request(), expected).await?);
        let tries = once.retry(pauses()).when(CallError::is_passing);
        let limit = self.settings.time_limit.saturating_mul(2).min(PERSEVERANCE).max(self.settings.time_limit);
        let tries = async { tokio::time::timeout(limit, tries).await.unwrap_or(Err(CallError::NoAnswer)) };
        match self.breaker.call_with(|error: &CallError| !error.is_ours(), tries).await {
            Ok(answer) => Ok(answer),
            Err(recloser::Error::Inner(error)) => Err(error),
            Err(recloser::Error::Rejected) => Err(CallError::Resting),
        }
    }

    async fn ask_once(&self, request: RequestBuilder, expected: &[StatusCode]) -> Result<Reply, CallError> {
        let request = request.bearer_auth(self.settings.token.expose_secret()).build();
        let request = request.map_err(|_| CallError::Unwritten)?;
        let mut response = self.client.execute(request).await.map_err(|_| CallError::NoAnswer)?;
        let status = response.status();
        if !expected.contains(&status) {
            return Err(CallError::Status(status));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| CallError::NoAnswer)? {
            if body.len() + chunk.len() > LONGEST {
                return Err(CallError::NotADocument);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, body })
    }
}

/// Words that people will read: not too many.
pub fn kept(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(500).collect()
}

fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(1))
        .with_max_times(TRIES - 1)
        .with_jitter()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use std::time::Instant;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_service_that_never_answers_is_given_up_in_time_and_then_left_alone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = ServiceSettings {
            url: format!("http://{}", listener.local_addr().unwrap()).parse().unwrap(),
            token: "s3cret".into(),
            time_limit: Duration::from_millis(300),
            rest: Duration::from_secs(60),
        };
        let service = Service::new(settings).unwrap();
        let ask = async || {
            let began = Instant::now();
            (service.get("/x", &[StatusCode::OK], |_| Ok(())).await, began.elapsed())
        };
        let (said, waited) = ask().await;
        assert!(matches!(said, Err(CallError::NoAnswer)));
        assert!((550..850).contains(&waited.as_millis()), "two tries of the three: {waited:?}");
        futures::future::join_all((0..PATIENCE).map(|_| ask())).await;
        let (said, waited) = ask().await;
        assert!(matches!(said, Err(CallError::Resting)), "{waited:?}");
    }
}
