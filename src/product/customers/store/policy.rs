//! SQL of what tenants may do with customers.

use chrono::{DateTime, Utc};

use crate::db::{self, TenantTx};
use crate::product::customers::policy::Policy;

/// What the transaction's tenant may do.
pub async fn policy(tx: &mut TenantTx) -> db::Result<Policy> {
    let policy = sqlx::query_as!(
        Policy,
        "select onboarding, multi_wallet from customer_policy where tenant_id = $1",
        tx.tenant().0,
    );
    Ok(policy.fetch_optional(&mut **tx).await?.unwrap_or_default())
}

pub async fn set_policy(tx: &mut TenantTx, policy: Policy, now: DateTime<Utc>) -> db::Result<()> {
    sqlx::query!(
        "insert into customer_policy (tenant_id, onboarding, multi_wallet, changed_at) values ($1, $2, $3, $4)
        on conflict (tenant_id) do update set onboarding = excluded.onboarding, multi_wallet = excluded.multi_wallet,
            changed_at = excluded.changed_at",
        tx.tenant().0,
        policy.onboarding,
        policy.multi_wallet,
        now,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}
