//! What a node's refusal means. Nodes differ in codes, so the message is read as well (FAULTS 6, 13).

use alloy::primitives::Bytes;
use alloy::rpc::json_rpc::{ErrorPayload, RpcError as JsonRpcError};
use alloy::transports::TransportErrorKind;

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
}

/// What a refusal means to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The node has this very transaction.
    AlreadyKnown,
    /// The account's nonce has passed this one.
    NonceTooLow,
    /// There is a gap below this nonce.
    NonceTooHigh,
    /// Another transaction of this nonce offers nearly as much or more.
    ReplacementUnderpriced,
    /// The fee is below the block's base fee or the node's minimum.
    FeeTooLow,
    /// The account cannot pay for gas.
    InsufficientFunds,
    /// The node has no room now.
    PoolFull,
    /// Too many requests.
    RateLimited,
    /// The node does not have the state of the block that was asked for: not yet, or not any more.
    OtherBlock,
    /// The call reverts.
    Reverted,
    /// This transaction can never be accepted as it is.
    Invalid,
    /// Something else.
    Other,
}

impl RpcError {
    /// Whether the node has judged the call itself, and would again.
    pub fn is_verdict(&self) -> bool {
        matches!(self, Self::Refused { kind: Refusal::Reverted | Refusal::Invalid | Refusal::Other, .. })
    }
}

impl Refusal {
    /// Whether no other endpoint needs to be asked: what one node says of a transaction holds, but of a question only
    /// that the call reverts; any other refusal may be the node's own trouble.
    pub fn is_final(self, sending: bool) -> bool {
        if sending { !self.is_passing() } else { self == Self::Reverted }
    }

    /// Whether asking again later, or another endpoint, may succeed without any change.
    pub fn is_passing(self) -> bool {
        matches!(self, Self::PoolFull | Self::RateLimited | Self::OtherBlock)
    }
}

/// How nodes begin to tell that a call reverts.
const REVERTS: [&str; 3] = ["execution reverted", "vm execution error", "vm exception"];

/// Words that nodes use (geth, bor, erigon, nethermind, reth, anvil), in lower case, and what they mean.
/// The first match counts, so what is more particular comes first.
const WORDS: &[(&str, Refusal)] = &[
    ("already known", Refusal::AlreadyKnown),
    ("already imported", Refusal::AlreadyKnown),
    ("alreadyknown", Refusal::AlreadyKnown),
    ("unknown transaction", Refusal::Invalid),
    ("known transaction", Refusal::AlreadyKnown),
    ("replacement transaction underpriced", Refusal::ReplacementUnderpriced),
    ("replacementnotallowed", Refusal::ReplacementUnderpriced),
    ("could not replace existing", Refusal::ReplacementUnderpriced),
    ("transaction underpriced", Refusal::FeeTooLow),
    ("max fee per gas less than block base fee", Refusal::FeeTooLow),
    ("feetoolow", Refusal::FeeTooLow),
    ("fee cap less than block base fee", Refusal::FeeTooLow),
    ("gas price too low", Refusal::FeeTooLow),
    ("tip needed", Refusal::FeeTooLow),
    ("nonce too low", Refusal::NonceTooLow),
    ("nonce is too low", Refusal::NonceTooLow),
    ("oldnonce", Refusal::NonceTooLow),
    ("nonce too high", Refusal::NonceTooHigh),
    ("nonce gap", Refusal::NonceTooHigh),
    ("insufficient funds", Refusal::InsufficientFunds),
    ("insufficientfunds", Refusal::InsufficientFunds),
    ("insufficient balance for gas", Refusal::InsufficientFunds),
    ("txpool is full", Refusal::PoolFull),
    ("transaction pool is full", Refusal::PoolFull),
    ("account limit exceeded", Refusal::PoolFull),
    ("in-flight transaction limit", Refusal::PoolFull),
    ("too many requests", Refusal::RateLimited),
    ("rate limit", Refusal::RateLimited),
    ("exceeded its compute units", Refusal::RateLimited),
    ("request limit", Refusal::RateLimited),
    ("blockoutofrange", Refusal::OtherBlock),
    ("header not found", Refusal::OtherBlock),
    ("unknown block", Refusal::OtherBlock),
    ("missing trie node", Refusal::OtherBlock),
    ("block is not available", Refusal::OtherBlock),
    ("execution reverted", Refusal::Reverted),
    ("vm execution error", Refusal::Reverted),
    ("intrinsic gas too low", Refusal::Invalid),
    ("exceeds block gas limit", Refusal::Invalid),
    ("gas limit too high", Refusal::Invalid),
    ("gas limit is too high", Refusal::Invalid),
    ("transaction gas limit", Refusal::Invalid),
    ("oversized data", Refusal::Invalid),
    ("tx type not supported", Refusal::Invalid),
    ("transaction type not supported", Refusal::Invalid),
    ("not supported by the current hardfork", Refusal::Invalid),
    ("invalid sender", Refusal::Invalid),
    ("invalid chain id", Refusal::Invalid),
    ("wrong chain id", Refusal::Invalid),
];

/// Reads a refusal by its words first and by its code (JSON-RPC, EIP-1474) only when they say nothing.
pub fn classify(code: i64, message: &str) -> Refusal {
    let message = message.to_lowercase();
    // What a contract says when it reverts is its own affair.
    if REVERTS.iter().any(|words| message.starts_with(words)) {
        return Refusal::Reverted;
    }
    let by_words = WORDS.iter().find(|(words, _)| message.contains(words)).map(|(_, kind)| *kind);
    by_words.unwrap_or(match code {
        3 => Refusal::Reverted,
        429 | -32005 | -32029 => Refusal::RateLimited,
        _ => Refusal::Other,
    })
}

impl From<JsonRpcError<TransportErrorKind>> for RpcError {
    fn from(error: JsonRpcError<TransportErrorKind>) -> Self {
        match error {
            JsonRpcError::ErrorResp(payload) => payload.into(),
            // The URL of an endpoint may hold a key, so only the kind of failure is told.
            JsonRpcError::Transport(TransportErrorKind::HttpError(http)) => {
                Self::Unavailable(format!("HTTP status {}", http.status))
            }
            JsonRpcError::Transport(_) => Self::Unavailable("connection failed".into()),
            JsonRpcError::DeserError { .. } | JsonRpcError::SerError(_) => Self::Unavailable("malformed answer".into()),
            JsonRpcError::NullResp => Self::Unavailable("empty answer".into()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read_as_itself() {
        for (words, kind) in WORDS {
            assert_eq!(classify(-32603, &format!("Internal error: {}", words.to_uppercase())), *kind, "{words}");
        }
    }

    #[test]
    fn nonce_too_low_inside_an_internal_error_is_what_it_is() {
        assert_eq!(classify(-32603, "nonce too low: next nonce 5, tx nonce 4"), Refusal::NonceTooLow);
        assert_eq!(classify(-32603, "something else"), Refusal::Other);
        assert_eq!(classify(-32005, "daily quota"), Refusal::RateLimited);
        assert_eq!(classify(3, "execution reverted: insufficient funds, rate limit"), Refusal::Reverted);
        assert_eq!(classify(-32000, "unknown transaction type"), Refusal::Invalid);
    }
}
