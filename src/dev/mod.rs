//! What a developer's machine runs beside the server: Postgres, a chain, the contracts on it.
//!
//! Everything comes from the npm packages pinned in `dev/` and lives under `.dev/`; nothing of this is used in
//! production. The tests run the same services (`tests/it`).

pub mod anvil;
mod banner;
pub mod child;
pub mod claim;
pub mod contracts;
pub mod credentials;
pub mod identity;
pub mod keys;
pub mod paths;
pub mod postgres;
pub mod rpc;
mod run;
mod seed;
mod settings;
#[cfg(test)]
mod tests;

pub use run::{Options, run};
