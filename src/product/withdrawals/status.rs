//! Where a withdrawal stands.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a withdrawal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = WithdrawalStatus)]
pub enum Status {
    /// Its tokens are promised and it waits for its turn.
    Pending,
    /// The tokens are on their way to the treasury.
    Submitted,
    /// The treasury has the tokens, for good; the local money is on its way.
    CryptoReceived,
    /// The customer has the local money.
    Completed,
    /// The tokens never left the wallet.
    Failed,
    /// The network refused the local money; the tokens go back, unless somebody has it tried again.
    PayoutFailed,
}

impl Status {
    const ALL: [Self; 6] =
        [Self::Pending, Self::Submitted, Self::CryptoReceived, Self::Completed, Self::Failed, Self::PayoutFailed];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Submitted => "SUBMITTED",
            Self::CryptoReceived => "CRYPTO_RECEIVED",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::PayoutFailed => "PAYOUT_FAILED",
        }
    }

    /// The status of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// How far the tokens of a refused payout are on their way back to the wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Refund {
    /// They go back unless somebody has the payout tried again before.
    Due,
    /// They are on their way.
    Sent,
    /// The wallet has them, for good.
    Returned,
    /// They could not be sent; somebody must look.
    Failed,
}

impl Refund {
    const ALL: [Self; 4] = [Self::Due, Self::Sent, Self::Returned, Self::Failed];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Sent => "sent",
            Self::Returned => "returned",
            Self::Failed => "failed",
        }
    }

    /// The state of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refund| refund.as_str() == word)
    }
}
