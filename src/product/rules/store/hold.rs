//! Locks of customers whose money is about to move.
//!
//! Who is to move a customer's money waits here for those who do, so that each counts what the other has accepted. Rows
//! are waited for in one order whoever asks.

use std::collections::HashMap;

use uuid::Uuid;

use crate::db::{self, TenantTx};
use crate::foundation::TenantId;

/// How long many customers' movements wait for some of them. What holds a customer is over in milliseconds, unless it waits
/// for something itself.
const BRIEFLY: &str = "savepoint held; set local statement_timeout = '500ms'";
const AS_EVER: &str = "release held";
const UNDO: &str = "rollback to held; release held";
/// `query_canceled` (PostgreSQL, appendix A).
const CANCELED: &str = "57014";

/// Customers that are locked, and whether they are barred now that nobody can change it.
pub type Held = HashMap<(TenantId, Uuid), bool>;

/// Locks these customers until the transaction ends.
pub async fn hold(tx: &mut TenantTx, customers: &[(TenantId, Uuid)]) -> db::Result<Held> {
    if customers.is_empty() {
        return Ok(Held::new());
    }
    let (tenants, customers) = columns(customers);
    let rows = sqlx::query!(
        "select c.tenant_id, c.id, c.is_barred from unnest($1::uuid[], $2::uuid[]) as i (tenant_id, id)
        join customer c on c.tenant_id = i.tenant_id and c.id = i.id
        order by c.tenant_id, c.id for no key update of c",
        &tenants,
        &customers,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| ((TenantId(row.tenant_id), row.id), row.is_barred)).collect())
}

/// The same without those who are not to be had for longer than others should wait.
pub async fn hold_briefly(tx: &mut TenantTx, customers: &[(TenantId, Uuid)]) -> db::Result<Held> {
    if customers.is_empty() {
        return Ok(Held::new());
    }
    sqlx::raw_sql(BRIEFLY).execute(&mut **tx).await?;
    match hold(tx, customers).await {
        Ok(held) => {
            sqlx::raw_sql(AS_EVER).execute(&mut **tx).await?;
            sqlx::raw_sql(db::LIMITS).execute(&mut **tx).await?;
            Ok(held)
        }
        // Nothing is locked any more, so that nobody who waits for one of these is waited for.
        Err(db::Error::Database(refused)) if refused.code().as_deref() == Some(CANCELED) => {
            sqlx::raw_sql(UNDO).execute(&mut **tx).await?;
            hold_free(tx, customers).await
        }
        Err(error) => Err(error),
    }
}

/// Those of them whom nobody else has locked.
async fn hold_free(tx: &mut TenantTx, customers: &[(TenantId, Uuid)]) -> db::Result<Held> {
    let (tenants, customers) = columns(customers);
    let rows = sqlx::query!(
        "select c.tenant_id, c.id, c.is_barred from unnest($1::uuid[], $2::uuid[]) as i (tenant_id, id)
        join customer c on c.tenant_id = i.tenant_id and c.id = i.id
        order by c.tenant_id, c.id for no key update of c skip locked",
        &tenants,
        &customers,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| ((TenantId(row.tenant_id), row.id), row.is_barred)).collect())
}

fn columns(customers: &[(TenantId, Uuid)]) -> (Vec<Uuid>, Vec<Uuid>) {
    customers.iter().map(|(tenant, customer)| (tenant.0, *customer)).unzip()
}
