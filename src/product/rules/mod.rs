//! Rules: conditions that movements of money have to meet, by the badges of the customers whose money it is.
//!
//! ```text
//! written ──begins──▶ counts ──ends | put out of use | followed by a version that has begun──▶ counts no more
//! ```
//!
//! A rule is an expression of the Common Expression Language (`docs/RULES.md`) that is true of what is allowed, with what a
//! refusal says. Every movement passes [`Rules::admit`] or [`Rules::weigh`] in the transaction that accepts it, which takes
//! the proof of it ([`Passed`]); a customer without a badge is
//! not restricted, and costs nothing there. Whom compliance has rejected is refused without any rule.

mod book;
mod check;
mod counts;
mod expression;
mod facts;
mod folding;
mod needs;
mod refusal;
mod routes;
mod store;
mod types;
mod usage;
mod weighing;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;

pub use book::{RuleBook, Status, Version};
pub use check::{Movement, Operation, Rules};
pub use counts::Counts;
pub use expression::{Expression, InvalidExpression};
pub use refusal::{Refusal, Violation};
pub use weighing::{Passed, Weighing};

/// The routes of rules.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(routes::list, routes::write)).routes(routes!(routes::revise, routes::retire))
}
