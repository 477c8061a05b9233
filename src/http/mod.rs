//! HTTP: what every route has in common.
//!
//! socket ─▶ layers ([`serve_layers`]) ─▶ extractors ([`Posted`], [`Query`], [`Path`], a principal) ─▶ handler
//! ─▶ [`Error`] or answer ─▶ [`dialect`] ─▶ socket

pub mod dialect;
pub mod idempotency;

mod database;
mod error;
mod extract;
mod field;
mod json;

pub use database::OnConstraint;
pub use error::{Error, Result};
pub use extract::{Path, Posted, Query};
