//! The command line.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use crate::app::Server;
use crate::auth::Jwt;
use crate::config::{self, Config, Environment, Role};
use crate::db::{self, Db};
use crate::foundation::{Clock, Mode, PublicId, TenantId};
use crate::http::openapi;
use crate::product::api_keys::ApiKeys;
use crate::product::ops::{TenantKeys, Tenants};
use crate::product::reconcile::{self, Depth};
use crate::product::treasury::Audit;
use crate::providers::keys::KeyServices;
use crate::{auth, dev, logging, product};

/// Stablecoin accounts for fintechs. Configured by environment variables: see .env.example.
#[derive(Parser)]
#[command(name = "diolkos", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGINT or SIGTERM: HTTP, the chain engine with the jobs, and the indexer, or some of them
    ///
    /// Accepted requests are finished before the process ends. Any number of processes may share one database. One
    /// without the role `api` serves /healthz, /readyz, /metrics and /version alone.
    Serve {
        /// What this process does, with commas between; what ROLES says when absent, and everything when that is too
        #[arg(long, value_enum, value_delimiter = ',')]
        roles: Vec<Role>,
    },
    /// Run a private Postgres, chain and contracts under .dev/, seed two tenants, and serve
    Dev(dev::Options),
    /// Bring the database's schema up to date, as its owner (MIGRATION_DATABASE_URL)
    ///
    /// Makes the roles diolkos_server and diolkos_engine when they are missing. If DATABASE_URL is set and has a
    /// password, diolkos_server gets it. Safe to run from several machines at once.
    Migrate,
    /// Print the API's OpenAPI 3.1 document
    Openapi,
    /// Tenants
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// API keys of a tenant
    #[command(subcommand)]
    Key(KeyCommand),
    /// Tokens for people at a tenant's dashboard
    #[command(subcommand)]
    Token(TokenCommand),
    /// The ledger
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Compare the ledger, the operations and the tenants' books with the chain; exit status 1 if they part
    ///
    /// Needs what `serve` needs, but no signer that signs, and an indexer that runs.
    Reconcile {
        /// From where reconciliation began, and not only from where everything agreed last
        #[arg(long)]
        full: bool,
    },
    /// Read a password from standard input and print its argon2id hash, for OPERATOR_PASSWORD_HASH
    HashPassword,
    /// Ask a running server whether it is alive (HOST, PORT); exit status 0 if so
    Healthcheck,
}

#[derive(Subcommand)]
enum TenantCommand {
    /// Make a tenant; prints its id
    Create {
        /// Its namespace root, such as acme.ul
        #[arg(long)]
        namespace: String,
        /// What it is called
        #[arg(long)]
        name: String,
    },
    /// List all tenants: id, namespace, name
    List,
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Issue a key; prints its id and the secret, which is shown this once
    Create {
        /// The tenant's id
        #[arg(long)]
        tenant: TenantId,
        /// What to call the key
        #[arg(long)]
        name: String,
        /// Real money, or a rehearsal
        #[arg(long, value_enum, default_value_t = Mode::Live)]
        mode: Mode,
    },
    /// Revoke a key; it stops working within a second
    Revoke {
        /// The tenant's id
        #[arg(long)]
        tenant: TenantId,
        /// The key's id (key_…)
        id: String,
    },
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Issue a dashboard token; prints it
    Create(DashboardToken),
}

#[derive(Args)]
struct DashboardToken {
    /// The tenant's id
    #[arg(long)]
    tenant: TenantId,
    /// Who will use it, for the records
    #[arg(long)]
    subject: String,
    /// Allow what only a super admin may, such as confirming top-ups
    #[arg(long)]
    super_admin: bool,
    /// Hours that it is good for
    #[arg(long, default_value_t = 12)]
    hours: u64,
}

#[derive(Subcommand)]
enum LedgerCommand {
    /// Rebuild every balance from its transfers and print where they differ; exit status 1 if they do
    Verify {
        /// Only this tenant
        #[arg(long)]
        tenant: Option<TenantId>,
    },
}

