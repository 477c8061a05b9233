//! Badges: what a tenant tells its customers apart by, and by which their movements of money are ruled.
//!
//! ```text
//! customer ──has──▶ identification badge ──for a token──▶ financial badge (or a custom one) ──▶ rules
//!     └──────has──▶ information badges
//! ```
//!
//! Operators make badges for a tenant; its live and its test customers are given the same ones. A customer without a badge
//! is not restricted.

mod assignment;
mod badge;
mod store;

pub use assignment::{AssignedBadge, Badges, LinkedToken};
pub use badge::{Badge, Kind, UserGroup};
