//! The engine's SQL, all of it in the engine's role.

mod bundle;
mod handing_over;
mod lane;
mod membership;
mod user_op;

pub use bundle::{Bundle, Deposits, NewBundle, Purpose};
pub use bundle::{
    alive, deposits, in_flight, insert as insert_bundle, mark_done, mark_sent, reopen as reopen_bundles, set_failure,
};
pub use handing_over::{
    Offers, Takes, bundler_backlog, for_bundler, give_to_lanes, mark_handed_over, newest, offers, refuse, with_bundler,
};
pub use lane::{Lease, Unheld, acquire, confirm, ensure, list as lanes, release, set_next_nonce, set_note};
pub use membership::{
    begin_anew_by_lane, claim, is_being_deployed, is_signed, lock_for_boarding, lock_open, members, split,
};
pub use user_op::{Ending, MinedUserOp, Offer, OpenUserOp, Operation, Version};
pub use user_op::{
    end, end_operations, hashes_of, hold, insert_version, mark_mined, mined, open, operations, reopen, versions,
};

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
