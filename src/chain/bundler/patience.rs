//! How long refusals are borne.

use std::time::{Duration, Instant};

use super::cause::Cause;
use super::endpoint::{EndpointError, Party};
use crate::chain::store::OpenUserOp;

/// Refusals in a row that nobody has heard of before a lane carries what is refused.
const PATIENCE: u32 = 5;

/// The first pause after a refusal; it doubles with each.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// How long a user operation waits at most that the bundler or the paymaster refuses.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The bundler is left alone until then, after it did not answer.
#[derive(Debug, Default)]
pub struct Rest {
    until: Option<Instant>,
    failures: u32,
}

impl Rest {
    pub(super) fn is_over(&self) -> bool {
        self.until.is_none_or(|until| until <= Instant::now())
    }

    pub(super) fn begin(&mut self) {
        self.failures += 1;
        self.until = Some(Instant::now() + pause(self.failures));
    }
}

/// The pause after so many refusals in a row.
pub(super) fn pause(refusals: u32) -> Duration {
    (PAUSE * 2u32.pow(refusals.saturating_sub(1).min(10))).min(LONGEST_PAUSE)
}

/// Whether the bundler will not carry this user operation as things stand, so that others have to. Whom the paymaster
/// does not pay for waits: that is its operator's decision.
pub(super) fn is_hopeless(error: &EndpointError, user_op: &OpenUserOp) -> bool {
    match error.cause() {
        _ if error.party() == Party::Paymaster => false,
        Cause::Reverts => true,
        // Of the deposit too: more may be asked for than it is ever filled with.
        Cause::Unknown | Cause::DepositTooLow => user_op.refusals >= PATIENCE,
        // It has forgotten to forget an earlier version, or speaks of something else.
        Cause::NonceUsed => user_op.refusals >= 2 * PATIENCE,
        _ => false,
    }
}
