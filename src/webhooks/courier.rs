//! One delivery, once: what is sent, and what became of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::time::sleep;

use super::EVENT_ID;
use super::schedule::pause_after;
use super::secret::{Secret, signatures};
use super::store::{self, Claimed, Finished};
use super::transport::{Message, Outcome, TIME_LIMIT, Transport};
use super::worker::LEASE;
use crate::db::{Db, TenantTx};
use crate::foundation::{Clock, DataKey, FailPoint, PublicId, Sealed};
use crate::http::Result;

/// An endpoint whose answer took longer is in trouble.
const SLOW: Duration = Duration::from_secs(2);

/// How often the outcome is written before it is left to the lease.
const WRITES: u32 = 3;

/// Opens the keys under which tenants' secrets are sealed.
#[async_trait]
pub trait Keyring: Send + Sync + 'static {
    /// The key of the transaction's tenant.
    async fn key(&self, tx: &mut TenantTx) -> Result<DataKey>;
}

/// Carries deliveries to their endpoints.
pub struct Courier {
    db: Db,
    clock: Clock,
    keys: Arc<dyn Keyring>,
    transport: Transport,
}

impl Courier {
    pub fn new(db: Db, clock: Clock, keys: impl Keyring, transport: Transport) -> Self {
        Self { db, clock, keys: Arc::new(keys), transport }
    }

    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Makes the attempt and writes what became of it.
    pub async fn deliver(&self, claimed: Claimed, claimed_at: Instant) {
        let started_at = self.clock.now();
        let message = match self.message(&claimed).await {
            Ok(Some(message)) => Ok(message),
            Ok(None) => return,
            Err(error) => {
                tracing::error!(delivery = %claimed.id, tenant = %claimed.tenant, %error, "a webhook cannot be signed");
                Err(Outcome::not_sent("an error on our side"))
            }
        };
        // Whoever was paused for long leaves it to those who took it over meanwhile.
        if claimed_at.elapsed() + TIME_LIMIT >= LEASE {
            return;
        }
        let outcome = match message {
            Ok(message) => self.transport.send(message).await,
            Err(not_sent) => not_sent,
        };
        FailPoint::WebhookSent.reached();
        report(&claimed, &outcome);
        let pause = pause_after(claimed.attempt);
        let finished = Finished { claimed, started_at, outcome, pause, slow: SLOW };
        for _ in 0..WRITES {
            match self.finish(&finished).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(delivery = %claimed.id, %error, "what became of a webhook was not written");
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// The signed message; `None` when the endpoint was deleted, and the delivery given up.
    async fn message(&self, claimed: &Claimed) -> Result<Option<Message>> {
        let now = self.clock.now();
        let mut tx = self.db.tenant(claimed.tenant).begin().await?;
        let Some(parcel) = store::parcel(&mut tx, claimed.id, now).await? else {
            store::abandon(&mut tx, claimed.id).await?;
            tx.commit().await?;
            return Ok(None);
        };
        let key = self.keys.key(&mut tx).await?;
        tx.commit().await?;
        let open = |(id, sealed)| Secret::open(&key, claimed.tenant, id, &Sealed(sealed));
        let secrets = parcel.secrets.into_iter().map(open).collect::<std::result::Result<Vec<_>, _>>()?;
        let id = PublicId::format(EVENT_ID, parcel.event_id);
        let timestamp = now.timestamp();
        let signatures = signatures(&secrets, &id, timestamp, &parcel.body);
        Ok(Some(Message { url: parcel.url, id, timestamp, signatures, body: parcel.body }))
    }

    async fn finish(&self, finished: &Finished) -> Result<()> {
        let claimed = &finished.claimed;
        let mut tx = self.db.tenant(claimed.tenant).begin().await?;
        let ours = store::finish(&mut tx, finished).await?;
        tx.commit().await?;
        if !ours {
            tracing::info!(delivery = %claimed.id, "somebody else has taken this webhook over, or it is over");
        }
        Ok(())
    }
}

/// Neither the URL nor a body: both may hold secrets.
fn report(claimed: &Claimed, outcome: &Outcome) {
    let result = if outcome.is_delivered() { "delivered" } else { "failed" };
    metrics::counter!("diolkos_webhook_attempts_total", "outcome" => result).increment(1);
    metrics::histogram!("diolkos_webhook_attempt_seconds").record(outcome.duration);
    tracing::debug!(delivery = %claimed.id, endpoint = %claimed.endpoint, tenant = %claimed.tenant,
        attempt = claimed.attempt, status = outcome.status_code, duration = ?outcome.duration, result, "webhook");
}
