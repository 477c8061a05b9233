//! The integration tests: one binary, one module a feature, one harness.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(missing_docs, reason = "tests document themselves")]

mod api_keys;
mod authentication;
mod bodies;
mod chain;
mod chain_faults;
mod crash;
mod dialects;
mod harness;
mod idempotency;
mod jobs;
mod ledger;
mod limits;
mod live_and_test;
mod money_rules;
mod strangers;
mod tenancy;
mod tokens;
mod values;
