//! SQL of badges and of who has them.

use alloy::primitives::Address;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{AssignedBadge, Badge, Kind, LinkedToken, UserGroup};
use crate::db::{self, Error, TenantTx};
use crate::foundation::Mode;

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

/// Locks a customer and notes that it has a badge; `false` when there is no such customer of the mode.
pub async fn mark_badged(tx: &mut TenantTx, mode: Mode, customer: Uuid) -> db::Result<bool> {
    let marked = sqlx::query!(
        "update customer set is_badged = true where tenant_id = $1 and id = $2 and mode = $3",
        tx.tenant().0,
        customer,
        mode.as_str(),
    );
    Ok(marked.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Ends what identification badge a customer has, unless it is this one.
pub async fn end_identification(tx: &mut TenantTx, customer: Uuid, keep: Uuid, now: DateTime<Utc>) -> db::Result<()> {
    sqlx::query!(
        "update badge_assignment set ended_at = greatest($4, created_at), updated_at = $4
        where tenant_id = $1 and customer_id = $2 and kind = 'IDENTIFICATION' and ended_at is null and badge_id <> $3",
        tx.tenant().0,
        customer,
        keep,
        now,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Gives a customer a badge, unless it has it.
pub async fn assign(
    tx: &mut TenantTx,
    mode: Mode,
    customer: Uuid,
    badge: &Badge,
    now: DateTime<Utc>,
) -> db::Result<()> {
    sqlx::query!(
        "insert into badge_assignment (tenant_id, id, mode, customer_id, badge_id, kind, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $7)
        on conflict (tenant_id, customer_id, badge_id) where ended_at is null do nothing",
        tx.tenant().0,
        Uuid::now_v7(),
        mode.as_str(),
        customer,
        badge.id,
        badge.kind.as_str(),
        now,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Gives a customer's wallet a financial badge for a token in place of the one that it has.
pub async fn assign_to_wallet(
    tx: &mut TenantTx,
    mode: Mode,
    customer: Uuid,
    wallet: Address,
    token: &str,
    badge: Uuid,
    now: DateTime<Utc>,
) -> db::Result<()> {
    sqlx::query!(
        "insert into wallet_badge (tenant_id, mode, customer_id, wallet, token, financial_badge_id, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $7)
        on conflict on constraint wallet_badge_pkey do update set financial_badge_id = $6, updated_at = $7",
        tx.tenant().0,
        mode.as_str(),
        customer,
        wallet.as_slice(),
        token,
        badge,
        now,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// The badges that a customer has and has had, newest first, without their tokens.
pub async fn of_customer(tx: &mut TenantTx, customer: Uuid) -> db::Result<Vec<AssignedBadge>> {
    let rows = sqlx::query!(
        "select a.badge_id, b.name, b.kind, a.created_at, a.updated_at, a.ended_at
        from badge_assignment a
        join badge b on b.tenant_id = a.tenant_id and b.id = a.badge_id
        where a.tenant_id = $1 and a.customer_id = $2
        order by a.created_at desc, a.id desc limit 1000",
        tx.tenant().0,
        customer,
    )
    .fetch_all(&mut **tx)
    .await?;
    let assigned = rows.into_iter().map(|row| {
        Ok(AssignedBadge {
            badge_id: row.badge_id,
            name: row.name,
            kind: read_kind(&row.kind)?,
            created_at: row.created_at,
            updated_at: row.updated_at,
            ended_at: row.ended_at,
            tokens: Vec::new(),
        })
    });
    assigned.collect()
}

/// The links of these identification badges, each with its badge's id, in the order of tokens.
pub async fn linked_tokens(tx: &mut TenantTx, badges: &[Uuid]) -> db::Result<Vec<(Uuid, LinkedToken)>> {
    let rows = sqlx::query!(
        r#"select l.identification_badge_id as badge, l.id, l.token, f.id as "financial_id?", f.name as "financial_name?"
        from badge_link l
        left join badge f on f.tenant_id = l.tenant_id
            and f.id = coalesce(l.custom_financial_badge_id, l.financial_badge_id)
        where l.tenant_id = $1 and l.identification_badge_id = any($2)
        order by l.token"#,
        tx.tenant().0,
        badges,
    )
    .fetch_all(&mut **tx)
    .await?;
    let links = rows.into_iter().map(|row| {
        let link = LinkedToken {
            id: row.id,
            token: row.token,
            financial_badge_id: row.financial_id,
            financial_badge_name: row.financial_name,
        };
        (row.badge, link)
    });
    Ok(links.collect())
}
