//! Where a transfer stands.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = TransferStatus)]
pub enum Status {
    /// It waits for its turn.
    Queued,
    /// It is on its way to the chain.
    Submitted,
    /// The recipient's wallet has it, for good.
    Settled,
    /// Nothing moved.
    Failed,
}

impl Status {
    const ALL: [Self; 4] = [Self::Queued, Self::Submitted, Self::Settled, Self::Failed];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Submitted => "SUBMITTED",
            Self::Settled => "SETTLED",
            Self::Failed => "FAILED",
        }
    }

    /// The status of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}
