//! Bringing the schema up to date, as its owner.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

/// The committed migrations, compiled in.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// Applies what is missing; safe to run twice and from several processes at once (an advisory lock serialises them).
pub async fn migrate(owner: &PgConnectOptions) -> Result<(), MigrateError> {
    let mut connection = owner.connect().await?;
    MIGRATIONS.run(&mut connection).await?;
    Ok(connection.close().await?)
}
