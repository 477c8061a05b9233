//! Compliance: whether a person may be a customer.
//!
//! ```text
//! submit ──▶ Pending ──▶ Review ──▶ Accepted | Rejected      (asked for by status)
//! ```
//!
//! The id makes a check happen once: a provider that is sent an id again says where the first stands. [`Simulator`] looks
//! at names (development, test keys); [`HttpChecker`] asks a service over HTTP.

mod http;
mod simulator;

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

pub use http::HttpChecker;
pub use simulator::Simulator;

/// Somebody who is to be looked at. It has no `Debug`: all of it is personal.
pub struct Applicant {
    /// By which the provider knows the check.
    pub check: Uuid,
    /// Whose check it is.
    pub customer: Uuid,
    /// What they have told of themselves, as the wallet API names it.
    pub profile: Value,
    /// Their papers.
    pub documents: Vec<Paper>,
}

/// A paper of an applicant.
pub struct Paper {
    /// By which the profile names it.
    pub id: Uuid,
    /// Such as `image/png`.
    pub media_type: String,
    /// What is in it.
    pub content: Vec<u8>,
}

/// Where a check stands, as its provider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The provider has it and has not ended it.
    Pending,
    /// A person looks at it.
    Review,
    /// Final: they may be a customer.
    Accepted,
    /// Final: they may not.
    Rejected(Denial),
    /// The provider has never heard of this check.
    Unknown,
}

/// Why somebody was rejected, in the provider's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Denial {
    /// For programs.
    pub code: Option<String>,
    /// For people.
    pub reason: Option<String>,
}

/// Why a provider did not say where a check stands. The words hold nothing personal and no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComplianceError {
    /// No answer, or none that can be read: asking again later may help.
    #[error("{0}")]
    Unsure(String),
    /// The provider does not deal with us (a wrong token, a request that it cannot read): somebody has to look.
    #[error("{0}")]
    Ours(String),
}

/// Somebody who looks at people.
#[async_trait]
pub trait ComplianceProvider: Send + Sync {
    /// Asks for a check. An error does not mean that it was not heard.
    async fn submit(&self, applicant: &Applicant) -> Result<Verdict, ComplianceError>;

    /// Asks where a check stands.
    async fn status(&self, check: Uuid) -> Result<Verdict, ComplianceError>;
}
