//! Identity checks: whether the person who holds a telephone number is who they say they are
//! (`spec/wallet-api-4.0.0.md`, "Verification APIs").
//!
//! ```text
//! waiting ──link sent──▶ sent ──fingerprint──▶ validating ──▶ proven
//!    └─▶ failed           ▲ └─▶ expired             │
//!                         └──── proves nothing ─────┴─▶ refused: the fifth time
//! ```
//!
//! A fingerprint is stored before the provider hears of it: whoever dies before the answer is written down, a job asks
//! again, and the provider says of the same fingerprint what it said the first time. A fingerprint that it never answers is
//! let go, as one that proves nothing. A check is its caller's: what a
//! customer has begun nobody else's token can end. Where what is proven agrees with what a customer has told, the customer's
//! KYC is accepted, which rules see (`kyc`).

mod check;
mod policy;
mod request;
mod routes;
mod store;
mod worker;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use crate::jobs::Jobs;
use crate::providers::verification::{TrustScore, VerificationProvider};

pub use check::IdentityChecks;
pub use worker::follow;

/// The routes of identity checks.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(routes::begin)).routes(routes!(routes::validate)).routes(routes!(policy::set))
}

/// Who checks identities.
pub struct Verifiers {
    /// For live keys; nobody when it is not configured.
    pub live: Option<Arc<dyn VerificationProvider>>,
    /// For test keys.
    pub test: Arc<dyn VerificationProvider>,
    /// The least score by which a customer counts as known.
    pub least_score: TrustScore,
}

/// What is done in the background.
pub fn register(jobs: Jobs, app: &App) -> Jobs {
    worker::register(jobs, app)
}
