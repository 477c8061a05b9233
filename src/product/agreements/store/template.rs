//! SQL of templates.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::super::kind::Kind;
use crate::db::{self, Cursor, TenantTx};
use crate::http::{Error, OnConstraint, Result};

/// A version of a kind of template, without its text.
pub struct Head {
    pub id: Uuid,
    pub kind: String,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub retired_at: Option<DateTime<Utc>>,
}

/// The newest version of each kind, retired ones too.
pub async fn heads(tx: &mut TenantTx) -> db::Result<Vec<Head>> {
    let heads = sqlx::query_as!(
        Head,
        "select distinct on (kind) id, kind, version, created_at, retired_at from agreement_template
        where tenant_id = $1 order by kind, version desc",
        tx.tenant().0,
    );
    heads.fetch_all(&mut **tx).await
}

/// Version 1 of kinds that the tenant has none of; of several who do so at once one does.
pub async fn adopt(tx: &mut TenantTx, kinds: &[&str], htmls: &[&str], now: DateTime<Utc>) -> Result<()> {
    let ids: Vec<Uuid> = kinds.iter().map(|_| Uuid::now_v7()).collect();
    sqlx::query!(
        "insert into agreement_template (tenant_id, id, kind, version, html, created_at)
        select $1, new.id, new.kind, 1, new.html, $5 from unnest($2::uuid[], $3::text[], $4::text[]) as new (id, kind, html)
        on conflict (tenant_id, kind, version) do nothing",
        tx.tenant().0,
        &ids,
        kinds as &[&str],
        htmls as &[&str],
        now,
    )
    .execute(&mut **tx)
    .await
    .on_constraint("agreement_template_tenant_id_fkey", |_| unknown_tenant())?;
    Ok(())
}

/// The text of a version.
pub async fn html_of(tx: &mut TenantTx, id: Uuid) -> db::Result<String> {
    let html =
        sqlx::query_scalar!("select html from agreement_template where tenant_id = $1 and id = $2", tx.tenant().0, id,);
    html.fetch_one(&mut **tx).await
}

/// Makes those who publish or retire the same kind wait for each other, and returns its newest version.
pub async fn lock_kind(tx: &mut TenantTx, kind: &Kind) -> db::Result<Option<Head>> {
    let head = sqlx::query_as!(
        Head,
        "select id, kind, version, created_at, retired_at from agreement_template
        where tenant_id = $1 and kind = $2 order by version desc limit 1 for update",
        tx.tenant().0,
        kind.as_str(),
    );
    head.fetch_optional(&mut **tx).await
}

pub async fn insert_version(tx: &mut TenantTx, head: &Head, html: &str) -> Result<()> {
    sqlx::query!(
        "insert into agreement_template (tenant_id, id, kind, version, html, created_at) values ($1, $2, $3, $4, $5, $6)",
        tx.tenant().0,
        head.id,
        head.kind,
        head.version,
        html,
        head.created_at,
    )
    .execute(&mut **tx)
    .await
    .on_constraint("agreement_template_version_unique", |_| {
        Error::conflict("published_at_once", "another version of this kind was published at the same time; try again")
    })
    .on_constraint("agreement_template_tenant_id_fkey", |_| unknown_tenant())?;
    Ok(())
}

/// Retires a version that is not retired yet.
pub async fn retire_kind(tx: &mut TenantTx, id: Uuid, now: DateTime<Utc>) -> db::Result<bool> {
    let retired = sqlx::query!(
        "update agreement_template set retired_at = $3 where tenant_id = $1 and id = $2 and retired_at is null",
        tx.tenant().0,
        id,
        now,
    );
    Ok(retired.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Up to `limit + 1` versions with their texts, newest first, after the cursor.
pub async fn list_versions(tx: &mut TenantTx, after: Option<Cursor>, limit: i64) -> db::Result<Vec<(Head, String)>> {
    let rows = sqlx::query!(
        "select id, kind, version, html, created_at, retired_at from agreement_template
        where tenant_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3",
        tx.tenant().0,
        after.map(|cursor| cursor.0),
        limit + 1,
    );
    let rows = rows.fetch_all(&mut **tx).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let (created_at, retired_at) = (row.created_at, row.retired_at);
            (Head { id: row.id, kind: row.kind, version: row.version, created_at, retired_at }, row.html)
        })
        .collect())
}

/// What the transaction's tenant is called.
pub async fn tenant_name(tx: &mut TenantTx) -> Result<String> {
    let name = sqlx::query_scalar!("select name from tenant where tenant_id = $1", tx.tenant().0);
    name.fetch_optional(&mut **tx).await?.ok_or_else(unknown_tenant)
}

fn unknown_tenant() -> Error {
    Error::not_found("tenant_not_found", "there is no such tenant")
}
