//! The integration tests: one binary, one module a feature, one harness.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(missing_docs, reason = "tests document themselves")]

mod admin_jobs;
mod api_keys;
mod authentication;
mod bodies;
mod chain;
mod chain_faults;
mod chain_start;
mod crash;
mod dialects;
mod funding;
mod fx;
mod harness;
mod idempotency;
mod jobs;
mod ledger;
mod limits;
mod live_and_test;
mod lost_answers;
mod money_rules;
mod operators;
mod reorgs;
mod strangers;
mod tenancy;
mod tokens;
mod treasury;
mod update_phone;
mod users;
mod values;
mod wallet_payments;
mod wallets;
