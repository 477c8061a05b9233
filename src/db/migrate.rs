//! Bringing the schema up to date, as its owner.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// The committed migrations, compiled in.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// Whoever waits for a table that is in use has everybody wait behind it: that is given up before anybody notices, and tried
/// again.
const BRIEFLY: &str = "set lock_timeout = '3s'";
/// How often, and after which pause: some minutes in all.
const TRIES: usize = 60;
const PAUSE: Duration = Duration::from_secs(1);
/// `lock_not_available` (PostgreSQL, appendix A).
const NOT_AVAILABLE: &str = "55P03";

/// Applies what is missing; safe to run twice, from several processes at once (an advisory lock serialises them), and beside
/// servers at work.
pub async fn migrate(owner: &PgConnectOptions) -> Result<(), MigrateError> {
    let pauses = ConstantBuilder::default().with_delay(PAUSE).with_max_times(TRIES);
    (|| apply(owner)).retry(pauses).when(has_waited_in_vain).await
}

fn has_waited_in_vain(error: &MigrateError) -> bool {
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else { return false };
    error.as_database_error().and_then(|refused| refused.code()).as_deref() == Some(NOT_AVAILABLE)
}

async fn apply(owner: &PgConnectOptions) -> Result<(), MigrateError> {
    let mut connection = owner.connect().await?;
    sqlx::query(BRIEFLY).execute(&mut connection).await?;
    MIGRATIONS.run(&mut connection).await?;
    // sqlx makes this table itself; readiness compares it with what is compiled in.
    sqlx::query("grant select on _sqlx_migrations to diolkos_server").execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Gives the role that the server logs in as a password.
pub async fn set_server_password(owner: &PgConnectOptions, password: &SecretString) -> sqlx::Result<()> {
    let mut connection = owner.connect().await?;
    let quoted: String = sqlx::query_scalar("select quote_literal($1)")
        .bind(password.expose_secret())
        .fetch_one(&mut connection)
        .await?;
    // A utility statement takes no parameters; the literal was quoted by the database itself.
    let alter = AssertSqlSafe(format!("alter role diolkos_server password {quoted}"));
    sqlx::query(alter).execute(&mut connection).await?;
    connection.close().await
}
