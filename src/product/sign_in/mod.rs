//! Sign-in of wallet apps and those who hold wallets (`spec/wallet-api-2.8.0.md`, `4.0.0`, Auth and Pre Auth).
//!
//! ```text
//! device    ──fingerprint──▶ preauth token (15 minutes)  ──phone number──▶ code by SMS ──code──▶ verified
//! wallet    ──address──▶ challenge ──signature──▶ wallet token (5 minutes)
//! ```
//!
//! A challenge is signed once, within five minutes, as EIP-712 typed data or as the text of its message (EIP-191). A
//! contract account's signature is asked of the account (ERC-1271), also before it is deployed (ERC-6492). How exactly is
//! written in `docs/SIGN_IN.md`.

mod challenge;
mod codes;
mod limits;
mod preauth;
mod recovery;
mod routes;
mod signature;
mod store;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;

pub use challenge::SignIn;
pub use codes::register;
pub use limits::SignInLimits;

/// The routes of sign-in.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(routes::challenge))
        .routes(routes!(routes::token))
        .routes(routes!(preauth::preauth_token))
        .routes(routes!(recovery::initiate))
        .routes(routes!(recovery::verify))
}
