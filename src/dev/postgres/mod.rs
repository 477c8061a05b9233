//! A private Postgres cluster: on a socket only, gone when we are gone.

mod home;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use sqlx::{Connection, PgConnection};

use self::home::Home;
use super::child::{Child, Service};
use super::claim::{Claim, end_leftover};

/// How long Postgres may take to shut down before it is killed; it recovers from its log then.
const GRACE: Duration = Duration::from_secs(20);
/// Recovery after a kill may take a while.
const START_DEADLINE: Duration = Duration::from_secs(60);
const LAST_BREATH: Duration = Duration::from_secs(10);

/// How a cluster is run.
#[derive(Debug, Clone, Copy)]
pub struct PostgresOptions {
    /// Whether what is committed survives a power cut. Tests do without and are faster.
    pub durable: bool,
    /// How many connections it admits.
    pub max_connections: u32,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        PostgresOptions { durable: true, max_connections: 200 }
    }
}

/// A running cluster with the role `diolkos_owner` and its database `diolkos`. Dropping it ends it without waiting.
#[derive(Debug)]
pub struct Postgres {
    home: Home,
    child: Child,
    _claim: Claim,
}

impl Postgres {
    /// Starts the durable cluster that lives in `dir`, making it first if need be. Fails when another living process
    /// runs it; one that an earlier run left behind is shut down first.
    pub async fn start(dir: &Path) -> anyhow::Result<Postgres> {
        Postgres::start_with(dir, PostgresOptions::default()).await
    }

    /// The same with options.
    pub async fn start_with(dir: &Path, options: PostgresOptions) -> anyhow::Result<Postgres> {
        std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
        let dir = dir.canonicalize()?;
        let claim = Claim::on(&dir).await?;
        let home = Home::find(&dir)?;
        let killed = end_running(&home.data).await?;
        initialise(&home, options)?;
        let started = Instant::now();
        let (child, mut superuser) = loop {
            let child = Child::start(service(&home, options))?;
            match ready(&home, &child).await {
                Ok(connection) => break (child, connection),
                // Back ends outlive a postmaster that was killed by a moment, and no other may start meanwhile.
                Err(_) if killed && child.ended().is_some() && started.elapsed() < LAST_BREATH => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => return Err(error),
            }
        };
        make_owner(&mut superuser).await.context("the owner's role and database cannot be made")?;
        superuser.close().await?;
        Ok(Postgres { home, child, _claim: claim })
    }

    /// For `diolkos_owner`, who may make roles and databases and is no superuser.
    pub fn owner_url(&self, database: &str) -> String {
        self.url("diolkos_owner", database)
    }

    /// For `diolkos_server`, the role that the migrations make.
    pub fn server_url(&self, database: &str) -> String {
        self.url("diolkos_server", database)
    }

    /// For any role; the socket's folder admits nobody but us, and asks for no password.
    pub fn url(&self, role: &str, database: &str) -> String {
        self.home.url(role, database)
    }

    /// Where the data lies: in the folder given, or elsewhere when `nobody` cannot reach that (we run as root).
    pub fn data_dir(&self) -> &Path {
        &self.home.data
    }

    /// The folder of its Unix socket, `.s.PGSQL.5432`.
    pub fn socket_folder(&self) -> &Path {
        &self.home.socket
    }

    /// The postmaster's process id.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Waits until Postgres has ended, by whatever cause.
    pub async fn ended(&self) -> std::process::ExitStatus {
        self.child.wait().await
    }

    /// Shuts down: connections are cut, what is committed is kept.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.child.stop().await
    }

    /// Ends what runs from `dir` and removes the cluster, wherever it lies. Fails when a living process uses it.
    pub async fn remove(dir: &Path) -> anyhow::Result<()> {
        if !dir.is_dir() {
            return Ok(());
        }
        let dir = dir.canonicalize()?;
        let _claim = Claim::on(&dir).await?;
        let home = Home::find(&dir)?;
        end_running(&home.data).await?;
        home.remove(&dir)
    }
}

async fn ready(home: &Home, child: &Child) -> anyhow::Result<PgConnection> {
    let url = home.url("postgres", "postgres");
    let started = Instant::now();
    loop {
        let error = match PgConnection::connect(&url).await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        let log = home.log.display();
        if let Some(status) = child.ended() {
            bail!("Postgres ended while starting ({status}); its log is {log}");
        }
        if started.elapsed() > START_DEADLINE {
            return Err(error).context(format!("Postgres did not answer in {START_DEADLINE:?}; its log is {log}"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Made under another name and renamed when complete, so that an `initdb` cut short leaves nothing half-made behind.
fn initialise(home: &Home, options: PostgresOptions) -> anyhow::Result<()> {
    if home.data.join("PG_VERSION").is_file() {
        return Ok(());
    }
    let unfinished = home.data.with_extension("unfinished");
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished)?;
    }
    home.make_private(&unfinished)?;
    let mut initdb = Command::new(home.program("initdb"));
    initdb.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir(&unfinished);
    initdb.arg("-D").arg(&unfinished).args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-instructions"]);
    // The provider that is built in sorts alike on every machine, whatever locales it has.
    initdb.args(["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]);
    if !options.durable {
        initdb.arg("--no-sync");
    }
    home.identity.run(initdb).context("the Postgres cluster cannot be made")?;
    std::fs::rename(&unfinished, &home.data)?;
    Ok(())
}

fn service(home: &Home, options: PostgresOptions) -> Service<'_> {
    let mut settings = vec![
        "listen_addresses=".to_owned(),
        format!("unix_socket_directories={}", home.socket.display()),
        format!("max_connections={}", options.max_connections),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
    ];
    if !options.durable {
        settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned));
    }
    let mut arguments = vec!["-D".to_owned(), home.data.display().to_string(), "-p".to_owned(), "5432".to_owned()];
    arguments.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
    Service {
        name: "postgres",
        program: &home.postgres,
        arguments,
        environment: Vec::new(),
        log: &home.log,
        folder: &home.data,
        identity: home.identity,
        grace: GRACE,
    }
}

/// Ends a cluster that an earlier run left running. True when that run did not end it itself.
async fn end_running(data: &Path) -> anyhow::Result<bool> {
    let file = data.join("postmaster.pid");
    let Ok(text) = std::fs::read_to_string(&file) else { return Ok(false) };
    if let Some(Ok(pid)) = text.lines().next().map(|line| line.trim().parse()) {
        end_leftover(pid, &data.display().to_string(), GRACE).await?;
    }
    // Left by one that was killed. Postgres would be stopped by it if the id now belongs to anything alive.
    match std::fs::remove_file(&file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(true),
    }
}

async fn make_owner(superuser: &mut PgConnection) -> sqlx::Result<()> {
    let role = sqlx::query("select from pg_roles where rolname = 'diolkos_owner'").fetch_optional(&mut *superuser);
    if role.await?.is_none() {
        sqlx::query("create role diolkos_owner login createrole createdb").execute(&mut *superuser).await?;
    }
    let database = sqlx::query("select from pg_database where datname = 'diolkos'").fetch_optional(&mut *superuser);
    if database.await?.is_none() {
        sqlx::query("create database diolkos owner diolkos_owner").execute(&mut *superuser).await?;
    }
    Ok(())
}
