//! Diolkos: stablecoin accounts for fintechs.
//!
//! The house has four floors; code imports only from its own floor's neighbours and from the floors below
//! (`docs/ARCHITECTURE.md`).

pub mod app;
pub mod auth;
pub mod batch;
pub mod chain;
pub mod cli;
pub mod config;
pub mod db;
pub mod dev;
pub mod foundation;
pub mod http;
pub mod jobs;
pub mod ledger;
mod logging;
mod probes;
pub mod product;
pub mod providers;
pub mod webhooks;
