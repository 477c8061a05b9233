//! Verification of identities by the telephone: whether the person who holds a number is who they say they are.
//!
//! ```text
//! start ──a link by SMS──▶ the person follows it, and comes to the target with a fingerprint ──validate──▶ who they are
//! ```
//!
//! Our id makes a check happen once: a provider that is sent an id again sends no second message, and says of a fingerprint
//! what it said the first time. [`Simulator`] goes by numbers and fingerprints (development, test keys); [`HttpVerifier`]
//! asks a service over HTTP.

mod http;
mod simulator;

use std::net::IpAddr;

use async_trait::async_trait;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use super::service::Provider;

pub use http::HttpVerifier;
pub use simulator::Simulator;

/// How much a provider trusts that a number is a person's: 0 to 1000.
pub type TrustScore = i32;

/// Who checks identities for live keys, and whom it takes to be known.
#[derive(Clone, Debug)]
pub struct VerificationSettings {
    /// Who checks.
    pub provider: Provider,
    /// The least score by which a customer counts as known.
    pub least_score: TrustScore,
}

/// A check that is to begin. It has no `Debug`: all of it is personal.
#[derive(Clone, Serialize, Deserialize)]
pub struct Start {
    /// By which the provider knows the check.
    pub check: Uuid,
    /// The address from which the person asks.
    pub source_ip: IpAddr,
    /// Where the person comes to with the fingerprint.
    pub final_target_url: Url,
    /// The number to which the link goes, as E.164 has it.
    pub mobile_number: String,
    /// The day of birth that they tell.
    pub date_of_birth: Option<NaiveDate>,
    /// The social security number that they tell: its nine digits, or the last four.
    pub ssn: Option<String>,
}

/// What became of a start.
#[derive(Clone, PartialEq, Eq)]
pub enum Begun {
    /// The link is on its way; what the provider calls the check, of which we know nothing.
    Sent {
        /// To be given back with the fingerprint.
        reference: String,
    },
    /// No message can be sent to this number.
    Unreachable,
    /// The provider does not check this person.
    Refused,
}

/// What a fingerprint proves.
#[derive(Clone, PartialEq)]
pub enum Finding {
    /// Who they are.
    Proven(Box<Person>),
    /// Nothing: it is none of this check's.
    NotProven,
    /// The provider knows no such check, or no more.
    Unknown,
}

/// Who somebody is. It has no `Debug`: all of it is personal.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// Their first name.
    pub first_name: String,
    /// Their last name.
    pub last_name: String,
    /// Where they live, as far as the provider knows.
    #[serde(default)]
    pub address: Residence,
    /// Their e-mail addresses.
    #[serde(default)]
    pub email_addresses: Vec<String>,
    /// Their social security number.
    pub ssn: Option<String>,
    /// Their day of birth.
    pub date_of_birth: Option<NaiveDate>,
    /// How much the provider trusts all this.
    pub trust_score: TrustScore,
}

/// Where somebody lives.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Residence {
    /// Street and number.
    pub address: Option<String>,
    /// What else there is to say of it.
    pub extended_address: Option<String>,
    /// Such as `San Antonio`.
    pub city: Option<String>,
    /// Such as `TX`.
    pub region: Option<String>,
    /// Such as `78285`.
    pub postal_code: Option<String>,
}

/// Why a provider said nothing. The words hold nothing personal and no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerificationError {
    /// No answer, or none that can be read: asking again later may help.
    #[error("{0}")]
    Unsure(String),
    /// The provider does not deal with us (a wrong token, a request that it cannot read): somebody has to look.
    #[error("{0}")]
    Ours(String),
}

/// Somebody who checks identities.
#[async_trait]
pub trait VerificationProvider: Send + Sync {
    /// Begins a check: sends the link. An error does not mean that it was not sent.
    async fn start(&self, start: &Start) -> Result<Begun, VerificationError>;

    /// Asks what a fingerprint proves.
    async fn validate(&self, check: Uuid, reference: &str, fingerprint: &str) -> Result<Finding, VerificationError>;
}
