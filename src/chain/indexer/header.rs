//! Blocks as the indexer knows them.

use alloy::primitives::{Address, B256, Bloom, BloomInput};
use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::chain::contracts::IERC20::Transfer;
use alloy::sol_types::SolEvent;

/// Where a block is and which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: B256,
}

/// What of a block's header chains it up and tells what may be in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Height.
    #[serde(with = "alloy::serde::quantity")]
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// The block before.
    pub parent_hash: B256,
    /// Unix seconds.
    #[serde(with = "alloy::serde::quantity")]
    pub timestamp: u64,
    /// Which contracts and topics may have logs in it.
    pub logs_bloom: Bloom,
}

impl Header {
    /// Where and which.
    pub const fn mark(&self) -> Mark {
        Mark { number: self.number, hash: self.hash }
    }

    /// When it was made, by its own word.
    pub fn time(&self) -> DateTime<Utc> {
        let seconds = i64::try_from(self.timestamp).unwrap_or(i64::MAX);
        DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::UNIX_EPOCH)
    }

    /// Whether one of these tokens may have logged a transfer in it; `false` is certain.
    pub fn may_have_transfers(&self, tokens: &[Address]) -> bool {
        let may = |input: &[u8]| self.logs_bloom.contains_input(BloomInput::Raw(input));
        may(Transfer::SIGNATURE_HASH.as_slice()) && tokens.iter().any(|token| may(token.as_slice()))
    }
}
