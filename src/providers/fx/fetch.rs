//! Fetching a rate source's document over HTTP, once.

use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};

use super::document::Document;

/// Bytes of a document at most: one of all the world's currencies has a few thousand.
const LONGEST: usize = 1 << 20;

/// Why a rate source gave no document. Never quotes the URL, which may hold a key.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No answer, or one that broke off or took too long.
    #[error("no answer")]
    Transport(#[source] reqwest::Error),
    /// An answer of another status than 200.
    #[error("status {}", .0.as_u16())]
    Status(StatusCode),
    /// A body longer than 1 MiB.
    #[error("the body is too long")]
    TooLong,
    /// A body that is no JSON of the right shape.
    #[error("the body is not such a document")]
    NotADocument(#[source] serde_json::Error),
    /// A document that makes no sense.
    #[error("{0}")]
    Malformed(&'static str),
    /// The source has failed so often that it is left alone for a while.
    #[error("the source is left alone for a while after repeated failures")]
    Resting,
}

impl FetchError {
    /// Whether another try at once may go better: not when the source refuses us.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Transport(_) | Self::NotADocument(_) => true,
            Self::Status(status) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::TooLong | Self::Malformed(_) | Self::Resting => false,
        }
    }
}

fn transport(error: reqwest::Error) -> FetchError {
    FetchError::Transport(error.without_url())
}

/// Asks once; the client limits the time.
pub async fn fetch(client: &reqwest::Client, url: &SecretString) -> Result<Document, FetchError> {
    let mut response = client.get(url.expose_secret()).send().await.map_err(transport)?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > LONGEST {
            return Err(FetchError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Document::read(&body)
}
