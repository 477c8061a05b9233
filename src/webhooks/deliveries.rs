//! Deliveries that a tenant asks for: a test, and another one of what was sent before.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::event::{EventType, NewEvent, Resource};
use super::store::{self, Replay};
use crate::db::{self, TenantTx};
use crate::foundation::Mode;

/// A delivery that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// It goes out once the transaction is committed.
    New {
        /// The delivery.
        delivery: Uuid,
        /// The event that it tells of.
        event: Uuid,
    },
    /// There is no such delivery.
    Unknown,
    /// The event is on its way to that endpoint already.
    Pending,
    /// The endpoint was deleted.
    NoEndpoint,
}

/// Sends a `webhook.test` to one endpoint of the transaction's tenant, whichever events it wants.
pub async fn enqueue_test(tx: &mut TenantTx, endpoint: Uuid, now: DateTime<Utc>) -> db::Result<Enqueued> {
    let event = NewEvent {
        tenant: tx.tenant(),
        event: EventType::WebhookTest,
        resource: Resource::new("test", Uuid::now_v7()),
        mode: Mode::Test,
        at: now,
        data: json!({"message": "This endpoint is reached."}),
    };
    let (delivery, event) = store::insert_test(tx, endpoint, &event).await?;
    Ok(Enqueued::New { delivery, event })
}

/// Sends the event of a delivery of the transaction's tenant to its endpoint again, under the same `webhook-id`.
pub async fn enqueue_replay(tx: &mut TenantTx, delivery: Uuid) -> db::Result<Enqueued> {
    let Some(replay) = Replay::of(tx, delivery).await? else { return Ok(Enqueued::Unknown) };
    if replay.endpoint_is_deleted {
        return Ok(Enqueued::NoEndpoint);
    }
    if replay.is_pending {
        return Ok(Enqueued::Pending);
    }
    let stored = store::insert_replay(tx, &replay).await?;
    Ok(stored.map_or(Enqueued::Pending, |delivery| Enqueued::New { delivery, event: replay.event_id }))
}
