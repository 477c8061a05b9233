//! SQL of papers.

use uuid::Uuid;

use crate::db::{self, TenantTx};
use crate::foundation::{Mode, Sealed};

/// A paper to be stored.
pub struct Kept {
    pub id: Uuid,
    pub media_type: &'static str,
    /// Bytes before sealing.
    pub size: i32,
    pub content: Sealed,
}

pub async fn insert_documents(tx: &mut TenantTx, mode: Mode, customer: Uuid, papers: &[Kept]) -> db::Result<()> {
    sqlx::query!(
        "insert into customer_document (tenant_id, id, customer_id, mode, media_type, size, content)
        select $1, id, $2, $3, media_type, size, content
        from unnest($4::uuid[], $5::text[], $6::int[], $7::bytea[]) as p (id, media_type, size, content)",
        tx.tenant().0,
        customer,
        mode.as_str(),
        &papers.iter().map(|paper| paper.id).collect::<Vec<_>>(),
        &papers.iter().map(|paper| paper.media_type).collect::<Vec<_>>() as &[&str],
        &papers.iter().map(|paper| paper.size).collect::<Vec<_>>(),
        &papers.iter().map(|paper| paper.content.0.clone()).collect::<Vec<_>>(),
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// A paper that the document store does not have yet: `None` when there is no such paper, nothing inside when the store
/// has it.
pub async fn waiting_document(tx: &mut TenantTx, id: Uuid) -> db::Result<Option<Option<Vec<u8>>>> {
    let row = sqlx::query_scalar!(
        "select content from customer_document where tenant_id = $1 and id = $2",
        tx.tenant().0,
        id,
    );
    row.fetch_optional(&mut **tx).await
}

/// The document store has a paper; `false` when it is no longer anybody's.
pub async fn mark_stored(tx: &mut TenantTx, id: Uuid) -> db::Result<bool> {
    let updated = sqlx::query!(
        "update customer_document set content = null, stored_at = now()
        where tenant_id = $1 and id = $2 and content is not null",
        tx.tenant().0,
        id,
    )
    .execute(&mut **tx)
    .await?
    .rows_affected();
    Ok(updated > 0 || waiting_document(tx, id).await?.is_some())
}

/// Of these papers of a customer id, media type and the sealed bytes as far as they are here.
pub async fn documents_of(
    tx: &mut TenantTx,
    customer: Uuid,
    wanted: &[Uuid],
) -> db::Result<Vec<(Uuid, String, Option<Vec<u8>>)>> {
    let rows = sqlx::query!(
        "select id, media_type, content from customer_document
        where tenant_id = $1 and customer_id = $2 and id = any($3::uuid[]) order by id",
        tx.tenant().0,
        customer,
        wanted,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.media_type, row.content)).collect())
}

/// A paper that was removed.
pub struct Deleted {
    pub id: Uuid,
    /// Whether the document store has it.
    pub was_stored: bool,
}

/// Removes a customer's papers.
pub async fn delete_documents(tx: &mut TenantTx, customer: Uuid) -> db::Result<Vec<Deleted>> {
    let deleted = sqlx::query_as!(
        Deleted,
        r#"delete from customer_document where tenant_id = $1 and customer_id = $2
        returning id, stored_at is not null as "was_stored!""#,
        tx.tenant().0,
        customer,
    );
    deleted.fetch_all(&mut **tx).await
}

/// Removes those of a customer's papers that nothing names, but for the newest `kept`.
pub async fn delete_oldest_documents(
    tx: &mut TenantTx,
    customer: Uuid,
    named: &[Uuid],
    kept: i64,
) -> db::Result<Vec<Deleted>> {
    let deleted = sqlx::query_as!(
        Deleted,
        r#"delete from customer_document where tenant_id = $1 and id in (
            select id from customer_document where tenant_id = $1 and customer_id = $2 and id <> all($3::uuid[])
            order by id desc offset $4)
        returning id, stored_at is not null as "was_stored!""#,
        tx.tenant().0,
        customer,
        named,
        kept,
    );
    deleted.fetch_all(&mut **tx).await
}
