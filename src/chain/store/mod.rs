//! The engine's SQL, all of it in the engine's role.

mod bundle;
mod handing_over;
mod lane;
mod membership;
mod news;
mod progress;
mod refill;
mod user_op;

pub use bundle::{Bundle, Deposits, NewBundle, Purpose};
pub use bundle::{
    alive, deposits, in_flight, insert as insert_bundles, mark_done, mark_sent, raw, reopen as reopen_bundles,
    set_failure,
};
pub use handing_over::{
    Offers, Takes, bundler_backlog, for_bundler, give_to_lanes, mark_handed_over, offers, refuse, with_bundler,
};
pub use lane::{
    Lease, Unheld, acquire, confirm, ensure, list as lanes, list_funding, release, set_next_nonce, set_note,
};
pub use membership::{
    Basis, Claim, begin_anew_by_lane, being_deployed, claim, is_signed, lock_bases, lock_for_boarding, lock_open, split,
};
pub use progress::{Ended, Ending, MinedUserOp, Operation, Sighting};
pub use progress::{
    end, end_operations, finals_since, hashes_of, mark_mined, mark_undone, mined, operations, reopen, reopen_finals,
    versions,
};
pub use refill::{NewRefill, Uncosted};
pub use refill::{
    being_refilled, ensure_funding, insert_refill, refilled_today, refills_under_way, set_costs, spending, uncosted,
    wei,
};
pub use user_op::{Offer, OpenUserOp, Version};
pub use user_op::{hold, insert_versions, open};

use alloy::primitives::{Address, B256};

/// What a column of fixed width holds, or zeros should the database hold something else.
pub fn address(bytes: &[u8]) -> Address {
    Address::try_from(bytes).unwrap_or_default()
}

pub fn hash(bytes: &[u8]) -> B256 {
    B256::try_from(bytes).unwrap_or_default()
}

/// Block numbers, nonces and gas fit 63 bits on every chain.
pub fn big(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub fn small(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A text from outside (a revert reason, a node's message) as the database can hold it: no NUL, and not too long.
pub fn told(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(2_000).collect()
}
