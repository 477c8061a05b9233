//! The integration tests: one binary, one module a feature, one harness.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(missing_docs, reason = "tests document themselves")]

mod admin_jobs;
mod api_keys;
mod authentication;
mod bodies;
mod cancelled;
mod chain;
mod chain_faults;
mod chain_start;
mod configuration;
mod crash;
mod dialects;
mod funding;
mod fx;
mod harness;
mod idempotency;
mod jobs;
mod lanes;
mod ledger;
mod limits;
mod live_and_test;
mod lost_answers;
mod money_rules;
mod openapi;
mod operations;
mod operators;
mod readiness;
mod reorgs;
mod reviews;
mod rights;
mod secrets;
mod shutdown;
mod strangers;
mod tenancy;
mod tenants;
mod tokens;
mod treasury;
mod update_phone;
mod users;
mod values;
mod wallet_payments;
mod wallets;
