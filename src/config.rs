//! Configuration: environment variables, each with its default; a secret may come from a file named by `<NAME>_FILE`.
//!
//! `.env.example` lists every variable; a test compares the two.

mod bundler;
mod identity;
mod messages;
mod refill;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use alloy::primitives::{Address, address};
use anyhow::{Context, Result, bail};
use axum::http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::chain::indexer::IndexerSettings;
use crate::chain::{ChainSettingsWith, FeePolicy};
use crate::foundation::{Token, Tokens};
use crate::product::fx::Spread;
use crate::providers::documents::DocumentPlace;
use crate::providers::fx::{DollarTokens, HttpRatesSettings, RateTable};
use crate::providers::keys::{KeyServiceSettings, MasterKeySource, SignerSource};
use crate::providers::messages::MessageSettings;
use crate::providers::payout::{Account, Networks, Payer, PayoutSettings};
use crate::providers::service::Provider;
use crate::providers::verification::VerificationSettings;

/// Simple7702Account of EntryPoint v0.8 as its authors deployed it.
const SIMPLE_7702_ACCOUNT: Address = address!("e6Cae83BdE06E4c305530e199D7217f42808555B");

/// What a process of the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Role {
    /// Serves HTTP.
    Api,
    /// Runs the chain engine, the features' workers and the jobs.
    Worker,
    /// Enters what the chain says of our accounts. It signs nothing.
    Indexer,
}

/// All that `diolkos serve` is told.
pub struct Config {
    /// The database, as the server's role.
    pub database: PgConnectOptions,
    /// Connections of the pool at most.
    pub database_connections: u32,
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// What this process does.
    pub roles: BTreeSet<Role>,
    /// Key from which the server's other secrets derive.
    pub master_key: MasterKeySource,
    /// PKCS#8 PEM of the RSA key that signs tokens.
    pub jwt_private_key: SecretString,
    /// `iss` of tokens.
    pub jwt_issuer: String,
    /// Operators' bearer token.
    pub operator_token: SecretString,
    /// argon2id hash (PHC string form) of the password by which operators enter with a browser.
    pub operator_password_hash: Option<String>,
    /// Stablecoins.
    pub tokens: Tokens,
    /// The chain engine.
    pub chain: ChainSettingsWith<SignerSource>,
    /// The indexer.
    pub indexer: IndexerSettings,
    /// The services that keep keys, if any is in one.
    pub key_services: KeyServiceSettings,
    /// Exchange rates.
    pub fx: FxSettings,
    /// Mobile-money payouts.
    pub payout: PayoutSettings,
    /// Who looks at the customers of live keys.
    pub compliance: Provider,
    /// Who checks the identity of people for live keys.
    pub verification: VerificationSettings,
    /// Where customers' papers are kept; in the database when nothing is said.
    pub documents: Option<DocumentPlace>,
    /// SMS and e-mail.
    pub messages: MessageSettings,
    /// What wallet users sign in to, as their wallets show it.
    pub sign_in_app: String,
    /// Requests a second that one caller may make.
    pub rate_limit_per_second: NonZeroU32,
    /// Requests that one caller may make at once.
    pub rate_limit_burst: NonZeroU32,
    /// Proxies in front that append to `X-Forwarded-For`.
    pub trusted_proxies: usize,
    /// Origins that browsers may call from; none by default.
    pub cors_origins: Vec<HeaderValue>,
    /// Whether webhooks may go to addresses that are not public, and by plain HTTP.
    pub webhook_allow_private: bool,
}

/// Where exchange rates come from and what the house earns on them.
pub struct FxSettings {
    /// Rates of test keys.
    pub table: RateTable,
    /// The table that the operator chose for live keys; empty when none was chosen.
    pub chosen: RateTable,
    /// The published source of live keys' rates.
    pub source: Option<HttpRatesSettings>,
    /// Tokens that stand for one US dollar.
    pub dollars: DollarTokens,
    /// What the house earns.
    pub spread: Spread,
}

