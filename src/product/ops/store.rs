//! SQL of tenants and of the schema's state.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::TenantRecord;
use crate::db::{Cursor, Db, EngineTx, TenantTx};
use crate::foundation::{TenantId, WrappedKey};
use crate::http::{Error, OnConstraint, Result};

struct Row {
    tenant_id: Uuid,
    namespace: String,
    name: String,
    created_at: DateTime<Utc>,
}

impl From<Row> for TenantRecord {
    fn from(row: Row) -> Self {
        Self { id: TenantId(row.tenant_id), namespace: row.namespace, name: row.name, created_at: row.created_at }
    }
}

/// Adds a tenant with the badges that it starts with. Only the engine's role may, so that the transaction takes it for this one statement.
pub async fn insert_tenant(tx: &mut TenantTx, tenant: &TenantRecord, key: &WrappedKey) -> Result<()> {
    sqlx::query!("set local role diolkos_engine").execute(&mut **tx).await?;
    sqlx::query!(
        "insert into tenant (tenant_id, namespace, name, wrapped_key, created_at) values ($1, $2, $3, $4, $5)",
        tenant.id.0,
        tenant.namespace,
        tenant.name,
        key.0,
        tenant.created_at,
    )
    .execute(&mut **tx)
    .await
    .on_constraint("tenant_namespace_unique", |_| {
        Error::conflict("duplicate_namespace", "a tenant of this namespace exists")
    })?;
    // A tenant starts with Bronze, Silver and Gold: the migration that made them says what they are.
    sqlx::query!("select diolkos_starting_badges($1)", tenant.id.0).execute(&mut **tx).await?;
    sqlx::query!("set local role none").execute(&mut **tx).await?;
    Ok(())
}

pub async fn wrapped_key(tx: &mut TenantTx, tenant: TenantId) -> Result<Option<Vec<u8>>> {
    let key = sqlx::query_scalar!("select wrapped_key from tenant where tenant_id = $1", tenant.0);
    Ok(key.fetch_optional(&mut **tx).await?)
}

/// The wrapped keys of these tenants.
pub async fn wrapped_keys(tx: &mut TenantTx, tenants: &[TenantId]) -> Result<Vec<(TenantId, Vec<u8>)>> {
    let ids: Vec<Uuid> = tenants.iter().map(|tenant| tenant.0).collect();
    let keys = sqlx::query!("select tenant_id, wrapped_key from tenant where tenant_id = any($1)", &ids);
    let keys = keys.fetch_all(&mut **tx).await?;
    Ok(keys.into_iter().map(|key| (TenantId(key.tenant_id), key.wrapped_key)).collect())
}

pub async fn tenant_by_namespace(tx: &mut EngineTx, namespace: &str) -> Result<Option<TenantRecord>> {
    let tenant = sqlx::query_as!(
        Row,
        "select tenant_id, namespace, name, created_at from tenant where namespace = $1",
        namespace,
    );
    Ok(tenant.fetch_optional(&mut **tx).await?.map(TenantRecord::from))
}

/// Up to `limit + 1` tenants, newest first, after the cursor.
pub async fn list_tenants(tx: &mut EngineTx, after: Option<Cursor>, limit: i64) -> Result<Vec<TenantRecord>> {
    let tenants = sqlx::query_as!(
        Row,
        "select tenant_id, namespace, name, created_at from tenant
        where $1::uuid is null or tenant_id < $1 order by tenant_id desc limit $2",
        after.map(|cursor| cursor.0),
        limit + 1,
    );
    Ok(tenants.fetch_all(&mut **tx).await?.into_iter().map(TenantRecord::from).collect())
}

/// The versions of the migrations that the database has had, oldest first.
pub async fn applied_migrations(db: &Db) -> sqlx::Result<Vec<i64>> {
    // Not checked at compile time: sqlx makes this table itself, and only when it migrates.
    sqlx::query_scalar("select version from _sqlx_migrations where success order by version").fetch_all(db.pool()).await
}
