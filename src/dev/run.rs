//! `diolkos dev`: services, schema, contracts, tenants, and then the same server as `diolkos serve`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use super::anvil::{Anvil, AnvilOptions};
use super::contracts::{self, Contracts};
use super::credentials::{AddressOf, Credentials};
use super::keys::{DevelopmentKeys, write_private};
use super::postgres::Postgres;
use super::settings::Settings;
use super::{banner, paths, seed};
use crate::app::{self, Server};
use crate::db;
use crate::foundation::Clock;

/// Options of `diolkos dev`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Options {
    /// Forget everything under .dev/ first
    #[arg(long)]
    reset: bool,
    /// Run everything but the server, and write .dev/env for `diolkos serve`
    #[arg(long)]
    services: bool,
}

/// Runs until `shutdown`, or until a service ends by itself.
pub async fn run(options: Options, shutdown: CancellationToken) -> Result<()> {
    let folder = paths::dev_dir()?;
    if options.reset {
        remove(&folder).await?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let keys = DevelopmentKeys::load_or_make(&folder.join("keys.json"))?;
    // Before anything is started: a taken port is told at once.
    let listener = if options.services { None } else { Some(listen_early().await?) };

    banner::progress("starting Postgres and the chain");
    let (postgres, anvil) = start(&folder).await?;
    let served = serve(options, &folder, &keys, &postgres, &anvil, listener, shutdown);
    let result = tokio::select! {
        result = served => result,
        _ = postgres.ended() => Err(anyhow::anyhow!("Postgres ended; see {}", folder.join("postgres").display())),
        _ = anvil.ended() => Err(anyhow::anyhow!("the chain ended; see {}", folder.join("anvil.log").display())),
    };
    let (chain_stopped, database_stopped) = tokio::join!(anvil.stop(), postgres.stop());
    result.and(chain_stopped).and(database_stopped)
}

async fn remove(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    banner::progress("removing .dev");
    Postgres::remove(&folder.join("postgres")).await?;
    Anvil::remove(&state_file(folder)).await?;
    std::fs::remove_dir_all(folder).with_context(|| format!("{} cannot be removed", folder.display()))
}

fn state_file(folder: &Path) -> PathBuf {
    folder.join("anvil").join("state.json")
}

async fn listen_early() -> Result<tokio::net::TcpListener> {
    let text = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let (host, port) = (text("HOST", "127.0.0.1"), text("PORT", "8080"));
    let address = format!("{host}:{port}").parse().with_context(|| format!("PORT={port} is not a port"))?;
    app::listen(address).await
}

async fn start(folder: &Path) -> Result<(Postgres, Anvil)> {
    let port_file = folder.join("rpc_port");
    let port = std::fs::read_to_string(&port_file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let options = |port| AnvilOptions {
        state: Some(state_file(folder)),
        port,
        log: Some(folder.join("anvil.log")),
        ..AnvilOptions::default()
    };
    let chain = async {
        match Anvil::start(options(port)).await {
            // Somebody else has yesterday's port by now.
            Err(_) if port != 0 => Anvil::start(options(0)).await,
            started => started,
        }
    };
    let postgres_folder = folder.join("postgres");
    let (postgres, anvil) = tokio::try_join!(Postgres::start(&postgres_folder), chain)?;
    std::fs::write(&port_file, anvil.port().to_string())?;
    Ok((postgres, anvil))
}

async fn serve(
    options: Options,
    folder: &Path,
    keys: &DevelopmentKeys,
    postgres: &Postgres,
    anvil: &Anvil,
    listener: Option<tokio::net::TcpListener>,
    shutdown: CancellationToken,
) -> Result<()> {
    let (server_url, owner_url) = (postgres.server_url("diolkos"), postgres.owner_url("diolkos"));
    let owner = owner_url.parse().context("the private database's URL")?;
    db::migrate(&owner).await.context("the schema cannot be brought up to date")?;
    banner::progress("deploying contracts");
    let contracts = contracts::deploy(&anvil.url()).await?;
    let settings = Settings::new(keys, &contracts, &anvil.url(), (&server_url, &owner_url));
    let settings = settings.with_documents(&folder.join("documents"))?;
    write_private(&folder.join("env"), &settings.as_shell())?;

    let server = Server::build(settings.config()?, Clock::default()).await?;
    banner::progress("seeding tenants");
    seed::chain(&server.app, keys, &anvil.url()).await?;
    let credentials_file = folder.join("credentials.json");
    let earlier = Credentials::load(&credentials_file)?.map(|earlier| earlier.tenants);
    let address = match &listener {
        Some(listener) => listener.local_addr()?.to_string(),
        None => format!("127.0.0.1:{}", std::env::var("PORT").unwrap_or_else(|_| "8080".to_owned())),
    };
    let base_url = format!("http://{address}");
    let tenants = seed::tenants(&server.app, earlier).await?;
    let credentials = credentials(&server, keys, &contracts, anvil, base_url, server_url, tenants)?;
    credentials.save(&credentials_file)?;

    if options.services {
        banner::services(&credentials);
        shutdown.cancelled().await;
        server.app.db.close().await;
        return Ok(());
    }
    banner::server(&credentials);
    server.run(listener, shutdown).await
}

fn credentials(
    server: &Server,
    keys: &DevelopmentKeys,
    contracts: &Contracts,
    anvil: &Anvil,
    base_url: String,
    database_url: String,
    tenants: Vec<super::credentials::TenantCredentials>,
) -> Result<Credentials> {
    let Some(first) = tenants.first() else { bail!("no tenant was seeded") };
    let orchestration_token =
        server.app.auth.jwt().issue_orchestration(first.id, "development", seed::TOKEN_TTL, server.app.clock.now())?;
    Ok(Credentials {
        base_url,
        rpc_url: anvil.url(),
        chain_id: server.app.chain.settings().chain_id,
        database_url,
        operator_token: keys.operator_token.clone(),
        orchestration_token: orchestration_token.expose_secret().to_owned(),
        tenants,
        contracts: contracts.into(),
        treasury: AddressOf { address: keys.treasury()? },
        funded_key: contracts::FUNDED_KEY.to_owned(),
    })
}
