//! What an identification badge is linked to for a token.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A link; badges with their names.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its id.
    pub id: Uuid,
    /// The token's symbol.
    pub token: String,
    /// Whose rules count,
    pub financial: Option<(Uuid, String)>,
    /// unless there is one that stands in for it.
    pub custom_financial: Option<(Uuid, String)>,
    /// What is said besides.
    pub information: Option<(Uuid, String)>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

impl Link {
    /// The financial badge whose rules count.
    pub fn ruling(&self) -> Option<&(Uuid, String)> {
        self.custom_financial.as_ref().or(self.financial.as_ref())
    }
}

/// What a link is to be.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// The identification badge.
    pub identification: Uuid,
    /// The token's symbol.
    pub token: String,
    /// The financial badge.
    pub financial: Option<Uuid>,
    /// The one that stands in for it.
    pub custom_financial: Option<Uuid>,
    /// The information badge.
    pub information: Option<Uuid>,
}
