//! SQL of webhooks' events and deliveries.

mod attempt;
mod claim;
mod delivery;
mod event;

pub use attempt::{Finished, abandon, finish, listen, parcel};
pub use claim::{Claimed, claim};
pub use delivery::{Replay, insert_replay, insert_test, purge};
pub use event::{Endpoints, endpoints, insert, wanted};

/// The channel on which a new delivery wakes the workers.
const NEWS: &str = "diolkos_webhook";
