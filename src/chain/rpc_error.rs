//! Why a call to the chain gave no result.

use alloy::primitives::Bytes;
use alloy::rpc::json_rpc::{ErrorPayload, RpcError as JsonRpcError};
use alloy::transports::TransportErrorKind;

use super::refusal::{Refusal, classify};

/// Why a call to the chain gave no result.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// No endpoint gave an answer that can be used: connection, time-out, rate limit, malformed answer.
    /// Whether the request took effect is unknown.
    #[error("no endpoint answered: {0}")]
    Unavailable(String),
    /// The node understood and said no.
    #[error("{kind:?}: {message}")]
    Refused {
        /// What the refusal means.
        kind: Refusal,
        /// The node's own words.
        message: String,
        /// Revert data of a call that reverted.
        data: Option<Bytes>,
    },
    /// The endpoint serves another chain: nothing was asked of it.
    #[error("the RPC endpoint serves chain {served}, not chain {expected}")]
    OtherChain {
        /// EIP-155 id that it serves.
        served: u64,
        /// The one that is configured.
        expected: u64,
    },
}

/// What came instead of an answer, as [`RpcError::Unavailable`] tells it.
const HTTP_STATUS: &str = "HTTP status";
const TOO_MANY_REQUESTS: &str = "HTTP status 429";
const TIME_LIMIT: &str = "time limit";
const CONNECTION: &str = "connection failed";
const MALFORMED: &str = "malformed answer";
const EMPTY: &str = "empty answer";

impl RpcError {
    /// Whether the node has judged the call itself, and would again.
    pub fn is_verdict(&self) -> bool {
        matches!(self, Self::Refused { kind: Refusal::Reverted | Refusal::Invalid | Refusal::Other, .. })
    }

    /// The endpoint did not answer in time.
    pub(super) fn time_limit() -> Self {
        Self::Unavailable(TIME_LIMIT.into())
    }

    /// Whether that is what went wrong.
    pub(super) fn is_time_limit(&self) -> bool {
        matches!(self, Self::Unavailable(what) if what == TIME_LIMIT)
    }

    /// The node answered that it does not have the block.
    pub(super) fn no_such_block() -> Self {
        Self::Refused { kind: Refusal::OtherBlock, message: "the node does not have the block".into(), data: None }
    }

    /// Whether the connection was lost, or what answered was no node: behind the next one there may be another.
    pub(super) fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Unavailable(what) if what != TOO_MANY_REQUESTS)
    }

    /// What went wrong, in a word for metrics.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Refused { kind, .. } => kind.as_str(),
            Self::OtherChain { .. } => "other_chain",
            Self::Unavailable(what) => match what.as_str() {
                TOO_MANY_REQUESTS => Refusal::RateLimited.as_str(),
                TIME_LIMIT => "time_limit",
                CONNECTION => "connection",
                MALFORMED | EMPTY => "malformed",
                what if what.starts_with(HTTP_STATUS) => "http_status",
                _ => "unavailable",
            },
        }
    }
}

impl From<JsonRpcError<TransportErrorKind>> for RpcError {
    fn from(error: JsonRpcError<TransportErrorKind>) -> Self {
        match error {
            JsonRpcError::ErrorResp(payload) => payload.into(),
            // The URL of an endpoint may hold a key, so only the kind of failure is told.
            JsonRpcError::Transport(TransportErrorKind::HttpError(http)) => {
                Self::Unavailable(format!("{HTTP_STATUS} {}", http.status))
            }
            JsonRpcError::Transport(_) => Self::Unavailable(CONNECTION.into()),
            JsonRpcError::DeserError { .. } | JsonRpcError::SerError(_) => Self::Unavailable(MALFORMED.into()),
            JsonRpcError::NullResp => Self::Unavailable(EMPTY.into()),
            _ => Self::Unavailable("request could not be made".into()),
        }
    }
}

impl From<ErrorPayload> for RpcError {
    fn from(payload: ErrorPayload) -> Self {
        let data = payload.as_revert_data();
        let kind = if data.is_some() { Refusal::Reverted } else { classify(payload.code, &payload.message) };
        Self::Refused { kind, message: payload.message.into_owned(), data }
    }
}
