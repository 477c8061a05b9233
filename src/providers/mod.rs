//! The outside world: one folder an outside party, with a trait, adapters to documented HTTP APIs, and a simulator.
//!
//! Adapters have time limits, retries with jitter and a circuit breaker. None is asked while a transaction is open.

pub mod compliance;
pub mod documents;
pub mod fx;
pub mod keys;
pub mod messages;
pub mod payout;
pub mod service;
pub mod verification;
