//! Mobile-money payouts: local money to a mobile number.
//!
//! ```text
//! send ──▶ Pending ──▶ Paid | Refused        (asked for by status, or sooner by a call-back)
//!   └────▶ Paid | Refused
//! ```
//!
//! The id makes a payout happen once: a provider that is sent an id again pays nothing more and says where the first
//! stands. Whoever does not know whether a send arrived asks for the status, and sends again what is not known.
//!
//! [`Simulator`] pays nothing (development, test keys); [`PawaPay`] pays. [`Networks`] says which networks there are and
//! whose numbers they have.

mod networks;
pub mod pawapay;
mod settings;
mod simulator;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::foundation::{Phone, Rehearsal};
use crate::providers::fx::Currency;

pub use networks::{InvalidNetwork, Network, Networks, Unfit};
pub use pawapay::{PawaPay, PawaPaySettings};
pub(crate) use settings::Account;
pub use settings::{Payer, PayoutSettings};
pub use simulator::Simulator;

/// A payout that a provider is asked for.
#[derive(Clone, Debug)]
pub struct PayoutRequest {
    /// By which the provider knows it: a UUID of version 4, as PawaPay demands.
    pub id: Uuid,
    /// What is paid for. A provider that keeps notes is told, so that people can compare its books with ours.
    pub withdrawal_id: Uuid,
    /// Who is paid.
    pub mobile: Phone,
    /// The network's name as callers know it, such as `orange_money`.
    pub network: String,
    /// The country of the number and the network (ISO 3166-1 alpha-2).
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

/// Why a provider did not say where a payout stands. It may have heard of it all the same, now or before: nobody may
/// take it for refused. The words hold neither a number nor a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayoutError {
    /// No answer, or none that can be read: asking again later may help.
    #[error("{0}")]
    Unsure(String),
    /// The provider does not deal with us (a wrong token, a request that it cannot read): somebody has to look.
    #[error("{0}")]
    Ours(String),
}

/// Somebody who pays out.
#[async_trait]
pub trait PayoutProvider: Send + Sync {
    /// The word in the database: `simulator`, `pawapay`.
    fn name(&self) -> &'static str;

    /// How long a send may take at most.
    fn longest_send(&self) -> Duration;

    /// Asks for a payout. An error does not mean that it was not heard.
    async fn send(&self, payout: &PayoutRequest) -> Result<Progress, PayoutError>;

    /// Asks where a payout stands.
    async fn status(&self, payout: &PayoutRequest) -> Result<Progress, PayoutError>;
}
