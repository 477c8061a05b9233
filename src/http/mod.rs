//! HTTP: what every route has in common.
//!
//! socket ─▶ layers ([`serve_layers`]) ─▶ extractors ([`Posted`], [`Query`], [`Path`], a principal) ─▶ handler
//! ─▶ [`Error`] or answer ─▶ [`dialect`] ─▶ socket

pub mod csv;
pub mod dialect;
pub mod idempotency;
pub mod openapi;
pub mod rate_limit;

mod accept;
mod caller;
mod client_address;
mod database;
mod error;
mod extract;
mod field;
mod health;
mod json;
mod layers;
pub mod lenient;
mod page;
mod server;

pub use accept::Format;
pub use caller::{CallerId, CallerNote};
pub use client_address::ClientAddress;
pub use database::OnConstraint;
pub use dialect::Shape;
pub use error::{Error, Result};
pub use extract::{Path, Posted, Query};
pub use health::{MetricsSource, ReadinessProbe};
pub use layers::{HttpSettings, LARGEST_BODY, serve_layers};
pub use page::{Listing, answer_page, moment, page_bounds, wallet_filter};
pub use server::serve;
