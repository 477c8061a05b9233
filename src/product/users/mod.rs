//! Users: a wallet from a phone number (`spec/caas-users.md`).
//!
//! ```text
//! (unknown phone) ──provision──▶ customer with a smart wallet ──update-phone──▶ the same under another number
//! ```
//!
//! The wallet's address is computed, not asked for: it exists before anything is on chain. A phone number is stored as
//! a blind index, for look-up, and sealed under the customer's own data key. Customers of test keys are others than
//! those of live keys, with other wallets.

mod balance;
mod customer;
mod customer_keys;
mod history;
mod identity;
mod listing;
mod outside;
mod phone_change;
mod profile;
mod provisioning;
mod records;
mod routes;
mod salt;
mod spending;
mod store;
mod update_phone;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;

pub use customer::{Customer, Directory};
pub use customer_keys::CustomerKeys;
pub use identity::{Identities, Known};
pub use outside::OutsideMovements;
pub use phone_change::Changer;
pub use provisioning::Provisioning;
pub use spending::{Holding, Spender};

/// The routes of users.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(routes::provision))
        .routes(routes!(routes::balance))
        .routes(routes!(listing::list))
        .routes(routes!(listing::look_up))
        .routes(routes!(profile::show))
        .routes(routes!(update_phone::update_phone))
        .routes(routes!(update_phone::update_phone_of))
}
