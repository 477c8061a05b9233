//! Customers of the wallet API (`spec/wallet-api-*.md`): onboarded by an address that they control.
//!
//! ```text
//! (nobody, or a phone number with a wallet) ──onboard──▶ PENDING ──compliance──▶ ACCEPTED | REJECTED
//!                                                                                  │  ▲
//!                                                                                update, looked at again
//! any of them ──forget──▶ nobody: the data key is destroyed
//! ```
//!
//! A customer is one row, whether made by a phone number (`/v1/users/provision`) or onboarded; what an onboarded one has
//! told is one document sealed under the customer's data key. `docs/IDENTITY.md` and `docs/PRIVACY.md` tell the whole
//! story.

mod admission;
mod change;
mod compliance;
mod details;
mod directory;
mod document;
mod forget;
mod identifying;
mod kept;
mod kind;
mod kyc;
mod namespace;
mod onboarding;
mod papers;
mod past;
mod pii;
mod platform;
mod policy;
mod profile;
mod refusal;
mod request;
mod review;
mod seen;
mod status;
mod store;
mod told;
mod update;
mod verified;
mod wallets;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use crate::http::LARGEST_BODY;
use crate::jobs::Jobs;

pub use admission::{Admitted, Claim, Newcomer, Refusals, check_allowed};
pub use change::History;
pub use compliance::{Checkers, follow as follow_compliance};
pub use directory::{Directory, NamedWallet, Party};
pub use document::{InvalidPaper, Paper};
pub use kept::KeptAnswer;
pub use kind::Kind;
pub use kyc::{Kyc, ProvenIdentity};
pub use profile::{Profile, plain};
pub use seen::Seen;
pub use status::{Decision, Standing};
pub use store::NewestCheck;

/// The routes of customers.
pub fn router() -> OpenApiRouter<App> {
    let with_papers = OpenApiRouter::new()
        .routes(routes!(onboarding::onboard))
        .routes(routes!(update::update))
        .layer(DefaultBodyLimit::max(LARGEST_BODY));
    OpenApiRouter::new()
        .merge(with_papers)
        .routes(routes!(wallets::add))
        .routes(routes!(wallets::set_custom_namespace))
        .routes(routes!(wallets::set_primary))
        .routes(routes!(details::show))
        .routes(routes!(pii::show))
        .routes(routes!(forget::forget))
        .routes(routes!(policy::set))
        .routes(routes!(review::list))
        .routes(routes!(review::decide))
}

/// What is done in the background.
pub fn register(jobs: Jobs, app: &App) -> Jobs {
    identifying::register(papers::register(compliance::register(jobs, app), app), app)
}
