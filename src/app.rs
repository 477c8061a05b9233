//! Builds the parts of a server from its configuration, runs its roles and shuts them down in order.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::auth::{Auth, Jwt, OneTimeCodes, OperatorAccess};
use crate::batch::{GroupCommit, Limits};
use crate::chain::indexer::{Indexer, follow_movements};
use crate::chain::{self, Chain, ChainSettings, SharedSigner};
use crate::config::{Config, Role};
use crate::db::Db;
use crate::foundation::{BlindIndexer, Clock, MasterKey};
use crate::http::idempotency::AnswerSeal;
use crate::http::rate_limit::{Rate, RateLimits};
use crate::http::{self, HttpSettings, MetricsSource, ReadinessProbe, openapi};
use crate::probes;
use crate::product::fx::Quotes;
use crate::product::ops::{Health, TenantKeys, install_recorder};
use crate::product::reconcile::ReconciliationGauges;
use crate::product::rules::Rules;
use crate::product::{
    self, App, Parts, customers, funding, identity_checks, sign_in, transfers, users, webhook_endpoints, withdrawals,
};
use crate::providers::compliance::{self, ComplianceProvider, HttpChecker};
use crate::providers::documents::DocumentStore;
use crate::providers::fx::{FixedRates, HttpRates, RateSource};
use crate::providers::keys::{KeyServices, SignerSource, Use};
use crate::providers::messages::Messages;
use crate::providers::payout::{PawaPay, Payer, PayoutProvider, Simulator};
use crate::providers::service::Provider;
use crate::providers::verification::{self, HttpVerifier, VerificationProvider};
use crate::webhooks::{Destinations, SystemLookup};

/// How long work in hand may take after a shutdown was asked for.
const GRACE: Duration = Duration::from_secs(30);

/// Call-backs about payouts that wait at once; what finds no room is found by looking.
const CALL_BACKS: usize = 1_000;

/// A server that is built and not running.
pub struct Server {
    /// What handlers work with.
    pub app: App,
    config: Config,
    /// Payouts that their provider has called back about.
    moved_payouts: mpsc::Receiver<Uuid>,
}

type Workers = JoinSet<Result<()>>;

/// A worker that ends when it is told to and cannot fail.
fn tend(workers: &mut Workers, work: impl Future<Output = ()> + Send + 'static) {
    workers.spawn(async move {
        work.await;
        Ok(())
    });
}

impl Server {
    /// Builds the parts. Services that keep keys are asked for them; neither the database nor the chain is asked
    /// anything yet.
    pub async fn build(config: Config, clock: Clock) -> Result<Self> {
        let db = Db::new(config.database.clone(), config.database_connections);
        let jwt = Jwt::from_pem(&config.jwt_private_key, config.jwt_issuer.clone()).context("JWT_PRIVATE_KEY")?;
        let operator = OperatorAccess::new(&config.operator_token, config.operator_password_hash.as_deref())
            .context("OPERATOR_PASSWORD_HASH")?;
        let services = KeyServices::new(config.key_services.clone());
        let (master_key, settings) = tokio::try_join!(master_key(&services, &config), opened(&services, &config))?;
        let chain = Chain::new(db.clone(), settings);
        let recorder = install_recorder().context("metrics cannot be recorded")?;
        let health = Health::new(recorder, readiness(&config.roles, &chain), gauges(&config.roles, &chain, &db));
        let (moved, moved_payouts) = mpsc::channel(CALL_BACKS);
        let (keys, blind_indexer) = (TenantKeys::new(master_key.wrapping_key()), BlindIndexer::new(&master_key));
        let rules = Rules::new(config.tokens.clone());
        let acceptance = funding::Acceptance { treasury: chain.treasury(), clock: clock.clone(), rules: rules.clone() };
        let provisioning = users::Provisioning {
            keys: keys.clone(),
            factory: chain.wallets(),
            indexer: blind_indexer.clone(),
            clock: clock.clone(),
        };
        let app = App::new(Parts {
            funds: GroupCommit::new(db.clone(), acceptance, Limits::default()),
            provisions: GroupCommit::new(db.clone(), provisioning, Limits::default()),
            auth: Auth::new(db.clone(), clock.clone(), jwt, operator),
            tokens: config.tokens.clone(),
            rules,
            fx: fx(&config, &clock)?,
            payouts: payouts(&config, &clock, moved)?,
            compliance: compliance(&config, &clock)?,
            verifiers: verifiers(&config)?,
            documents: config.documents.as_ref().map(DocumentStore::new).transpose().context("DOCUMENT_STORE")?,
            blind_indexer,
            keys,
            webhooks: Destinations::new(config.webhook_allow_private, SystemLookup),
            answers: AnswerSeal::new(&master_key),
            sign_in: sign_in::SignIn { app: config.sign_in_app.clone(), chain_id: chain.settings().chain_id },
            sign_in_limits: sign_in::SignInLimits::default(),
            codes: OneTimeCodes::new(&master_key, clock.clone()),
            messages: Messages::new(&config.messages)?,
            db,
            clock,
            health,
            chain,
        });
        Ok(Self { app, config, moved_payouts })
    }

