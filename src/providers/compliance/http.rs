//! A compliance service over HTTP, in a shape that is ours: whoever has another one puts a translator in front.
//!
//! ```text
//! POST {url}/checks        {"id", "customer", "profile": {…}, "documents": [{"id", "media_type", "content": base64}]}
//! GET  {url}/checks/{id}
//! both answer 200          {"id", "status": "pending" | "review" | "accepted" | "rejected", "code", "reason"}
//! GET of an unknown id     404
//! ```
//!
//! `POST` of a known id must begin nothing new and say where the first stands: it is sent again when its answer was lost.

use std::time::Duration;

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use recloser::{AsyncRecloser, Recloser};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::{Applicant, ComplianceError, ComplianceProvider, Denial, Verdict};

/// Bytes of an answer at most.
const LONGEST: usize = 64 << 10;

/// Calls of which half may fail before the service is left alone, less one.
const PATIENCE: usize = 10;

/// Requests for one answer at most.
const TRIES: usize = 3;

/// How to reach a service.
#[derive(Clone, Debug)]
pub struct HttpCheckerSettings {
    /// The service without `/checks`.
    pub url: Url,
    /// Its bearer token for us.
    pub token: SecretString,
    /// How long one request may take.
    pub time_limit: Duration,
    /// How long a service that keeps failing is left alone.
    pub rest: Duration,
}

/// Checks by a service.
pub struct HttpChecker {
    client: reqwest::Client,
    settings: HttpCheckerSettings,
    breaker: AsyncRecloser,
}

#[derive(Deserialize)]
struct Standing {
    id: Uuid,
    status: Status,
    code: Option<String>,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Pending,
    Review,
    Accepted,
    Rejected,
}

/// Why there is no answer that can be read. Quotes neither a body nor a URL.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("no answer")]
    NoAnswer,
    #[error("status {}", .0.as_u16())]
    Status(StatusCode),
    #[error("the answer is not such a document")]
    NotADocument,
    #[error("the request cannot be written")]
    Unwritten,
    #[error("left alone for a while after repeated failures")]
    Resting,
}

impl CallError {
    fn is_ours(&self) -> bool {
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

impl HttpChecker {
    /// Asks nothing yet. Fails when the system has no TLS.
    pub fn new(settings: HttpCheckerSettings) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(settings.time_limit)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("diolkos/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let breaker = Recloser::custom().closed_len(PATIENCE).half_open_len(1).open_wait(settings.rest).build();
        Ok(Self { client, settings, breaker: AsyncRecloser::from(breaker) })
    }

    fn url(&self, rest: &str) -> String {
        format!("{}/checks{rest}", self.settings.url.as_str().trim_end_matches('/'))
    }

    /// Asks until there is an answer, through the breaker, which counts what is the service's fault and not what is ours.
    async fn ask(&self, check: Uuid, request: impl Fn() -> RequestBuilder) -> Result<Verdict, ComplianceError> {
        let once = || self.ask_once(check, request());
        let tries = once.retry(pauses()).when(CallError::is_passing);
        let error = match self.breaker.call_with(|error: &CallError| !error.is_ours(), tries).await {
            Ok(verdict) => return Ok(verdict),
            Err(recloser::Error::Inner(error)) => error,
            Err(recloser::Error::Rejected) => CallError::Resting,
        };
        let what = format!("the compliance service: {error}");
        let kind = if error.is_ours() { "ours" } else { "unsure" };
        metrics::counter!("diolkos_compliance_errors_total", "kind" => kind).increment(1);
        if error.is_ours() {
            tracing::error!(%check, %error, "compliance checks do not work until somebody looks at this");
            return Err(ComplianceError::Ours(what));
        }
        Err(ComplianceError::Unsure(what))
    }

    async fn ask_once(&self, check: Uuid, request: RequestBuilder) -> Result<Verdict, CallError> {
        let request = request.bearer_auth(self.settings.token.expose_secret()).build();
        let request = request.map_err(|_| CallError::Unwritten)?;
        // A missing check is an answer, and nobody's fault; a missing place to send checks to is ours.
        let is_question = request.method() == Method::GET;
        let mut response = self.client.execute(request).await.map_err(|_| CallError::NoAnswer)?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND && is_question {
            return Ok(Verdict::Unknown);
        }
        if status != StatusCode::OK {
            return Err(CallError::Status(status));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| CallError::NoAnswer)? {
            if body.len() + chunk.len() > LONGEST {
                return Err(CallError::NotADocument);
            }
            body.extend_from_slice(&chunk);
        }
        let standing: Standing = serde_json::from_slice(&body).map_err(|_| CallError::NotADocument)?;
        if standing.id != check {
            return Err(CallError::NotADocument);
        }
        Ok(match standing.status {
            Status::Pending => Verdict::Pending,
            Status::Review => Verdict::Review,
            Status::Accepted => Verdict::Accepted,
            Status::Rejected => Verdict::Rejected(Denial { code: kept(standing.code), reason: kept(standing.reason) }),
        })
    }
}

/// Words that people will read: not too many.
fn kept(words: Option<String>) -> Option<String> {
    words.map(|words| words.chars().filter(|c| !c.is_control()).take(500).collect())
}

#[async_trait]
impl ComplianceProvider for HttpChecker {
    async fn submit(&self, applicant: &Applicant) -> Result<Verdict, ComplianceError> {
        let documents: Vec<_> = applicant
            .documents
            .iter()
            .map(|paper| json!({"id": paper.id, "media_type": paper.media_type, "content": STANDARD.encode(&paper.content)}))
            .collect();
        let body = json!({
            "id": applicant.check, "customer": applicant.customer, "profile": applicant.profile, "documents": documents,
        });
        let body = body.to_string();
        let post = || self.client.post(self.url("")).header(CONTENT_TYPE, "application/json").body(body.clone());
        self.ask(applicant.check, post).await
    }

    async fn status(&self, check: Uuid) -> Result<Verdict, ComplianceError> {
        self.ask(check, || self.client.get(self.url(&format!("/{check}")))).await
    }
}

fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(1))
        .with_max_times(TRIES - 1)
        .with_jitter()
}
