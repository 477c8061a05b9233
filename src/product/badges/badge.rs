//! Badges: what a tenant tells its customers apart by.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What a badge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = BadgeKind)]
pub enum Kind {
    /// Says what a customer is; each has one at a time.
    Identification,
    /// Says which rules a customer's movements of a token keep.
    Financial,
    /// Says something more about a customer; each may have several.
    Information,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Identification, Self::Financial, Self::Information];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identification => "IDENTIFICATION",
            Self::Financial => "FINANCIAL",
            Self::Information => "INFORMATION",
        }
    }

    /// The kind of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Whom a badge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UserGroup {
    /// People.
    WalletUser,
    /// Businesses.
    BusinessUser,
}

impl UserGroup {
    const ALL: [Self; 2] = [Self::WalletUser, Self::BusinessUser];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WalletUser => "WALLET_USER",
            Self::BusinessUser => "BUSINESS_USER",
        }
    }

    /// The word in lists of the wallet API.
    pub const fn as_listed(self) -> &'static str {
        match self {
            Self::WalletUser => "WALLET-USER",
            Self::BusinessUser => "BUSINESS-USER",
        }
    }

    /// The group of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.as_str() == word)
    }
}

/// A badge of a tenant.
#[derive(Clone, Debug)]
pub struct Badge {
    /// Its id.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// Whom it is for.
    pub user_group: UserGroup,
    /// What it says, in words.
    pub description: Option<String>,
    /// Where its picture is.
    pub symbol_ref: Option<String>,
    /// Who keeps the picture.
    pub storage_provider: Option<String>,
    /// Who made it; none of those that a tenant starts with.
    pub created_by: Option<String>,
    /// Whether it can be given to customers. Those who have it keep it, and its rules.
    pub is_active: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}
