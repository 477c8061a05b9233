//! Business users: companies with those who own and control them (`spec/wallet-api-4.0.0.md`, `4.3.0`).
//!
//! ```text
//! (nobody) ──onboard──▶ PENDING ──compliance──▶ ACCEPTED | REJECTED
//! ```
//!
//! A business is a customer as a person is: a row with a data key of its own, wallets and names, a profile that is sealed,
//! papers, an identification badge, compliance checks. No phone number leads to it, for that may be one of its people's. What
//! it tells of its owners, of theirs, and of who controls it is one document.

mod checks;
mod details;
mod onboarding;
mod owner;
mod papers;
mod reading;
mod refusal;
mod request;
mod store;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::App;
use crate::db::TenantTx;
use crate::http::{LARGEST_BODY, Result};

/// The routes of business users.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(onboarding::onboard))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .routes(routes!(details::show))
}

/// What other features may do with business users.
pub struct BusinessUsers;

impl BusinessUsers {
    /// Removes all by which a business of the transaction's tenant is found, but for its profile; nothing happens to people.
    pub async fn forget(tx: &mut TenantTx, customer: Uuid) -> Result<()> {
        Ok(store::forget(tx, customer).await?)
    }
}
