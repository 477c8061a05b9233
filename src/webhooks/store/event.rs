//! Storing events with a delivery for each endpoint that wants them.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::NEWS;
use crate::db::{self, TenantTx};
use crate::foundation::TenantId;
use crate::webhooks::event::{EventType, NewEvent};

/// Events that somebody wants, and who.
pub struct Wanted<'a> {
    events: Vec<Stored<'a>>,
    /// Delivery, endpoint, and the place of the event in `events`.
    deliveries: Vec<(Uuid, Uuid, usize)>,
}

struct Stored<'a> {
    id: Uuid,
    new: &'a NewEvent,
    body: String,
}

struct Endpoint {
    id: Uuid,
    /// The words of those that it wants; all when absent.
    events: Option<Vec<String>>,
}

/// Tenants' endpoints, oldest first.
pub struct Endpoints(HashMap<Uuid, Vec<Endpoint>>);

/// The endpoints of these tenants; `None` when they have none.
pub async fn endpoints(tx: &mut TenantTx, tenants: impl Iterator<Item = TenantId>) -> db::Result<Option<Endpoints>> {
    let tenants: BTreeSet<Uuid> = tenants.map(|tenant| tenant.0).collect();
    if tenants.is_empty() {
        return Ok(None);
    }
    let rows = sqlx::query!(
        "select tenant_id, id, events from webhook_endpoint
        where tenant_id = any($1) and deleted_at is null order by id",
        &tenants.into_iter().collect::<Vec<_>>(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut endpoints: HashMap<Uuid, Vec<Endpoint>> = HashMap::new();
    for row in rows {
        endpoints.entry(row.tenant_id).or_default().push(Endpoint { id: row.id, events: row.events });
    }
    Ok((!endpoints.is_empty()).then_some(Endpoints(endpoints)))
}

/// Which of these events any of the endpoints wants; `None` when none.
pub fn wanted<'a>(Endpoints(endpoints): &Endpoints, events: &'a [NewEvent]) -> db::Result<Option<Wanted<'a>>> {
    let mut wanted = Wanted { events: Vec::new(), deliveries: Vec::new() };
    for new in events {
        let place = wanted.events.len();
        let before = wanted.deliveries.len();
        for endpoint in endpoints.get(&new.tenant.0).into_iter().flatten() {
            if endpoint.wants(new.event) {
                wanted.deliveries.push((Uuid::now_v7(), endpoint.id, place));
            }
        }
        if wanted.deliveries.len() > before {
            wanted.events.push(Stored { id: Uuid::now_v7(), new, body: new.body()? });
        }
    }
    Ok((!wanted.events.is_empty()).then_some(wanted))
}

impl Endpoint {
    fn wants(&self, event: EventType) -> bool {
        self.events.as_ref().is_none_or(|words| words.iter().any(|word| word == event.as_str()))
    }
}

/// Stores them in one statement, for locks of busy rows are held meanwhile; the workers wake when the transaction is
/// committed.
pub async fn insert(tx: &mut TenantTx, wanted: &Wanted<'_>) -> db::Result<()> {
    let Wanted { events, deliveries } = wanted;
    let rows: Vec<(&Uuid, &Uuid, &Stored<'_>)> = deliveries
        .iter()
        .filter_map(|(id, endpoint, place)| events.get(*place).map(|event| (id, endpoint, event)))
        .collect();
    // Deliveries in the order given: it is the order in which an endpoint hears of a resource.
    sqlx::query!(
        "with event as (
            insert into webhook_event (tenant_id, id, event, body)
            select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])
        ), delivery as (
            insert into webhook_delivery (tenant_id, id, endpoint_id, event_id, resource, event)
            select tenant_id, id, endpoint_id, event_id, resource, event
            from unnest($5::uuid[], $6::uuid[], $7::uuid[], $8::uuid[], $9::text[], $10::text[])
                with ordinality as d (tenant_id, id, endpoint_id, event_id, resource, event, ord)
            order by ord
        )
        select pg_notify($11, '')",
        &events.iter().map(|event| event.new.tenant.0).collect::<Vec<_>>(),
        &events.iter().map(|event| event.id).collect::<Vec<_>>(),
        &events.iter().map(|event| event.new.event.as_str()).collect::<Vec<_>>() as &[&str],
        &events.iter().map(|event| event.body.as_str()).collect::<Vec<_>>() as &[&str],
        &rows.iter().map(|(_, _, event)| event.new.tenant.0).collect::<Vec<_>>(),
        &rows.iter().map(|(id, _, _)| **id).collect::<Vec<_>>(),
        &rows.iter().map(|(_, endpoint, _)| **endpoint).collect::<Vec<_>>(),
        &rows.iter().map(|(_, _, event)| event.id).collect::<Vec<_>>(),
        &rows.iter().map(|(_, _, event)| event.new.resource.as_str()).collect::<Vec<_>>() as &[&str],
        &rows.iter().map(|(_, _, event)| event.new.event.as_str()).collect::<Vec<_>>() as &[&str],
        NEWS,
    )
    .fetch_one(&mut **tx)
    .await
    .map(drop)
}

/// Wakes the workers when the transaction is committed.
pub async fn notify(tx: &mut TenantTx) -> db::Result<()> {
    sqlx::query!("select pg_notify($1, '')", NEWS).execute(&mut **tx).await.map(drop)
}
