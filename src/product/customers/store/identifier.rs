//! SQL of what customers are known by as persons.

use uuid::Uuid;

use crate::db::{self, TenantTx};
use crate::foundation::{BlindIndex, Mode};

/// Customers of a mode who may be known by something of an earlier form, by their ids and after this one, `limit` at most.
pub async fn known_otherwise(tx: &mut TenantTx, mode: Mode, after: Option<Uuid>, limit: i64) -> db::Result<Vec<Uuid>> {
    let ids = sqlx::query_scalar!(
        "select customer_id from customer_profile
        where tenant_id = $1 and mode = $2 and kind = 'person' and identifiers_form = 1
            and customer_id > coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'::uuid)
        order by customer_id limit $4",
        tx.tenant().0,
        mode.as_str(),
        after,
        limit,
    );
    ids.fetch_all(&mut **tx).await
}

/// Makes these what a customer is found by as a person, in place of what they were found by before.
pub async fn set_identifiers(
    tx: &mut TenantTx,
    mode: Mode,
    customer: Uuid,
    identifiers: &[BlindIndex],
) -> db::Result<()> {
    let words: Vec<&str> = identifiers.iter().map(BlindIndex::as_str).collect();
    delete_others(tx, customer, &words).await?;
    // In one order, so that two who have several in common wait for each other and not in a circle.
    sqlx::query!(
        "insert into customer_identifier (tenant_id, mode, customer_id, index)
        select $1, $2, $3, index from unnest($4::text[]) as new (index) order by index
        on conflict (tenant_id, customer_id, index) do nothing",
        tx.tenant().0,
        mode.as_str(),
        customer,
        &words as &[&str],
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// The same as far as nobody else is known by them: two who were let in as two stay two.
pub async fn renew_identifiers(
    tx: &mut TenantTx,
    mode: Mode,
    customer: Uuid,
    identifiers: &[BlindIndex],
) -> db::Result<()> {
    let words: Vec<&str> = identifiers.iter().map(BlindIndex::as_str).collect();
    delete_others(tx, customer, &words).await?;
    let tenant = tx.tenant().0;
    sqlx::query!(
        "insert into customer_identifier (tenant_id, mode, customer_id, index)
        select $1, $2, $3, index from unnest($4::text[]) as new (index) order by index
        on conflict do nothing",
        tenant,
        mode.as_str(),
        customer,
        &words as &[&str],
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "update customer_profile set identifiers_form = 2 where tenant_id = $1 and customer_id = $2",
        tenant,
        customer,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Deletes all else that a customer was known by.
async fn delete_others(tx: &mut TenantTx, customer: Uuid, words: &[&str]) -> db::Result<()> {
    sqlx::query!(
        "delete from customer_identifier where tenant_id = $1 and customer_id = $2 and index <> all($3::text[])",
        tx.tenant().0,
        customer,
        words as &[&str],
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}
