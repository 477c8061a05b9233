//! Bringing the schema up to date, as its owner.

use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// The committed migrations, compiled in.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// Applies what is missing; safe to run twice and from several processes at once (an advisory lock serialises them).
pub async fn migrate(owner: &PgConnectOptions) -> Result<(), MigrateError> {
    let mut connection = owner.connect().await?;
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