/// Variables by name. The process's environment in production; a map in tests.
pub struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl<'a> Environment<'a> {
    /// Variables that a function looks up.
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self(lookup)
    }

    fn text(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|text| !text.trim().is_empty())
    }

    fn parsed<T>(&self, name: &str, default: &str) -> Result<T>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        let text = self.text(name).unwrap_or_else(|| default.to_owned());
        text.trim().parse().with_context(|| format!("{name} cannot be read"))
    }

    fn list(&self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
    }

    fn secret(&self, name: &str) -> Result<SecretString> {
        self.optional_secret(name)?.with_context(|| format!("neither {name} nor {name}_FILE is set (see .env.example)"))
    }

    fn optional_secret(&self, name: &str) -> Result<Option<SecretString>> {
        if let Some(text) = self.text(name) {
            return Ok(Some(text.into()));
        }
        let file = format!("{name}_FILE");
        let Some(path) = self.text(&file) else { return Ok(None) };
        let text = std::fs::read_to_string(&path).with_context(|| format!("{file}: {path} cannot be read"))?;
        Ok(Some(text.trim().to_owned().into()))
    }

    /// One signer or more, with commas between.
    fn signers(&self, name: &str) -> Result<Vec<SignerSource>> {
        let sources = self.secret(name)?;
        sources.expose_secret().split(',').map(|source| source.parse().with_context(|| name.to_owned())).collect()
    }

    fn optional_signer(&self, name: &str) -> Result<Option<SignerSource>> {
        let Some(source) = self.optional_secret(name)? else { return Ok(None) };
        source.expose_secret().parse().map(Some).with_context(|| name.to_owned())
    }

    fn signer(&self, name: &str) -> Result<SignerSource> {
        self.secret(name)?.expose_secret().parse().with_context(|| name.to_owned())
    }
}

impl Config {
    /// Reads the process's environment.
    pub fn from_env() -> Result<Self> {
        Self::read(&Environment::new(&|name| std::env::var(name).ok()))
    }

    /// Reads an environment.
    pub fn read(env: &Environment<'_>) -> Result<Self> {
        let tokens: Vec<Token> =
            env.list("TOKENS").iter().map(|text| text.parse()).collect::<Result<_, _>>().context("TOKENS")?;
        if tokens.is_empty() {
            bail!("TOKENS is not set (see .env.example)");
        }
        let chain = chain(env)?;
        Ok(Self {
            database: database(env, "DATABASE_URL")?,
            database_connections: env.parsed("DATABASE_CONNECTIONS", "16")?,
            listen: SocketAddr::new(env.parsed::<IpAddr>("HOST", "127.0.0.1")?, env.parsed("PORT", "8080")?),
            roles: roles(env)?,
            master_key: master_key(env)?,
            jwt_private_key: env.secret("JWT_PRIVATE_KEY")?,
            jwt_issuer: env.parsed("JWT_ISSUER", "diolkos")?,
            operator_token: operator_token(env)?,
            operator_password_hash: env.text("OPERATOR_PASSWORD_HASH"),
            tokens: Tokens::new(tokens),
            key_services: key_services(env)?,
            fx: fx(env)?,
            payout: payout(env, &chain.rpc_urls)?,
            compliance: identity::compliance(env, &chain.rpc_urls)?,
            verification: identity::verification(env, &chain.rpc_urls)?,
            documents: identity::documents(env)?,
            messages: messages::messages(env, &chain.rpc_urls)?,
            sign_in_app: env.parsed("SIGN_IN_APP", "Diolkos")?,
            chain,
            indexer: indexer(env)?,
            rate_limit_per_second: env.parsed("RATE_LIMIT_PER_SECOND", "500")?,
            rate_limit_burst: env.parsed("RATE_LIMIT_BURST", "1000")?,
            trusted_proxies: env.parsed("TRUSTED_PROXIES", "0")?,
            cors_origins: cors_origins(env)?,
            webhook_allow_private: env.parsed("WEBHOOK_ALLOW_PRIVATE", "false")?,
        })
    }
}

/// The database of `DATABASE_URL` or `MIGRATION_DATABASE_URL`.
pub fn database(env: &Environment<'_>, name: &str) -> Result<PgConnectOptions> {
    // The parse error could quote the password.
    let url = env.secret(name)?;
    url.expose_secret().parse().map_err(|_| anyhow::anyhow!("{name} is not a postgres:// URL"))
}

