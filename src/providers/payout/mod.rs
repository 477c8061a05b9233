//! Mobile-money payouts: local money to a mobile number.
//!
//! ```text
//! send ──▶ Pending ──▶ Paid | Refused        (asked for by status, or sooner by a call-back)
//!   └────▶ Paid | Refused
//! ```
//!
//! The id makes a payout happen once: a provider that is sent an id again pays nothing more and says where the first
//! stands. Whoever does not know whether a send arrived asks for the status, and sends again what is not known.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::foundation::{Phone, Rehearsal};
use crate::providers::fx::Currency;

/// A payout that a provider is asked for.
#[derive(Clone, Debug)]
pub struct PayoutRequest {
    /// By which the provider knows it.
    pub id: Uuid,
    /// Who is paid.
    pub mobile: Phone,
    /// The network's name as callers know it, such as `orange_money`, and the country (ISO 3166-1 alpha-2).
    pub network: String,
    /// The country of the number.
    pub country: String,
    /// The local currency.
    pub currency: Currency,
    /// How much, in whole units with at most the currency's minor digits.
    pub amount: Decimal,
    /// When the provider was asked first.
    pub asked_at: DateTime<Utc>,
    /// What is to go wrong, of a simulated payout.
    pub rehearsal: Option<Rehearsal>,
}

/// Where a payout stands, as its provider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The provider has it and has not ended it.
    Pending,
    /// Final: the customer has the money.
    Paid {
        /// The network's reference.
        reference: String,
    },
    /// Final: nothing was paid, and nothing will be under this id.
    Refused {
        /// Why, in the provider's words.
        why: String,
    },
    /// The provider has never heard of this id.
    Unknown,
}

/// Why a provider did not say where a payout stands. It may have heard all the same.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct PayoutError {
    /// In words, without a number or a key.
    pub what: String,
}

/// Somebody who pays out.
#[async_trait]
pub trait PayoutProvider: Send + Sync {
    /// The word in the database: `simulator`, `pawapay`.
    fn name(&self) -> &'static str;

    /// Asks for a payout. An error does not mean that it was not heard.
    async fn send(&self, payout: &PayoutRequest) -> Result<Progress, PayoutError>;

    /// Asks where a payout stands.
    async fn status(&self, payout: &PayoutRequest) -> Result<Progress, PayoutError>;
}
