//! Local money for withdrawals whose tokens the treasury has.
//!
//! ```text
//! ready ──begin──▶ asked ──▶ paid      the withdrawal is COMPLETED, its tokens are the house's
//!                    │  ▲
//!                    │  └── not known yet: asked again later, by the same id
//!                    └─────▶ refused   the withdrawal is PAYOUT_FAILED, its tokens go back unless somebody retries
//! ```
//!
//! That a provider is about to hear of a payout is stored before it does. Whoever finds it asked, and does not know
//! whether that arrived, asks for the status, and sends it again under the same id only if the provider has never heard
//! of it. An id pays once, and a withdrawal has one id that was not refused.

mod callback;
mod confirm;
mod decide;
mod ending;
mod request;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::store::NewPayout;
use crate::foundation::Mode;
use crate::providers::payout::{Networks, PayoutProvider};

pub(super) use callback::{__path_call_back, call_back};
pub(super) use confirm::pay;
pub(super) use confirm::{__path_confirm, confirm};
pub(super) use decide::{__path_decide, decide};
pub(super) use request::{last_word, word_of_open};
pub use worker::run;

/// The word in the database for payouts that people make.
const MANUAL: &str = "manual";

/// Who pays out, through which networks. Cheap to clone.
#[derive(Clone)]
pub struct Payouts {
    networks: Arc<Networks>,
    live: Option<Arc<dyn PayoutProvider>>,
    test: Arc<dyn PayoutProvider>,
    refund_after: Duration,
}

impl Payouts {
    /// Payouts of a provider for live keys (people make them when there is none) and one for test keys. The tokens of a
    /// refused payout go back after `refund_after`.
    pub fn new(
        networks: Networks,
        live: Option<Arc<dyn PayoutProvider>>,
        test: Arc<dyn PayoutProvider>,
        refund_after: Duration,
    ) -> Self {
        Self { networks: Arc::new(networks), live, test, refund_after }
    }

    /// The networks.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// The provider of a mode; none when people pay.
    fn provider(&self, mode: Mode) -> Option<&Arc<dyn PayoutProvider>> {
        match mode {
            Mode::Live => self.live.as_ref(),
            Mode::Test => Some(&self.test),
        }
    }

    /// A payout of a withdrawal, for the provider of its mode or for people.
    pub(super) fn new_payout(&self, tenant: Uuid, withdrawal: Uuid, mode: Mode) -> NewPayout {
        let provider = self.provider(mode).map_or(MANUAL, |provider| provider.name());
        NewPayout { tenant, withdrawal, mode, provider, is_manual: provider == MANUAL }
    }
}
