//! What every row stands on: one Postgres with its default durability, a migrated template, and a database a row.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use anyhow::Context;
use diolkos::dev::postgres::Postgres;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

const TEMPLATE: &str = "diolkos_template";

/// A running Postgres.
pub struct World {
    postgres: Postgres,
    folder: PathBuf,
    databases: Cell<u32>,
}

impl World {
    /// Starts Postgres on a cluster of this run's own.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        Postgres::remove(&folder.join("postgres")).await?;
        let postgres = Postgres::start(&folder.join("postgres")).await?;
        let world = Self { postgres, folder: folder.to_owned(), databases: Cell::new(0) };
        world.admin(&format!("create database {TEMPLATE} owner diolkos_owner")).await?;
        diolkos::db::migrate(&options(&world.postgres.owner_url(TEMPLATE))?).await.context("the schema")?;
        Ok(world)
    }

    /// The folder of the server's Unix socket.
    pub fn socket_folder(&self) -> &Path {
        self.postgres.socket_folder()
    }

    /// A new database with the schema of this server; its name.
    pub async fn database(&self) -> anyhow::Result<String> {
        let name = self.new_name();
        self.admin(&format!("create database {name} owner diolkos_owner template {TEMPLATE}")).await?;
        Ok(name)
    }

    /// A new database with nothing in it; its name.
    pub async fn empty_database(&self) -> anyhow::Result<String> {
        let name = self.new_name();
        self.admin(&format!("create database {name}")).await?;
        Ok(name)
    }

    /// Ends a database and who is still connected to it. A checkpoint follows, so that what it has left to write does
    /// not slow the next measurement down.
    pub async fn drop_database(&self, name: &str) -> anyhow::Result<()> {
        self.admin(&format!("drop database {name} with (force)")).await?;
        self.admin("checkpoint").await
    }

    /// As the role of the server.
    pub fn server_url(&self, database: &str) -> String {
        self.postgres.server_url(database)
    }

    /// A superuser's connection.
    pub async fn superuser(&self, database: &str) -> anyhow::Result<PgConnection> {
        Ok(options(&self.postgres.url("postgres", database))?.connect().await?)
    }

    /// What Postgres says its version is.
    pub async fn version(&self) -> anyhow::Result<String> {
        let mut superuser = self.superuser("postgres").await?;
        Ok(sqlx::query_scalar("show server_version").fetch_one(&mut superuser).await?)
    }

    /// Ends Postgres and removes its data.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.postgres.stop().await?;
        Postgres::remove(&self.folder.join("postgres")).await
    }

    fn new_name(&self) -> String {
        self.databases.set(self.databases.get() + 1);
        format!("bench_{}", self.databases.get())
    }

    async fn admin(&self, statement: &str) -> anyhow::Result<()> {
        let mut superuser = self.superuser("postgres").await?;
        superuser.execute(AssertSqlSafe(statement)).await.with_context(|| statement.to_owned())?;
        Ok(superuser.close().await?)
    }
}

fn options(url: &str) -> anyhow::Result<PgConnectOptions> {
    Ok(url.parse()?)
}
