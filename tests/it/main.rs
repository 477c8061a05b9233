//! The integration tests: one binary, one module a feature, one harness.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(missing_docs, reason = "tests document themselves")]

mod admin_jobs;
mod chain;
mod chain_faults;
mod chain_start;
mod crash;
mod funding;
mod fx;
mod harness;
mod jobs;
mod ledger;
mod lost_answers;
mod reorgs;
mod treasury;
mod update_phone;
mod users;
mod wallets;