    /// Runs the configured roles until `shutdown`, or until one of them cannot go on.
    ///
    /// HTTP ends first and finishes what it accepted; then the workers; then the pool is closed.
    pub async fn run(mut self, listener: Option<TcpListener>, shutdown: CancellationToken) -> Result<()> {
        let workers_stop = CancellationToken::new();
        let mut workers = JoinSet::new();
        tend(&mut workers, chain::survey(self.app.chain.clone(), workers_stop.clone()));
        if self.config.roles.contains(&Role::Worker) {
            self.spawn_workers(&mut workers, &workers_stop).await?;
        }
        if self.config.roles.contains(&Role::Indexer) {
            let tokens = self.config.tokens.iter().map(|token| token.contract).collect();
            let indexer = Indexer::new(self.app.chain.clone(), tokens, self.config.indexer);
            tend(&mut workers, indexer.run(workers_stop.clone()));
        }
        if self.config.roles.contains(&Role::Api) {
            // They end with the workers, after the last request.
            tend(&mut workers, self.app.funds.clone().run(workers_stop.clone()));
            tend(&mut workers, self.app.provisions.clone().run(workers_stop.clone()));
        }
        let stop_api = shutdown.child_token();
        let api = self.serve(listener, stop_api.clone());
        tokio::pin!(api);
        let first = tokio::select! {
            ended = &mut api => ended,
            failed = first_failure(&mut workers) => {
                stop_api.cancel();
                api.await.and(failed)
            }
        };
        workers_stop.cancel();
        let rest = tokio::time::timeout(GRACE, join_all(&mut workers)).await.unwrap_or(Ok(()));
        self.app.db.close().await;
        first.and(rest)
    }

    /// The engine, one follower for each kind of operation that features ask for, and what else works in the background.
    async fn spawn_workers(&mut self, workers: &mut Workers, stop: &CancellationToken) -> Result<()> {
        let (app, chain) = (&self.app, &self.app.chain);
        let engine = chain.clone().work(stop.clone());
        workers.spawn(async move { engine.await.context("the chain engine cannot work") });
        tend(workers, chain::book_costs(chain.clone(), stop.clone()));
        tend(workers, chain::simulate(chain.clone(), stop.clone()));
        tend(workers, chain::follow(chain.clone(), funding::Settlement(app.clone()), stop.clone()));
        tend(workers, chain::follow(chain.clone(), transfers::Settlement(app.clone()), stop.clone()));
        tend(workers, chain::follow(chain.clone(), withdrawals::Sweeps(app.clone()), stop.clone()));
        tend(workers, chain::follow(chain.clone(), withdrawals::Refunds(app.clone()), stop.clone()));
        tend(workers, follow_movements(chain.clone(), users::OutsideMovements(app.clone()), stop.clone()));
        tend(workers, withdrawals::run_refunds(app.clone(), stop.clone()));
        let moved = std::mem::replace(&mut self.moved_payouts, mpsc::channel(1).1);
        tend(workers, withdrawals::run_payouts(app.clone(), moved, stop.clone()));
        tend(workers, customers::follow_compliance(app.clone(), stop.clone()));
        tend(workers, identity_checks::follow(app.clone(), stop.clone()));
        tend(workers, webhook_endpoints::deliveries(app)?.run(stop.clone()));
        tend(workers, product::jobs(app).run(stop.clone()));
        Ok(())
    }

