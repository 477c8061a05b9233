//! Webhooks: telling tenants what happened, by signed HTTP (Standard Webhooks 1.0).
//!
//! ```text
//! a feature's transaction ── emit ──▶ event, and a delivery for each endpoint that wants it
//!
//! pending ──▶ delivered                     2xx
//!    ├──▶ pending, later each time          anything else, for 24 hours
//!    └──▶ failed                            the last attempt failed, or the endpoint was deleted
//! ```
//!
//! An event is written by [`emit`] in the transaction that causes it, so that both exist or neither does; a tenant
//! without endpoints costs one look-up. Delivery is at least once: `webhook-id` names the event and stays the same
//! whenever it is sent. An endpoint hears of one resource in the order of what happened to it; a replay and a test stand
//! outside of that order.
//!
//! [`Deliveries`] runs in any number of processes. One holds an endpoint's row only while it chooses what to send or
//! writes what became of it; a delivery in hand is a lease, and its attempt's number tells who may write the outcome.
//!
//! Why not `jobs/`: a job knows nothing of order, so each would have to look whether it is its turn and fail if not; its
//! pool is shared by first come first served, so a slow endpoint's backlog would fill it; and a tenant reads, filters
//! and replays its deliveries, while jobs are the engine's and hold no tenant's data.
//!
//! Fair shares: an endpoint that answers well and quickly may have [`SHARE`] deliveries in hand, any other (also
//! a new one) a single one, and the latter have slots of their own. However many endpoints hang, the others keep theirs.

mod address;
mod courier;
mod deliveries;
mod destination;
mod event;
mod retention;
mod schedule;
mod secret;
mod store;
mod transport;
mod worker;

pub use address::is_public;
pub use courier::Keyring;
pub use deliveries::{Enqueued, enqueue_replay, enqueue_test};
pub use destination::{Destinations, InvalidDestination, Lookup, SystemLookup};
pub use event::{EventType, NewEvent, Resource, emit, emit_if_heard};
pub use retention::{PurgeWebhooks, register};
pub use secret::{OVERLAP, Secret};
pub use transport::Transport;
pub use worker::{Deliveries, SHARE};

/// What names an event to receivers: `webhook-id` is `evt_0197…`.
pub const EVENT_ID: &str = "evt";
