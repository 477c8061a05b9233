//! SQL of badges and of who has them.

mod assignment;
mod link;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::filter::Filter;
use super::{Badge, Kind, UserGroup};
use crate::db::{self, Error, TenantTx};
use crate::http::{self, OnConstraint};

pub use assignment::{
    AssignmentRow, assign, assign_to_wallet, assignments, end, end_identification, forget_external, has_wallet,
    mark_badged, mode_of, of_customer, reckon,
};
pub use assignment::{group_of, take_from_wallets, wallets_with};
pub use link::{link, linked_tokens, links_of, unlink};

struct Row {
    id: Uuid,
    name: String,
    kind: String,
    user_group: String,
    description: Option<String>,
    symbol_ref: Option<String>,
    storage_provider: Option<String>,
    created_by: Option<String>,
    is_active: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Badge {
    type Error = Error;

    fn try_from(row: Row) -> db::Result<Self> {
        let Row {
            id, name, kind, user_group, description, symbol_ref, storage_provider, created_by, is_active, ..
        } = row;
        Ok(Self {
            id,
            name,
            kind: read_kind(&kind)?,
            user_group: UserGroup::from_word(&user_group)
                .ok_or_else(|| Error::Decode(format!("{user_group} is no user group").into()))?,
            description,
            symbol_ref,
            storage_provider,
            created_by,
            is_active,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

fn read_kind(word: &str) -> db::Result<Kind> {
    Kind::from_word(word).ok_or_else(|| Error::Decode(format!("{word} is no kind of a badge").into()))
}

/// An active badge. It is locked against being put out of use until the transaction ends.
pub async fn active(tx: &mut TenantTx, id: Uuid) -> db::Result<Option<Badge>> {
    let badge = sqlx::query_as!(
        Row,
        "select id, name, kind, user_group, description, symbol_ref, storage_provider, created_by, is_active, created_at,
            updated_at
        from badge where tenant_id = $1 and id = $2 and is_active for share",
        tx.tenant().0,
        id,
    );
    badge.fetch_optional(&mut **tx).await?.map(Badge::try_from).transpose()
}

/// A badge, in use or not.
pub async fn find(tx: &mut TenantTx, id: Uuid) -> db::Result<Option<Badge>> {
    let badge = sqlx::query_as!(
        Row,
        "select id, name, kind, user_group, description, symbol_ref, storage_provider, created_by, is_active, created_at,
            updated_at
        from badge where tenant_id = $1 and id = $2",
        tx.tenant().0,
        id,
    );
    badge.fetch_optional(&mut **tx).await?.map(Badge::try_from).transpose()
}

/// Until the transaction ends nobody else changes badges of its tenant.
pub async fn hold_all(tx: &mut TenantTx) -> db::Result<()> {
    let tenant = tx.tenant().0;
    sqlx::query!(
        r#"select pg_advisory_xact_lock(hashtextextended('badges of ' || $1::uuid::text, 0)) as "locked!: ()""#,
        tenant
    )
    .fetch_one(&mut **tx)
    .await
    .map(drop)
}

/// A badge, which nobody else changes until the transaction ends.
pub async fn hold(tx: &mut TenantTx, id: Uuid) -> db::Result<Option<Badge>> {
    let badge = sqlx::query_as!(
        Row,
        "select id, name, kind, user_group, description, symbol_ref, storage_provider, created_by, is_active, created_at,
            updated_at
        from badge where tenant_id = $1 and id = $2 for no key update",
        tx.tenant().0,
        id,
    );
    badge.fetch_optional(&mut **tx).await?.map(Badge::try_from).transpose()
}

/// Badges in use, newest first.
pub async fn list(tx: &mut TenantTx, filter: &Filter, offset: i64, limit: i64) -> db::Result<Vec<Badge>> {
    let badges = sqlx::query_as!(
        Row,
        "select id, name, kind, user_group, description, symbol_ref, storage_provider, created_by, is_active, created_at,
            updated_at
        from badge
        where tenant_id = $1 and is_active
            and ($2::text is null or strpos(lower(name), lower($2)) > 0 or strpos(lower(kind), lower($2)) > 0)
            and ($3::text is null or kind = $3)
            and ($4::text is null or user_group = $4)
        order by created_at desc, id desc offset $5 limit $6",
        tx.tenant().0,
        filter.search,
        filter.kind.map(Kind::as_str),
        filter.group.map(UserGroup::as_str),
        offset,
        limit,
    );
    badges.fetch_all(&mut **tx).await?.into_iter().map(Badge::try_from).collect()
}

/// Up to `limit + 1` badges, in use or not, the largest id first, after the cursor.
pub async fn list_all(tx: &mut TenantTx, after: Option<Uuid>, limit: i64) -> db::Result<Vec<Badge>> {
    let badges = sqlx::query_as!(
        Row,
        "select id, name, kind, user_group, description, symbol_ref, storage_provider, created_by, is_active, created_at,
            updated_at
        from badge where tenant_id = $1 and ($2::uuid is null or id < $2)
        order by id desc limit $3",
        tx.tenant().0,
        after,
        limit + 1,
    );
    badges.fetch_all(&mut **tx).await?.into_iter().map(Badge::try_from).collect()
}

/// Adds a badge; 409 when one in use has its name.
pub async fn insert(tx: &mut TenantTx, badge: &Badge) -> http::Result<()> {
    sqlx::query!(
        "insert into badge (tenant_id, id, name, kind, user_group, description, symbol_ref, storage_provider, created_by,
            is_active, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        tx.tenant().0,
        badge.id,
        badge.name,
        badge.kind.as_str(),
        badge.user_group.as_str(),
        badge.description,
        badge.symbol_ref,
        badge.storage_provider,
        badge.created_by,
        badge.is_active,
        badge.created_at,
        badge.updated_at,
    )
    .execute(&mut **tx)
    .await
    .on_constraint("badge_name_unique", |_| taken())?;
    Ok(())
}

/// Stores what of a badge can change; 409 when another in use has its name.
pub async fn update(tx: &mut TenantTx, badge: &Badge) -> http::Result<()> {
    sqlx::query!(
        "update badge set name = $3, description = $4, symbol_ref = $5, storage_provider = $6, is_active = $7,
            updated_at = $8
        where tenant_id = $1 and id = $2",
        tx.tenant().0,
        badge.id,
        badge.name,
        badge.description,
        badge.symbol_ref,
        badge.storage_provider,
        badge.is_active,
        badge.updated_at,
    )
    .execute(&mut **tx)
    .await
    .on_constraint("badge_name_unique", |_| taken())?;
    Ok(())
}

fn taken() -> http::Error {
    http::Error::conflict("duplicate_badge", "a badge of this name, kind and group is in use")
}