/// The master key alone, for the command line.
pub fn master_key(env: &Environment<'_>) -> Result<MasterKeySource> {
    env.secret("MASTER_KEY")?.expose_secret().parse().context("MASTER_KEY")
}

/// The services that keep keys, for the command line.
pub fn key_services(env: &Environment<'_>) -> Result<KeyServiceSettings> {
    Ok(KeyServiceSettings {
        time_limit: Duration::from_millis(env.parsed("SIGNER_TIMEOUT_MS", "4000")?),
        gcp: env.parsed("GCP_KMS_ENDPOINT", "https://cloudkms.googleapis.com")?,
    })
}

fn operator_token(env: &Environment<'_>) -> Result<SecretString> {
    let token = env.secret("OPERATOR_TOKEN")?;
    if token.expose_secret().len() < 32 {
        bail!("OPERATOR_TOKEN is shorter than 32 characters");
    }
    Ok(token)
}

/// Origins as browsers write them (RFC 6454 §6.2): nothing else would ever be equal to one.
fn cors_origins(env: &Environment<'_>) -> Result<Vec<HeaderValue>> {
    let origin = |text: &String| {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let is_origin = url.is_some_and(|url| url.origin().ascii_serialization() == *text);
        is_origin
            .then(|| HeaderValue::from_str(text).ok())
            .flatten()
            .with_context(|| format!("CORS_ORIGINS: {text:?} is not an origin such as https://wallet.example"))
    };
    env.list("CORS_ORIGINS").iter().map(origin).collect()
}

fn roles(env: &Environment<'_>) -> Result<BTreeSet<Role>> {
    let named = env.list("ROLES");
    if named.is_empty() {
        return Ok([Role::Api, Role::Worker, Role::Indexer].into());
    }
    let role = |name: &String| {
        <Role as clap::ValueEnum>::from_str(name, true)
            .map_err(|_| anyhow::anyhow!("ROLES: {name:?} is not api, worker or indexer"))
    };
    named.iter().map(role).collect()
}

fn indexer(env: &Environment<'_>) -> Result<IndexerSettings> {
    let start_block = env.text("INDEXER_START_BLOCK").map(|text| text.trim().parse());
    Ok(IndexerSettings {
        start_block: start_block.transpose().context("INDEXER_START_BLOCK cannot be read")?,
        range: env.parsed::<u64>("INDEXER_RANGE", "1000")?.max(1),
    })
}

fn fx(env: &Environment<'_>) -> Result<FxSettings> {
    let url = env.text("FX_URL").map(SecretString::from);
    if let Some(url) = &url {
        // The parse error could quote a key.
        let is_http = Url::parse(url.expose_secret()).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        anyhow::ensure!(is_http, "FX_URL is not an http:// or https:// URL");
    }
    let seconds = |name, default| Ok::<_, anyhow::Error>(Duration::from_secs(env.parsed(name, default)?));
    let (refresh, max_age) = (seconds("FX_REFRESH_SECONDS", "30")?, seconds("FX_MAX_AGE_SECONDS", "900")?);
    let time_limit = Duration::from_millis(env.parsed("FX_TIMEOUT_MS", "2000")?);
    let rest = Duration::from_secs(5);
    // For trying things out, about the rates of 2026.
    let table: RateTable =
        env.parsed("FX_RATES", "XOF:560.5,XAF:560.5,GHS:10.85,KES:129.2,NGN:1395,UGX:3570,TZS:2495,EUR:0.8545")?;
    // Real money is not exchanged at rates that nobody chose.
    let chosen = if env.text("FX_RATES").is_some() { table.clone() } else { "".parse()? };
    Ok(FxSettings {
        table,
        chosen,
        source: url.map(|url| HttpRatesSettings { url, time_limit, refresh, max_age, rest }),
        dollars: env.parsed("FX_DOLLAR_TOKENS", "USDC,USDT")?,
        spread: env.parsed("FX_SPREAD_BPS", "50")?,
    })
}