    async fn serve(&self, listener: Option<TcpListener>, shutdown: CancellationToken) -> Result<()> {
        let listener = match listener {
            Some(listener) => listener,
            None => listen(self.config.listen).await?,
        };
        tracing::info!(address = %listener.local_addr()?, "serving");
        http::serve(listener, self.router()?, shutdown).await.context("HTTP cannot be served")
    }

    /// All routes with their layers; a process that is not for callers serves only what tells how it is.
    fn router(&self) -> Result<axum::Router> {
        let rate = Rate { per_second: self.config.rate_limit_per_second, burst: self.config.rate_limit_burst };
        let settings = HttpSettings {
            rate_limits: RateLimits { key: rate, address: rate },
            trusted_proxies: self.config.trusted_proxies,
            cors_origins: self.config.cors_origins.clone(),
            ..HttpSettings::default()
        };
        let is_api = self.config.roles.contains(&Role::Api);
        let routes = if is_api { product::router() } else { product::ops::probes() };
        let routes = openapi::publish(routes).context("the API's description cannot be written")?;
        Ok(http::serve_layers(routes.with_state(self.app.clone()), &settings))
    }
}

/// What must be well for a process of these roles to do its work. Callers can be served while the indexer is behind: the
/// chain is asked instead.
fn readiness(roles: &BTreeSet<Role>, chain: &Chain) -> Vec<Arc<dyn ReadinessProbe>> {
    let mut probes: Vec<Arc<dyn ReadinessProbe>> = vec![Arc::new(probes::ChainProbe(chain.clone()))];
    if roles.contains(&Role::Api) || roles.contains(&Role::Worker) {
        probes.push(Arc::new(probes::LaneProbe(chain.clone())));
    }
    if roles.contains(&Role::Indexer) && !roles.contains(&Role::Api) {
        probes.push(Arc::new(probes::IndexerProbe(chain.clone())));
    }
    probes
}

/// What a process of these roles sets when its metrics are read.
fn gauges(roles: &BTreeSet<Role>, chain: &Chain, db: &Db) -> Vec<Arc<dyn MetricsSource>> {
    let mut sources: Vec<Arc<dyn MetricsSource>> = Vec::new();
    if roles.contains(&Role::Api) || roles.contains(&Role::Worker) {
        sources.push(Arc::new(probes::ChainGauges(chain.clone())));
        sources.push(Arc::new(probes::LedgerGauges(db.clone())));
        sources.push(Arc::new(ReconciliationGauges { db: db.clone(), chain: chain.clone() }));
    }
    if roles.contains(&Role::Indexer) {
        sources.push(Arc::new(probes::IndexerGauges(chain.clone())));
    }
    sources
}

async fn master_key(services: &KeyServices, config: &Config) -> Result<MasterKey> {
    services.master_key(&config.master_key).await.with_context(|| format!("MASTER_KEY: {}", config.master_key))
}

/// The chain's settings with its signers, all of them opened at once. Only the worker's role signs.
async fn opened(services: &KeyServices, config: &Config) -> Result<ChainSettings> {
    let usage = if config.roles.contains(&Role::Worker) { Use::Sign } else { Use::Know };
    let open = async |variable: &'static str, source: &SignerSource| -> Result<SharedSigner> {
        services.open(source, usage).await.with_context(|| format!("{variable}: {source}"))
    };
    let chain = &config.chain;
    let funding = async {
        match &chain.funding {
            Some(source) => open("GAS_FUNDING_KEY", source).await.map(Some),
            None => Ok(None),
        }
    };
    let (treasury, lanes, funding, wallet_owners) = tokio::try_join!(
        open("TREASURY_KEY", &chain.treasury),
        try_join_all(chain.lanes.iter().map(|source| open("LANE_KEYS", source))),
        funding,
        try_join_all(chain.wallet_owners.iter().map(|source| open("WALLET_OWNER_KEYS", source))),
    )?;
    if let Some(funding) = &funding {
        let is_another = lanes.iter().chain([&treasury]).all(|signer| signer.address() != funding.address());
        ensure!(
            is_another,
            "GAS_FUNDING_KEY: the funding account is a lane or the treasury; it must be another account"
        );
    }
    Ok(chain.clone().with_signers(treasury, lanes, funding, wallet_owners))
}