/// Runs the command that the process was called with.
pub async fn run() -> ExitCode {
    let command = Cli::parse().command;
    logging::start(matches!(command, Command::Dev(_)));
    match execute(command).await {
        Ok(code) => code,
        Err(error) => {
            // The one line that says what is wrong.
            eprintln!("diolkos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn execute(command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve { roles } => {
            let mut config = Config::from_env()?;
            if !roles.is_empty() {
                config.roles = roles.into_iter().collect();
            }
            Server::build(config, Clock::default()).await?.run(None, interrupted()?).await?;
        }
        Command::Dev(options) => dev::run(options, interrupted()?).await?,
        Command::Migrate => migrate().await?,
        Command::Openapi => println!("{}", openapi::describe(product::router()).1.to_pretty_json()?),
        Command::Tenant(command) => tenant(command).await?,
        Command::Key(command) => key(command).await?,
        Command::Token(TokenCommand::Create(token)) => println!("{}", issue(&token)?),
        Command::Ledger(LedgerCommand::Verify { tenant }) => return verify(tenant).await,
        Command::Reconcile { full } => return reconcile(full).await,
        Command::HashPassword => hash_password()?,
        Command::Healthcheck => healthcheck().await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Cancelled by the first SIGINT or SIGTERM.
fn interrupted() -> Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        cancel.cancel();
    });
    Ok(token)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn database() -> Result<Db> {
    Ok(Db::new(config::database(&Environment::new(&variable), "DATABASE_URL")?, 4))
}

async fn migrate() -> Result<()> {
    let env = Environment::new(&variable);
    let owner = config::database(&env, "MIGRATION_DATABASE_URL")?;
    db::migrate(&owner).await.context("the schema cannot be brought up to date")?;
    if let Some(password) = config::server_password(&env) {
        db::set_server_password(&owner, &password).await.context("diolkos_server's password cannot be set")?;
    }
    println!("the schema is up to date");
    Ok(())
}

async fn tenant(command: TenantCommand) -> Result<()> {
    let db = database()?;
    match command {
        TenantCommand::Create { namespace, name } => {
            let env = Environment::new(&variable);
            let services = KeyServices::new(config::key_services(&env)?);
            let master_key = services.master_key(&config::master_key(&env)?).await.context("MASTER_KEY")?;
            let keys = TenantKeys::new(master_key.wrapping_key());
            let tenant = Tenants::create(&db, &keys, &namespace, &name, Clock::default().now()).await?;
            println!("{}", tenant.id);
        }
        TenantCommand::List => {
            for tenant in Tenants::all(&db).await? {
                println!("{}\t{}\t{}", tenant.id, tenant.namespace, tenant.name);
            }
        }
    }
    Ok(())
}

async fn key(command: KeyCommand) -> Result<()> {
    let db = database()?;
    match command {
        KeyCommand::Create { tenant, name, mode } => {
            let mut tx = db.tenant(tenant).begin().await?;
            let (key, secret) = ApiKeys::issue(&mut tx, name, mode, Clock::default().now()).await?;
            tx.commit().await?;
            println!("{}\t{}", PublicId::format("key", key.id), secret.expose_secret());
        }
        KeyCommand::Revoke { tenant, id } => {
            let id = PublicId::parse("key", &id).context("the key's id looks like key_0197…")?;
            let mut tx = db.tenant(tenant).begin().await?;
            if !ApiKeys::revoke(&mut tx, id, Clock::default().now()).await? {
                bail!("this tenant has no such key, or it is revoked already");
            }
            tx.commit().await?;
        }
    }
    Ok(())
}

fn issue(token: &DashboardToken) -> Result<String> {
    let (key, issuer) = config::jwt(&Environment::new(&variable))?;
    let jwt = Jwt::from_pem(&key, issuer).context("JWT_PRIVATE_KEY")?;
    let permissions: &[&str] = if token.super_admin { &["waas", "waas:super_admin"] } else { &["waas"] };
    let ttl = Duration::from_secs(token.hours * 3600);
    let token = jwt.issue_dashboard(token.tenant, &token.subject, permissions, ttl, Clock::default().now())?;
    Ok(token.expose_secret().to_owned())
}

async fn verify(only: Option<TenantId>) -> Result<ExitCode> {
    let db = database()?;
    let (tenants, findings) = match only {
        Some(tenant) => (1, Audit::tenant(&db, tenant).await?),
        None => Audit::all(&db).await?,
    };
    for finding in &findings {
        println!("{}\t{}", finding.tenant, finding.what);
    }
    println!("{tenants} tenants, {} differences", findings.len());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn reconcile(full: bool) -> Result<ExitCode> {
    // A process that has no role signs nothing.
    let config = Config { roles: BTreeSet::new(), ..Config::from_env()? };
    let app = Server::build(config, Clock::default()).await?.app;
    let report = reconcile::run(&app, if full { Depth::Full } else { Depth::SinceAgreed }).await?;
    for token in &report.tokens {
        println!("{}\ton chain {}\towed {}", token.token, token.on_chain, token.owed);
    }
    for difference in &report.differences {
        println!("{difference}");
    }
    let number = |block: Option<u64>| block.map_or("none".to_owned(), |block| block.to_string());
    let (since, block) = (number(report.since), number(report.block));
    println!(
        "blocks after {since} up to {block}, {} tenants, {} differences",
        report.tenants,
        report.differences.len()
    );
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn hash_password() -> Result<()> {
    let mut password = String::new();
    std::io::stdin().read_line(&mut password).context("standard input cannot be read")?;
    let password = SecretString::from(password.trim_end_matches(['\r', '\n']));
    if password.expose_secret().chars().count() < 12 {
        bail!("a password has 12 characters or more");
    }
    println!("{}", auth::hash_password(&password).context("the system has no randomness")?);
    Ok(())
}

async fn healthcheck() -> Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let port = variable("PORT").unwrap_or_else(|| "8080".to_owned());
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await?;
        stream.write_all(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(Duration::from_secs(3), ask).await.context("no answer")??;
    if !answer.lines().next().is_some_and(|line| line.contains(" 200")) {
        bail!("the server answers, but is not well");
    }
    Ok(())
}
