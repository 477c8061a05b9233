//! SQL of who has which badge.

use alloy::primitives::Address;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::read_kind;
use crate::db::{self, Error, TenantTx};
use crate::foundation::Mode;
use crate::product::badges::{AssignedBadge, Badge, UserGroup};

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
        "insert into wallet_badge (tenant_id, id, mode, customer_id, wallet, token, financial_badge_id, created_at,
            updated_at)
        values ($1, $8, $2, $3, $4, $5, $6, $7, $7)
        on conflict on constraint wallet_badge_pkey do update set financial_badge_id = $6, updated_at = $7",
        tx.tenant().0,
        mode.as_str(),
        customer,
        wallet.as_slice(),
        token,
        badge,
        now,
        Uuid::now_v7(),
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

/// Who has, or had, a badge.
pub struct AssignmentRow {
    pub id: Uuid,
    pub customer_id: Uuid,
    pub mode: String,
    /// Of a financial badge, which wallet has it,
    pub wallet: Option<Vec<u8>>,
    /// and for which token.
    pub token: Option<String>,
    pub created_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// Up to `limit + 1` assignments of a badge, newest first, after the cursor.
pub async fn assignments(
    tx: &mut TenantTx,
    badge: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> db::Result<Vec<AssignmentRow>> {
    sqlx::query_as!(
        AssignmentRow,
        "select id, customer_id, mode, null::bytea as wallet, null::text as token, created_at, ended_at
        from badge_assignment
        where tenant_id = $1 and badge_id = $2 and ($3::uuid is null or id < $3)
        order by id desc limit $4",
        tx.tenant().0,
        badge,
        after,
        limit + 1,
    )
    .fetch_all(&mut **tx)
    .await
}

/// Up to `limit + 1` wallets that have a financial badge, after the cursor.
pub async fn wallets_with(
    tx: &mut TenantTx,
    badge: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> db::Result<Vec<AssignmentRow>> {
    sqlx::query_as!(
        AssignmentRow,
        r#"select id, customer_id, mode, wallet as "wallet?", token as "token?", updated_at as created_at,
            null::timestamptz as ended_at
        from wallet_badge
        where tenant_id = $1 and financial_badge_id = $2 and ($3::uuid is null or id < $3)
        order by id desc limit $4"#,
        tx.tenant().0,
        badge,
        after,
        limit + 1,
    )
    .fetch_all(&mut **tx)
    .await
}

/// Takes a badge from a customer whose row is locked; `false` when the customer does not have it.
pub async fn end(tx: &mut TenantTx, customer: Uuid, badge: Uuid, now: DateTime<Utc>) -> db::Result<bool> {
    let ended = sqlx::query!(
        "update badge_assignment set ended_at = greatest($4, created_at), updated_at = $4
        where tenant_id = $1 and customer_id = $2 and badge_id = $3 and ended_at is null",
        tx.tenant().0,
        customer,
        badge,
        now,
    );
    Ok(ended.execute(&mut **tx).await?.rows_affected() > 0)
}

/// Takes a financial badge from the wallets of a customer whose row is locked, or from one of them, for every token or for
/// one; `false` when none has it.
pub async fn take_from_wallets(
    tx: &mut TenantTx,
    customer: Uuid,
    badge: Uuid,
    wallet: Option<Address>,
    token: Option<&str>,
) -> db::Result<bool> {
    let taken = sqlx::query!(
        "delete from wallet_badge where tenant_id = $1 and customer_id = $2 and financial_badge_id = $3
            and ($4::bytea is null or wallet = $4) and ($5::text is null or token = $5)",
        tx.tenant().0,
        customer,
        badge,
        wallet.as_ref().map(|wallet| wallet.as_slice()),
        token,
    );
    Ok(taken.execute(&mut **tx).await?.rows_affected() > 0)
}

/// Removes the badges of all of a customer's addresses but that of the wallet that is ours.
pub async fn forget_external(tx: &mut TenantTx, customer: Uuid) -> db::Result<()> {
    sqlx::query!(
        "delete from wallet_badge b where tenant_id = $1 and customer_id = $2 and not exists (
            select from wallet w where w.tenant_id = b.tenant_id and w.customer_id = b.customer_id
                and w.address = b.wallet and w.kind = 'smart')",
        tx.tenant().0,
        customer,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Notes whether a customer has a badge still.
pub async fn reckon(tx: &mut TenantTx, customer: Uuid) -> db::Result<()> {
    sqlx::query!(
        "update customer c set is_badged =
            exists (select from badge_assignment a
                where a.tenant_id = c.tenant_id and a.customer_id = c.id and a.ended_at is null)
            or exists (select from wallet_badge w where w.tenant_id = c.tenant_id and w.customer_id = c.id)
        where c.tenant_id = $1 and c.id = $2",
        tx.tenant().0,
        customer,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Of which mode a customer is; `None` when there is no such customer. It stays locked until the transaction ends.
pub async fn mode_of(tx: &mut TenantTx, customer: Uuid) -> db::Result<Option<Mode>> {
    let mode = sqlx::query_scalar!(
        "select mode from customer where tenant_id = $1 and id = $2 for no key update",
        tx.tenant().0,
        customer,
    );
    let mode = mode.fetch_optional(&mut **tx).await?;
    mode.map(|word| Mode::from_word(&word).ok_or_else(|| Error::Decode(format!("{word} is no mode").into())))
        .transpose()
}

/// Whose badges a customer can have; `None` when there is no such customer.
pub async fn group_of(tx: &mut TenantTx, customer: Uuid) -> db::Result<Option<UserGroup>> {
    let group = sqlx::query_scalar!(
        r#"select user_group as "user_group!" from customer_standing where tenant_id = $1 and customer_id = $2"#,
        tx.tenant().0,
        customer,
    );
    let group = group.fetch_optional(&mut **tx).await?;
    group
        .map(|word| UserGroup::from_word(&word).ok_or_else(|| Error::Decode(format!("{word} is no user group").into())))
        .transpose()
}

/// Whether a wallet is a customer's.
pub async fn has_wallet(tx: &mut TenantTx, customer: Uuid, wallet: Address) -> db::Result<bool> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from wallet where tenant_id = $1 and customer_id = $2 and address = $3) as "found!""#,
        tx.tenant().0,
        customer,
        wallet.as_slice(),
    );
    found.fetch_one(&mut **tx).await
}