/// Live keys' quotes come from the published source if there is one, test keys' from the table.
fn fx(config: &Config, clock: &Clock) -> Result<Quotes> {
    let table: Arc<dyn RateSource> =
        Arc::new(FixedRates::new(config.fx.table.clone(), config.fx.dollars.clone(), clock.clone()));
    let live: Arc<dyn RateSource> = match &config.fx.source {
        Some(source) => Arc::new(HttpRates::new(source.clone(), config.fx.dollars.clone(), clock.clone())?),
        None => {
            tracing::warn!(
                "FX_URL is not set: live keys are quoted from FX_RATES if that is set, and not at all otherwise"
            );
            Arc::new(FixedRates::new(config.fx.chosen.clone(), config.fx.dollars.clone(), clock.clone()))
        }
    };
    Ok(Quotes::new(live, table, config.fx.spread))
}

/// Live keys' payouts are made as configured, test keys' by nobody.
fn payouts(config: &Config, clock: &Clock, moved: mpsc::Sender<Uuid>) -> Result<withdrawals::Payouts> {
    let simulator: Arc<dyn PayoutProvider> =
        Arc::new(Simulator::new(Simulator::USUAL_DELAY, clock.clone()).calling_back(moved));
    let live: Option<Arc<dyn PayoutProvider>> = match &config.payout.payer {
        Payer::Manual => None,
        Payer::Simulator => Some(simulator.clone()),
        Payer::PawaPay(settings) => Some(Arc::new(PawaPay::new(settings.clone())?)),
    };
    Ok(withdrawals::Payouts::new(config.payout.networks.clone(), live, simulator, config.payout.refund_after))
}

/// Customers of live keys are looked at as configured, those of test keys by nobody but the simulator.
fn compliance(config: &Config, clock: &Clock) -> Result<customers::Checkers> {
    let test: Arc<dyn ComplianceProvider> = Arc::new(compliance::Simulator::new(clock.clone()));
    let live: Option<Arc<dyn ComplianceProvider>> = match &config.compliance {
        Provider::Nobody => None,
        Provider::Simulator => Some(test.clone()),
        Provider::Http(settings) => Some(Arc::new(HttpChecker::new(settings.clone())?)),
    };
    Ok(customers::Checkers { live, test })
}

/// Identities are checked for live keys as configured, for test keys by the simulator.
fn verifiers(config: &Config) -> Result<identity_checks::Verifiers> {
    let test: Arc<dyn VerificationProvider> = Arc::new(verification::Simulator);
    let live: Option<Arc<dyn VerificationProvider>> = match &config.verification.provider {
        Provider::Nobody => None,
        Provider::Simulator => Some(test.clone()),
        Provider::Http(settings) => Some(Arc::new(HttpVerifier::new(settings.clone())?)),
    };
    Ok(identity_checks::Verifiers { live, test, least_score: config.verification.least_score })
}

/// Takes the configured port, or says in one line that somebody else has it.
pub async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("{address} is taken or not ours: choose another port with PORT=…, or end the program that has it")
    })
}

/// The first worker that failed; never when all go on or have ended well.
async fn first_failure(workers: &mut Workers) -> Result<()> {
    while let Some(ended) = workers.join_next().await {
        ended.context("a worker panicked").and_then(|result| result)?;
    }
    std::future::pending().await
}

async fn join_all(workers: &mut Workers) -> Result<()> {
    while let Some(ended) = workers.join_next().await {
        ended.context("a worker panicked").and_then(|result| result)?;
    }
    Ok(())
}