fn payout(env: &Environment<'_>, chain: &[Url]) -> Result<PayoutSettings> {
    let networks: Networks = env.parsed("PAYOUT_NETWORKS", Networks::DEFAULT)?;
    let account = Account {
        url: env.text("PAYOUT_URL"),
        token: env.optional_secret("PAYOUT_TOKEN")?,
        time_limit: Duration::from_millis(env.parsed("PAYOUT_TIMEOUT_MS", "5000")?),
    };
    Ok(PayoutSettings {
        payer: Payer::new(env.parsed("PAYOUT_PROVIDER", "manual")?, account, &networks, chain)?,
        networks,
        refund_after: Duration::from_secs(env.parsed("PAYOUT_REFUND_AFTER_SECONDS", "600")?),
    })
}

/// URLs of one of two schemes. They may hold keys, and are not quoted.
fn urls(name: &str, texts: &[String], schemes: [&str; 2]) -> Result<Vec<Url>> {
    let [plain, secure] = schemes;
    let url = |text: &String| {
        let url = Url::parse(text).ok().filter(|url| schemes.contains(&url.scheme()));
        url.with_context(|| format!("{name}: not all of them are {plain}:// or {secure}:// URLs"))
    };
    texts.iter().map(url).collect()
}

fn chain(env: &Environment<'_>) -> Result<ChainSettingsWith<SignerSource>> {
    let rpc_urls = env.list("RPC_URLS");
    if rpc_urls.is_empty() {
        bail!("RPC_URLS is not set (see .env.example)");
    }
    let rpc_urls = urls("RPC_URLS", &rpc_urls, ["http", "https"])?;
    let ws_urls = urls("RPC_WS_URLS", &env.list("RPC_WS_URLS"), ["ws", "wss"])?;
    let gwei = |name, default| Ok::<_, anyhow::Error>(env.parsed::<u64>(name, default)? as u128 * 1_000_000_000);
    let (funding, refill) = refill::refill(env)?;
    let default_implementation = SIMPLE_7702_ACCOUNT.to_string();
    Ok(ChainSettingsWith {
        rpc_urls,
        ws_urls,
        rpc_time_limit: Duration::from_millis(env.parsed("RPC_TIMEOUT_MS", "8000")?),
        chain_id: env.parsed("CHAIN_ID", "137")?,
        treasury: env.signer("TREASURY_KEY")?,
        treasury_implementation: env.parsed("TREASURY_IMPLEMENTATION", &default_implementation)?,
        bundler: bundler::bundler(env)?,
        lanes: env.signers("LANE_KEYS")?,
        funding,
        refill,
        wallet_owners: env.signers("WALLET_OWNER_KEYS")?,
        confirmations: env.parsed("CONFIRMATIONS", "16")?,
        batch_limit: env.parsed::<i64>("BATCH_LIMIT", "100")?.clamp(1, 400),
        in_flight: env.parsed("LANE_IN_FLIGHT", "16")?,
        replace_after_blocks: env.parsed("REPLACE_AFTER_BLOCKS", "5")?,
        max_gas: env.parsed("MAX_TRANSACTION_GAS", "16777216")?,
        max_call_gas: env.parsed("MAX_CALL_GAS", "12000000")?,
        fees: FeePolicy { min_tip: gwei("MIN_TIP_GWEI", "30")?, max_fee: gwei("MAX_FEE_GWEI", "2000")? },
        poll: Duration::from_millis(env.parsed("ENGINE_POLL_MS", "500")?),
        lease: Duration::from_secs(env.parsed("LANE_LEASE_SECONDS", "10")?),
    })
}

/// The password that `DATABASE_URL` gives the server's role, if it has one.
pub fn server_password(env: &Environment<'_>) -> Option<SecretString> {
    let url = env.secret("DATABASE_URL").ok()?;
    let url = Url::parse(url.expose_secret()).ok()?;
    let password = percent_encoding::percent_decode_str(url.password()?).decode_utf8().ok()?;
    Some(password.into_owned().into())
}

/// The key and the issuer of tokens alone, for the command line.
pub fn jwt(env: &Environment<'_>) -> Result<(SecretString, String)> {
    Ok((env.secret("JWT_PRIVATE_KEY")?, env.parsed("JWT_ISSUER", "diolkos")?))
}
