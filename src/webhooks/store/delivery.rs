//! Deliveries that somebody asks for, and forgetting old ones.

use std::time::Duration;

use sqlx::postgres::types::PgInterval;
use uuid::Uuid;

use super::event::notify;
use crate::db::{self, Db, TenantTx};
use crate::webhooks::event::NewEvent;

/// A delivery that is to be sent once more.
pub struct Replay {
    pub endpoint: Uuid,
    pub event_id: Uuid,
    pub event: String,
    pub is_pending: bool,
    pub endpoint_is_deleted: bool,
}

/// Stores a test event for one endpoint of the transaction's tenant: the ids of the delivery and of the event.
pub async fn insert_test(tx: &mut TenantTx, endpoint: Uuid, event: &NewEvent) -> db::Result<(Uuid, Uuid)> {
    let (id, event_id, tenant) = (Uuid::now_v7(), Uuid::now_v7(), tx.tenant().0);
    sqlx::query!(
        "insert into webhook_event (tenant_id, id, event, body) values ($1, $2, $3, $4)",
        tenant,
        event_id,
        event.event.as_str(),
        event.body()?,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "insert into webhook_delivery (tenant_id, id, endpoint_id, event_id, resource, event)
        values ($1, $2, $3, $4, $5, $6)",
        tenant,
        id,
        endpoint,
        event_id,
        event.resource.as_str(),
        event.event.as_str(),
    )
    .execute(&mut **tx)
    .await?;
    notify(tx).await?;
    Ok((id, event_id))
}

impl Replay {
    /// The delivery of the transaction's tenant that is to be repeated.
    pub async fn of(tx: &mut TenantTx, delivery: Uuid) -> db::Result<Option<Self>> {
        sqlx::query_as!(
            Self,
            r#"select d.endpoint_id as endpoint, d.event_id, d.event, e.deleted_at is not null as "endpoint_is_deleted!",
                exists (select from webhook_delivery p
                    where p.tenant_id = d.tenant_id and p.endpoint_id = d.endpoint_id and p.event_id = d.event_id
                        and p.status = 'pending') as "is_pending!"
            from webhook_delivery d
            join webhook_endpoint e on e.tenant_id = d.tenant_id and e.id = d.endpoint_id
            where d.tenant_id = $1 and d.id = $2"#,
            tx.tenant().0,
            delivery,
        )
        .fetch_optional(&mut **tx)
        .await
    }
}

/// Stores the repetition, as a delivery of a resource of its own; `None` when somebody else just did.
pub async fn insert_replay(tx: &mut TenantTx, replay: &Replay) -> db::Result<Option<Uuid>> {
    let id = Uuid::now_v7();
    let stored = sqlx::query!(
        "insert into webhook_delivery (tenant_id, id, endpoint_id, event_id, resource, event)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (tenant_id, endpoint_id, event_id) where status = 'pending' do nothing",
        tx.tenant().0,
        id,
        replay.endpoint,
        replay.event_id,
        format!("replay:{}", id.simple()),
        replay.event,
    )
    .execute(&mut **tx)
    .await?;
    notify(tx).await?;
    Ok((stored.rows_affected() > 0).then_some(id))
}

/// Forgets events older than this with their deliveries, and endpoints deleted before that; returns how many events.
pub async fn purge(db: &Db, age: Duration) -> db::Result<u64> {
    let age = PgInterval { months: 0, days: 0, microseconds: i64::try_from(age.as_micros()).unwrap_or(i64::MAX) };
    let mut purged = 0;
    loop {
        let mut tx = db.engine().await?;
        // An event that is still on its way is waited for; whoever sends it holds no lock.
        let batch = sqlx::query!(
            "delete from webhook_event e using (
                select tenant_id, id from webhook_event where created_at < now() - $1::interval
                    and not exists (select from webhook_delivery d where d.tenant_id = webhook_event.tenant_id
                        and d.event_id = webhook_event.id and d.status = 'pending')
                order by created_at limit 1000
            ) old where e.tenant_id = old.tenant_id and e.id = old.id",
            &age,
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        sqlx::query!(
            "delete from webhook_endpoint e where deleted_at < now() - $1::interval
                and not exists (select from webhook_delivery d
                    where d.tenant_id = e.tenant_id and d.endpoint_id = e.id)",
            &age,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        purged += batch;
        if batch < 1000 {
            return Ok(purged);
        }
    }
}
