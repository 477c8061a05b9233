//! Floor 3: the product. One folder a feature, each a vertical slice of routes, rules and SQL.

pub mod agreements;
pub mod api_keys;
pub mod badges;
pub mod business_users;
pub mod consents;
pub mod customers;
pub mod email_verification;
pub mod funding;
pub mod fx;
pub mod identity_checks;
pub mod ops;
pub mod reconcile;
pub mod reports;
pub mod rules;
mod shown;
pub mod sign_in;
pub mod transfers;
pub mod treasury;
pub mod users;
pub mod webhook_endpoints;
pub mod withdrawals;

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRef;
use utoipa_axum::router::OpenApiRouter;

use crate::auth::{self, Auth, OneTimeCodes};
use crate::batch::GroupCommit;
use crate::chain::Chain;
use crate::db::Db;
use crate::foundation::{BlindIndexer, Clock, Tokens};
use crate::http::idempotency::AnswerSeal;
use crate::jobs::Jobs;
use crate::providers::documents::DocumentStore;
use crate::providers::messages::Messages;
use crate::webhooks::{self, Destinations};
use ops::{Health, TenantKeys};

/// What handlers work with. Cheap to clone: each request has one.
#[derive(Clone)]
pub struct App(Arc<Parts>);

impl App {
    /// Of these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl FromRef<App> for Auth {
    fn from_ref(app: &App) -> Self {
        app.auth.clone()
    }
}

impl FromRef<App> for AnswerSeal {
    fn from_ref(app: &App) -> Self {
        app.answers.clone()
    }
}

/// What an [`App`] is made of.
pub struct Parts {
    /// The database.
    pub db: Db,
    /// Checks credentials; principals' extractors use it.
    pub auth: Auth,
    /// The time.
    pub clock: Clock,
    /// The configured tokens.
    pub tokens: Tokens,
    /// Accepts deposits.
    pub funds: GroupCommit<funding::Acceptance>,
    /// Makes customers.
    pub provisions: GroupCommit<users::Provisioning>,
    /// What customers' badges forbid.
    pub rules: rules::Rules,
    /// Exchange rates and quotes.
    pub fx: fx::Quotes,
    /// Who looks at customers.
    pub compliance: customers::Checkers,
    /// Who checks who people are.
    pub verifiers: identity_checks::Verifiers,
    /// Where customers' papers are kept; in the database when there is no store.
    pub documents: Option<DocumentStore>,
    /// Mobile-money payouts.
    pub payouts: withdrawals::Payouts,
    /// The chain engine.
    pub chain: Chain,
    /// Makes blind indexes and wallet salts of phone numbers.
    pub blind_indexer: BlindIndexer,
    /// Opens tenants' keys.
    pub keys: TenantKeys,
    /// Where webhooks may go.
    pub webhooks: Destinations,
    /// Seals the answers kept for repeated requests.
    pub answers: AnswerSeal,
    /// What wallet users sign in to.
    pub sign_in: sign_in::SignIn,
    /// How often strangers may ask.
    pub sign_in_limits: sign_in::SignInLimits,
    /// Codes that are sent to people.
    pub codes: OneTimeCodes,
    /// How they are sent.
    pub messages: Messages,
    /// Readiness probes and metrics.
    pub health: Health,
}

/// Every route, with its documentation.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(users::router())
        .merge(customers::router())
        .merge(business_users::router())
        .merge(identity_checks::router())
        .merge(funding::router())
        .merge(fx::router())
        .merge(transfers::router())
        .merge(withdrawals::router())
        .merge(treasury::router())
        .merge(reports::router())
        .merge(reconcile::router())
        .merge(badges::router())
        .merge(rules::router())
        .merge(api_keys::router())
        .merge(agreements::router())
        .merge(consents::router())
        .merge(webhook_endpoints::router())
        .merge(sign_in::router())
        .merge(email_verification::router())
        .merge(ops::router())
        .merge(auth::router())
}

/// What is done in the background, in every process that has the worker's role.
pub fn jobs(app: &App) -> Jobs {
    let jobs = treasury::Audit::register(Jobs::new(app.db.clone()), &app.db);
    let jobs = customers::register(reconcile::register(jobs, app), app);
    let jobs = agreements::register(identity_checks::register(jobs, app), app);
    let jobs = sign_in::register(jobs, app);
    webhooks::register(jobs, &app.db)
}
