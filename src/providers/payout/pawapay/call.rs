//! Requests to PawaPay, with their time limits, retries and breaker.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use recloser::{AsyncRecloser, Recloser};
use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, StatusCode};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::PawaPaySettings;
use super::wire::{Creation, Failure, Fault, Initiation, Standing};

/// Bytes of an answer at most: one payout has a few hundred.
const LONGEST: usize = 64 << 10;

/// Calls of which half may fail before the API is left alone, less one.
const PATIENCE: usize = 10;

/// Requests for one answer at most.
const TRIES: u32 = 3;

/// Why there is no answer that can be read. Quotes neither a body nor a URL.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No connection, so that nothing was heard.
    #[error("no connection")]
    NotHeard,
    /// No answer, or one that broke off or took too long.
    #[error("no answer")]
    NoAnswer,
    /// Another status than 200, and the code that came with it.
    #[error("status {}{}", status.as_u16(), code.as_ref().map(|code| format!(" {code}")).unwrap_or_default())]
    Status {
        /// The status.
        status: StatusCode,
        /// PawaPay's failure code.
        code: Option<String>,
    },
    /// A body that is too long.
    #[error("the answer is too long")]
    TooLong,
    /// A body that is no JSON of the right shape.
    #[error("the answer is not such a document")]
    NotADocument,
    /// A request that cannot be written.
    #[error("the request cannot be written")]
    Unwritten,
    /// The API has failed so often that it is left alone for a while.
    #[error("left alone for a while after repeated failures")]
    Resting,
}

impl CallError {
    /// Whether the request was never looked at, so that it may be sent again whatever it is.
    fn was_not_heard(&self) -> bool {
        match self {
            Self::NotHeard => true,
            Self::Status { status, .. } => *status == StatusCode::TOO_MANY_REQUESTS,
            Self::NoAnswer | Self::TooLong | Self::NotADocument | Self::Unwritten | Self::Resting => false,
        }
    }

    /// Whether another try at once may go better.
    fn is_passing(&self) -> bool {
        match self {
            Self::NoAnswer | Self::NotADocument => true,
            Self::Status { status, .. } => status.is_server_error() || self.was_not_heard(),
            Self::NotHeard => true,
            Self::TooLong | Self::Unwritten | Self::Resting => false,
        }
    }

    /// Whether our side has to be mended: PawaPay answers, and does not take what we send. Redirects and missing pages
    /// are a wrong URL.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Status { status, .. } => {
                let is_theirs = *status == StatusCode::REQUEST_TIMEOUT || *status == StatusCode::TOO_MANY_REQUESTS;
                !status.is_server_error() && !is_theirs
            }
            Self::Unwritten => true,
            Self::NotHeard | Self::NoAnswer | Self::TooLong | Self::NotADocument | Self::Resting => false,
        }
    }
}

/// The API of one account.
pub struct Api {
    client: reqwest::Client,
    settings: PawaPaySettings,
    breaker: AsyncRecloser,
}

impl Api {
    /// How long one question may take, with all its tries.
    pub fn longest(&self) -> Duration {
        self.settings.time_limit * TRIES
    }

    /// Asks nothing yet.
    pub fn new(settings: PawaPaySettings) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(settings.time_limit)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("diolkos/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let breaker = Recloser::custom().closed_len(PATIENCE).half_open_len(1).open_wait(settings.rest).build();
        Ok(Self { client, settings, breaker: AsyncRecloser::from(breaker) })
    }

    /// `POST /v2/payouts`. Sent again only when nobody heard it.
    pub async fn create(&self, body: &Creation<'_>) -> Result<Initiation, CallError> {
        let body = serde_json::to_vec(body).map_err(|_| CallError::Unwritten)?;
        let request = || {
            let request = self.client.post(self.url(None)).header(CONTENT_TYPE, "application/json").body(body.clone());
            self.ask(request)
        };
        self.guarded(request.retry(pauses()).when(CallError::was_not_heard)).await
    }

    /// `GET /v2/payouts/{id}`.
    pub async fn standing(&self, id: Uuid) -> Result<Standing, CallError> {
        let request = || self.ask(self.client.get(self.url(Some(id))));
        self.guarded(request.retry(pauses()).when(CallError::is_passing)).await
    }

    fn url(&self, id: Option<Uuid>) -> String {
        let base = self.settings.url.as_str().trim_end_matches('/');
        id.map_or_else(|| format!("{base}/v2/payouts"), |id| format!("{base}/v2/payouts/{id}"))
    }

    /// Through the breaker, which counts what is PawaPay's fault and not what is ours, and not without end.
    async fn guarded<T>(&self, tries: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
        let limit = self.longest();
        let tries = async { tokio::time::timeout(limit, tries).await.unwrap_or(Err(CallError::NoAnswer)) };
        let is_theirs = |error: &CallError| !error.is_ours();
        self.breaker.call_with(is_theirs, tries).await.map_err(|error| match error {
            recloser::Error::Inner(error) => error,
            recloser::Error::Rejected => CallError::Resting,
        })
    }

    /// Asks once; the client limits the time.
    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CallError> {
        let request = request.bearer_auth(self.settings.token.expose_secret());
        let mut response = request.send().await.map_err(|error| match error {
            error if error.is_connect() => CallError::NotHeard,
            error if error.is_builder() => CallError::Unwritten,
            _ => CallError::NoAnswer,
        })?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| CallError::NoAnswer)? {
            if body.len() + chunk.len() > LONGEST {
                return Err(CallError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        if status != StatusCode::OK {
            let fault = serde_json::from_slice::<Fault>(&body).ok();
            return Err(CallError::Status {
                status,
                code: fault.and_then(|f| f.failure_reason).and_then(Failure::code),
            });
        }
        serde_json::from_slice(&body).map_err(|_| CallError::NotADocument)
    }
}

fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(1))
        .with_max_times(TRIES as usize - 1)
        .with_jitter()
}
