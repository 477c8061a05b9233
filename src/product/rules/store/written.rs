//! SQL of rules as operators write them.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{self, TenantTx};
use crate::product::badges::Kind;
use crate::product::rules::book::Version;

/// A version that is to be written.
pub struct NewVersion {
    pub badge: Uuid,
    pub kind: Kind,
    pub rule: Uuid,
    /// Whether the rule is new; otherwise it follows what is there.
    pub is_first: bool,
    pub expression: String,
    pub error_code: String,
    pub error_type: String,
    pub message: String,
    pub created_by: String,
    pub starts_at: DateTime<Utc>,
    pub ends_at: Option<DateTime<Utc>>,
    pub at: DateTime<Utc>,
}

/// Writes a version of a rule of a badge that nobody else changes meanwhile; which one it is, or `None` when it should
/// follow one and there is none.
pub async fn insert(tx: &mut TenantTx, new: &NewVersion) -> db::Result<Option<i32>> {
    let inserted = sqlx::query_scalar!(
        "insert into badge_rule (tenant_id, id, version, badge_id, kind, expression, error_code, error_type, message,
            is_default, created_by, starts_at, ends_at, created_at, updated_at)
        select $1, $2, last.version + 1, $3, $4, $5, $6, $7, $8, false, $9, $10, $11, $12, $12
        from (
            select coalesce(max(version), 0) as version from badge_rule
            where tenant_id = $1 and badge_id = $3 and id = $2
        ) last
        where (last.version = 0) = $13
        returning version",
        tx.tenant().0,
        new.rule,
        new.badge,
        new.kind.as_str(),
        new.expression,
        new.error_code,
        new.error_type,
        new.message,
        new.created_by,
        new.starts_at,
        new.ends_at,
        new.at,
        new.is_first,
    );
    inserted.fetch_optional(&mut **tx).await
}

/// One version of a rule.
pub async fn find(tx: &mut TenantTx, rule: Uuid, version: i32, at: DateTime<Utc>) -> db::Result<Option<Version>> {
    sqlx::query_as!(
        Version,
        r#"select r.id, r.version, r.badge_id, r.expression, r.error_code, r.error_type, r.message, r.is_default,
            r.created_by, r.starts_at, r.ends_at, r.inactive_at, r.created_at, r.updated_at,
            exists (
                select from badge_rule later where later.tenant_id = r.tenant_id and later.id = r.id
                    and later.version > r.version and later.starts_at <= $4
                    and (later.ends_at is null or later.ends_at > $4)
                    and (later.inactive_at is null or later.inactive_at > $4)
            ) as "is_superseded!"
        from badge_rule r
        where r.tenant_id = $1 and r.id = $2 and r.version = $3"#,
        tx.tenant().0,
        rule,
        version,
        at,
    )
    .fetch_optional(&mut **tx)
    .await
}

/// Every version of every rule of a badge: newest rules first, of each the newest version first.
pub async fn of_badge(tx: &mut TenantTx, badge: Uuid, at: DateTime<Utc>) -> db::Result<Vec<Version>> {
    sqlx::query_as!(
        Version,
        r#"select r.id, r.version, r.badge_id, r.expression, r.error_code, r.error_type, r.message, r.is_default,
            r.created_by, r.starts_at, r.ends_at, r.inactive_at, r.created_at, r.updated_at,
            exists (
                select from badge_rule later where later.tenant_id = r.tenant_id and later.id = r.id
                    and later.version > r.version and later.starts_at <= $3
                    and (later.ends_at is null or later.ends_at > $3)
                    and (later.inactive_at is null or later.inactive_at > $3)
            ) as "is_superseded!"
        from badge_rule r
        where r.tenant_id = $1 and r.badge_id = $2
        order by min(r.created_at) over (partition by r.id) desc, r.error_code, r.id, r.version desc
        limit 1000"#,
        tx.tenant().0,
        badge,
        at,
    )
    .fetch_all(&mut **tx)
    .await
}

/// The expressions of the tenant's rules in which this word stands, of versions that count or may count: those that no
/// later one replaces for good.
pub async fn expressions_with(tx: &mut TenantTx, word: &str, at: DateTime<Utc>) -> db::Result<Vec<String>> {
    let expressions = sqlx::query_scalar!(
        "select distinct r.expression from badge_rule r
        where r.tenant_id = $1 and strpos(r.expression, $2) > 0
            and (r.ends_at is null or r.ends_at > $3) and (r.inactive_at is null or r.inactive_at > $3)
            and not exists (
                select from badge_rule later where later.tenant_id = r.tenant_id and later.id = r.id
                    and later.version > r.version and later.starts_at <= $3 and later.ends_at is null
                    and later.inactive_at is null)
        order by r.expression",
        tx.tenant().0,
        word,
        at,
    );
    expressions.fetch_all(&mut **tx).await
}

pub async fn retire(tx: &mut TenantTx, badge: Uuid, rule: Uuid, at: DateTime<Utc>) -> db::Result<bool> {
    let retired = sqlx::query!(
        "update badge_rule set inactive_at = $4, updated_at = $4
        where tenant_id = $1 and badge_id = $2 and id = $3 and inactive_at is null",
        tx.tenant().0,
        badge,
        rule,
        at,
    );
    Ok(retired.execute(&mut **tx).await?.rows_affected() > 0)
}
