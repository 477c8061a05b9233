//! The database: a pool, and the two ways into it.
//!
//! A tenant's tables are reached through a transaction that names its tenants ([`Db::tenant`], [`Db::tenants`]);
//! outside one, row-level security shows nothing. The engine's own tables are reached as the engine's role
//! ([`Db::engine`]).

mod migrate;
mod page;

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::foundation::TenantId;

pub use migrate::{MIGRATIONS, migrate, set_server_password};
pub use page::{Cursor, Page, PageRequest};

/// A transaction's limits. They are set where it begins and not at connecting, so that they hold behind a pooler too.
/// Whoever is stopped between two statements must not keep what it locked (a lane, a tenant's account) for longer than
/// others are meant to wait: no transaction does anything but its statements.
pub const LIMITS: &str = "set local statement_timeout = '20s'; set local idle_in_transaction_session_timeout = '5s'";

/// For statements over arrays, of which the planner cannot know how long they are: each element is looked up by an index.
/// Left to itself it reads whole tables, above all when they have grown since their statistics were made. Those statements
/// write what a record's state must be as `coalesce(…, false)`, of which it knows nothing: where the statistics are of a
/// quiet moment it would otherwise begin with the few records that it believes are in that state, and meet all.
const LOOK_UP: &str =
    "set local enable_hashjoin = off; set local enable_mergejoin = off; set local enable_seqscan = off";

/// A database error.
pub type Error = sqlx::Error;
/// The result of a database call.
pub type Result<T> = std::result::Result<T, Error>;

/// The pool, logged in as a role that bypasses no policy.
#[derive(Clone, Debug)]
pub struct Db {
    pool: PgPool,
}

impl Db {
    /// A pool of at most `connections`; connects when first used.
    pub fn new(options: PgConnectOptions, connections: u32) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(10))
            .connect_lazy_with(options);
        Self { pool }
    }

    /// The scope of one tenant's records.
    pub fn tenant(&self, tenant: TenantId) -> Scope<'_> {
        self.tenants(&[tenant])
    }

    /// The scope of several tenants' records, for one statement that posts a batch of many tenants' requests.
    pub fn tenants(&self, tenants: &[TenantId]) -> Scope<'_> {
        Scope { db: self, tenants: tenants.to_vec() }
    }

    /// A transaction in the engine's own tables.
    pub async fn engine(&self) -> Result<EngineTx> {
        self.begin(format!("begin; {LIMITS}; {LOOK_UP}; set local role diolkos_engine")).await.map(EngineTx)
    }

    /// Begins a transaction in a task of its own, which a caller who gives up does not cut off: sqlx 0.9 notes a
    /// transaction only after the server's answer, so that a connection whose `begin` was dropped midway would go back
    /// to the pool with the transaction open, and its role and scope with it.
    async fn begin(&self, statement: String) -> Result<Transaction<'static, Postgres>> {
        let pool = self.pool.clone();
        let begun = tokio::spawn(async move { pool.begin_with(AssertSqlSafe(statement)).await });
        begun.await.map_err(|_| Error::WorkerCrashed)?
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("select 1").execute(&self.pool).await.map(drop)
    }

    /// The pool itself, for libraries that bring their own statements (jobs, migrations' state, listening).
    /// It sees no tenant's records.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Waits for connections in use and closes them.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Tenants whose records a transaction may see.
#[derive(Debug)]
pub struct Scope<'a> {
    db: &'a Db,
    tenants: Vec<TenantId>,
}

impl Scope<'_> {
    /// Opens a transaction that sees these tenants' records only.
    pub async fn begin(self) -> Result<TenantTx> {
        self.begin_with("").await
    }

    /// The same for statements that each look many records up.
    pub async fn begin_many(self) -> Result<TenantTx> {
        self.begin_with(LOOK_UP).await
    }

    /// The same to read only, and as of one moment: what is committed after its first statement is not seen, so that
    /// sums over several statements agree.
    pub async fn snapshot(self) -> Result<TenantTx> {
        self.begin_with("set transaction isolation level repeatable read, read only").await
    }

    async fn begin_with(self, more: &str) -> Result<TenantTx> {
        let names: Vec<String> = self.tenants.iter().map(ToString::to_string).collect();
        // Ids are hexadecimal digits and dashes; `set local` takes no parameters.
        let begin = format!("begin; {LIMITS}; {more}; set local diolkos.tenants = '{}'", names.join(","));
        let tx = self.db.begin(begin).await?;
        Ok(TenantTx { tx, tenants: self.tenants })
    }
}

/// A transaction scoped to tenants; rolls back when dropped.
#[derive(Debug)]
pub struct TenantTx {
    tx: Transaction<'static, Postgres>,
    tenants: Vec<TenantId>,
}

impl TenantTx {
    /// The (first) tenant of the scope.
    pub fn tenant(&self) -> TenantId {
        self.tenants.first().copied().unwrap_or(TenantId::OPERATOR)
    }

    /// The scope's tenants, for a statement about all that is theirs: row-level security refuses, and finds nothing.
    pub fn scope(&self) -> Vec<Uuid> {
        self.tenants.iter().map(|tenant| tenant.0).collect()
    }

    /// Makes it so.
    pub async fn commit(self) -> Result<()> {
        self.tx.commit().await
    }
}

impl Deref for TenantTx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.tx
    }
}

impl DerefMut for TenantTx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}

/// A transaction in the engine's role; rolls back when dropped.
#[derive(Debug)]
pub struct EngineTx(Transaction<'static, Postgres>);

impl EngineTx {
    /// Makes it so.
    pub async fn commit(self) -> Result<()> {
        self.0.commit().await
    }
}

impl Deref for EngineTx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for EngineTx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}
