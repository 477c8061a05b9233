//! FX: what local money buys in tokens, and what tokens pay out in local money.
//!
//! ```text
//! offered ──take──▶ used        once, within 60 seconds by the database's clock
//!    └──60 s──▶ expired
//! ```
//!
//! A rate is the local units that one token costs. Every rounding is in the house's favour, and all of it is here:
//!
//! | step | exact value | rounded |
//! |---|---|---|
//! | rate of a quote (the customer buys tokens) | middle × (1 + spread) | up, to 8 fraction digits |
//! | `expected_out` of a quote | fiat amount ÷ rate | down, to the token's base unit |
//! | rate of a payout (the customer sells tokens) | middle × (1 − spread) | down, to 8 fraction digits |
//! | payout | tokens × rate | down, to the currency's minor unit |
//!
//! The rates that callers see are the rounded ones, so that both products can be checked with pen and paper. Live keys
//! are quoted from the configured source, test keys from the configured table.

mod arithmetic;
mod currency;
mod quotes;
mod routes;
mod store;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;

pub use arithmetic::{InvalidSpread, Spread};
pub use currency::{FiatAmount, InvalidFiat, LocalCurrency, UnknownCurrency};
pub use quotes::{Payout, Quote, Quotes, Taking};

/// The routes of FX.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(routes::quote))
}
