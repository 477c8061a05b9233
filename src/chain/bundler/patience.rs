//! How long refusals are borne.

use std::time::{Duration, Instant};

use super::cause::Cause;
use super::endpoint::{EndpointError, Party};
use crate::chain::store::{Offers, OpenUserOp};

/// Refusals in a row that nobody has heard of before a lane carries what is refused.
const PATIENCE: u32 = 5;

/// Refusals in a row, whatever they say, before a lane carries what is refused.
const LONG_PATIENCE: u32 = 2 * PATIENCE;

/// Signatures of one user operation at most that are for the bundler.
const MOST_OFFERS: u32 = 24;

/// How often `REPLACE_AFTER_BLOCKS` may pass after the bundler first took a user operation.
const PERIODS: u64 = 8;

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

/// Whether the bundler has had its time: it takes a user operation again and again and nothing comes of it, or refuses it
/// on and on, or ever more signatures are made for it. To let a lane carry it does no harm, for they share the nonce.
pub(super) fn is_over(offers: &Offers, user_op: &OpenUserOp, head: u64, replace_after_blocks: u64) -> bool {
    let age = offers.taken_since.map_or(0, |since| head.saturating_sub(since));
    user_op.refusals > LONG_PATIENCE
        || offers.count >= MOST_OFFERS
        || age > PERIODS.saturating_mul(replace_after_blocks)
}

/// Whether the bundler will not carry this user operation as things stand, so that others have to. Whom the paymaster
/// does not pay for waits longer, for its operator to see to that, but not for ever.
pub(super) fn is_hopeless(error: &EndpointError, user_op: &OpenUserOp) -> bool {
    match error.cause() {
        _ if user_op.refusals >= LONG_PATIENCE => true,
        _ if error.party() == Party::Paymaster => false,
        Cause::Reverts => true,
        // Of the deposit too: more may be asked for than it is ever filled with.
        Cause::Unknown | Cause::DepositTooLow => user_op.refusals >= PATIENCE,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user_op(refusals: u32) -> OpenUserOp {
        OpenUserOp {
            id: uuid::Uuid::nil(),
            account: alloy::primitives::Address::ZERO,
            wallet: None,
            born_block: 0,
            refusals,
            version: None,
        }
    }

    #[test]
    fn what_is_taken_and_never_carried_is_given_up_in_the_end() {
        let taken = |since| Offers { count: 1, taken_since: since };
        assert!(!is_over(&taken(Some(100)), &user_op(0), 180, 10));
        assert!(is_over(&taken(Some(100)), &user_op(0), 181, 10));
        assert!(!is_over(&taken(None), &user_op(0), 1_000_000, 10), "it was never taken");
        assert!(is_over(&taken(None), &user_op(LONG_PATIENCE + 1), 0, 10));
        assert!(is_over(&Offers { count: MOST_OFFERS, taken_since: None }, &user_op(0), 0, 10));
    }

    #[test]
    fn no_refusal_is_borne_for_ever() {
        let refused = |code: i64, party| EndpointError::Refused { party, code, message: "AA33 reverted".into() };
        for party in [Party::Bundler, Party::Paymaster] {
            assert!(!is_hopeless(&refused(-32602, party), &user_op(LONG_PATIENCE - 1)));
            assert!(is_hopeless(&refused(-32602, party), &user_op(LONG_PATIENCE)));
        }
    }
}
