//! The services that all tests of a run share: one Postgres, one anvil with the contracts, one migrated template
//! database. They live in a thread of their own, because a child dies with the thread that started it.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use diolkos::dev::anvil::{Anvil, AnvilOptions};
use diolkos::dev::contracts::{self, Contracts};
use diolkos::dev::postgres::{Postgres, PostgresOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use super::alto::Alto;

/// What the shared services are reached by.
pub struct Services {
    postgres: Postgres,
    pub rpc_url: String,
    pub contracts: Contracts,
}

static SERVICES: OnceLock<Services> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

const TEMPLATE: &str = "diolkos_template";

/// The shared services, started by the first who asks.
pub fn services() -> &'static Services {
    SERVICES.get_or_init(|| {
        let (ready, started) = std::sync::mpsc::channel();
        std::thread::Builder::new()
            .name("services".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    ready.send(start().await).unwrap();
                    std::future::pending::<()>().await;
                });
            })
            .unwrap();
        started.recv().unwrap().expect("the services start")
    })
}

fn folder() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    target.join(format!("services-{}", std::process::id()))
}

async fn start() -> anyhow::Result<Services> {
    remove_leftovers();
    let folder = folder();
    let options = PostgresOptions { durable: false, ..Default::default() };
    let postgres_folder = folder.join("postgres");
    let (postgres, anvil) = tokio::try_join!(
        Postgres::start_with(&postgres_folder, options),
        Anvil::start(AnvilOptions { block_time: BLOCK_TIME, ..Default::default() })
    )?;
    let rpc_url = anvil.url();
    let (contracts, ()) = tokio::try_join!(contracts::deploy(&rpc_url), prepare_template(&postgres))?;
    std::mem::forget(anvil);
    Ok(Services { postgres, rpc_url, contracts })
}

/// Seconds between blocks in tests.
pub const BLOCK_TIME: f64 = 0.25;

/// Folders of earlier runs whose process is gone.
fn remove_leftovers() {
    let Ok(entries) = std::fs::read_dir(env!("CARGO_TARGET_TMPDIR")) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.strip_prefix("services-") else { continue };
        if !PathBuf::from(format!("/proc/{pid}")).exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

async fn prepare_template(postgres: &Postgres) -> anyhow::Result<()> {
    let mut admin = options(&postgres.owner_url("postgres"))?.connect().await?;
    admin.execute(AssertSqlSafe(format!("create database {TEMPLATE}"))).await?;
    diolkos::db::migrate(&options(&postgres.owner_url(TEMPLATE))?).await?;
    Ok(admin.close().await?)
}

fn options(url: &str) -> anyhow::Result<sqlx::postgres::PgConnectOptions> {
    Ok(url.parse()?)
}

impl Services {
    /// A new database, migrated; its name.
    pub async fn database(&self) -> String {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let mut admin = options(&self.owner_url("postgres")).unwrap().connect().await.unwrap();
        // Two copies of one template at a time are refused: whoever comes second tries again.
        for attempt in 0.. {
            let create = format!("create database {name} template {TEMPLATE}");
            match admin.execute(AssertSqlSafe(create)).await {
                Ok(_) => break,
                Err(error) if attempt == 100 => panic!("{error}"),
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
        admin.close().await.unwrap();
        name
    }

    /// A URL as the schema's owner.
    pub fn owner_url(&self, database: &str) -> String {
        self.postgres.owner_url(database)
    }

    /// A URL as the server's role.
    pub fn server_url(&self, database: &str) -> String {
        self.postgres.server_url(database)
    }

    /// The server's Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.postgres.socket_folder().join(".s.PGSQL.5432")
    }

    /// A URL as the superuser, who sees everything.
    pub fn superuser_url(&self, database: &str) -> String {
        self.postgres.url("postgres", database)
    }
}

static ALTO: tokio::sync::OnceCell<Alto> = tokio::sync::OnceCell::const_new();

impl Services {
    /// The bundler that all tests share, started by the first that asks.
    pub async fn alto(&self) -> &'static Alto {
        ALTO.get_or_init(|| async { self.another_alto("alto").await }).await
    }

    /// A bundler of a test's own.
    pub async fn another_alto(&self, name: &str) -> Alto {
        self.another_alto_on(&self.rpc_url, name).await
    }

    /// The same for another chain.
    pub async fn another_alto_on(&self, rpc_url: &str, name: &str) -> Alto {
        let block_time = std::time::Duration::from_secs_f64(BLOCK_TIME);
        Alto::start(rpc_url, block_time, 2, &folder().join(format!("{name}.log"))).await.unwrap()
    }
}
