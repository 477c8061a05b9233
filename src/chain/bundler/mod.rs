//! The second way to carry: a bundler (ERC-4337) takes user operations instead of our lanes, and is paid for it by a
//! paymaster (ERC-7677) or from the treasury's deposit in the EntryPoint.
//!
//! ```text
//! not signed ──estimate, sign, store──▶ stored ──eth_sendUserOperation──▶ sent ──(a block)──▶ mined, by scan
//!                    ▲                    │ refused: signed again              │ not seen: sent again,
//!                    └────────────────────┴────────────────────────────────────┘ then signed for higher fees
//! ```
//!
//! Whatever is signed again keeps its nonce, every signature is stored before the bundler sees it, and what became of it
//! is read from the chain: the bundler can delay, and can neither lose nor repeat a payment. What nobody would pay the
//! bundler for, and what it cannot carry (calls that revert, which should fail on chain with their reason), goes by lane.

mod cause;
mod client;
mod deposit;
mod endpoint;
mod hand_over;
mod patience;
mod sign;
mod sponsor;

use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;

use self::client::Client;
use self::endpoint::{Endpoint, Party};
use self::sponsor::Sponsor;
use super::store::Takes;

pub(super) use self::deposit::FILL_EVERY;
pub use self::deposit::{Deposit, DepositMarks, of_treasury as deposit_of_treasury};
pub use self::endpoint::EndpointError;
pub use self::patience::Rest;

/// What configuration says of the bundler.
#[derive(Clone, Debug)]
pub struct BundlerSettings {
    /// Its JSON-RPC endpoint; it may hold a key.
    pub url: SecretString,
    /// Who pays it.
    pub paymaster: Option<PaymasterSettings>,
    /// How full the treasury's deposit is kept when no paymaster pays.
    pub deposit: DepositMarks,
}

/// What configuration says of the paymaster.
#[derive(Clone, Debug)]
pub struct PaymasterSettings {
    /// Its ERC-7677 endpoint; it may hold a key.
    pub url: SecretString,
    /// What its operator wants to be told.
    pub context: Value,
}

/// The bundler, and who pays it.
pub struct Bundler {
    client: Client,
    sponsor: Option<Sponsor>,
    deposit: DepositMarks,
}

impl Bundler {
    /// A handle; nothing is asked yet.
    pub fn new(settings: &BundlerSettings, chain_id: u64, time_limit: Duration) -> Self {
        let client = Client(Endpoint::new(Party::Bundler, settings.url.clone(), time_limit));
        let sponsor = settings.paymaster.as_ref().map(|paymaster| Sponsor {
            endpoint: Endpoint::new(Party::Paymaster, paymaster.url.clone(), time_limit),
            context: paymaster.context.clone(),
            chain_id,
        });
        Self { client, sponsor, deposit: settings.deposit }
    }

    /// Whose user operations somebody pays the bundler for.
    pub fn takes(&self) -> Takes {
        Takes { treasury: true, wallets: self.sponsor.is_some() }
    }

    /// Whether the treasury pays from its own deposit.
    pub fn is_paid_by_treasury(&self) -> bool {
        self.sponsor.is_none()
    }
}
