//! Events: what happened, as receivers are told.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::store;
use crate::db::{self, Error, TenantTx};
use crate::foundation::{Mode, TenantId};

/// One line an event: adding one is adding its line and emitting it where it is caused.
macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// What kind of thing happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        #[schema(as = WebhookEvent)]
        pub enum EventType {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)*
        }

        impl EventType {
            const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word on the wire and in the database.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

event_types! {
    /// A deposit was accepted and waits for its turn.
    DepositQueued = "deposit.queued",
    /// A deposit is on its way to the chain.
    DepositSubmitted = "deposit.submitted",
    /// The customer's wallet has a deposit, for good.
    DepositSettled = "deposit.settled",
    /// A deposit failed: nothing moved.
    DepositFailed = "deposit.failed",
    /// A transfer was accepted and waits for its turn.
    TransferQueued = "transfer.queued",
    /// A transfer is on its way to the chain.
    TransferSubmitted = "transfer.submitted",
    /// The recipient's wallet has a transfer, for good.
    TransferSettled = "transfer.settled",
    /// A transfer failed: nothing moved.
    TransferFailed = "transfer.failed",
    /// A withdrawal was accepted and waits for its turn.
    WithdrawalPending = "withdrawal.pending",
    /// A withdrawal's tokens are on their way to the treasury.
    WithdrawalSubmitted = "withdrawal.submitted",
    /// The treasury has a withdrawal's tokens, for good.
    WithdrawalCryptoReceived = "withdrawal.crypto_received",
    /// The customer has a withdrawal's local money.
    WithdrawalCompleted = "withdrawal.completed",
    /// A withdrawal failed: the tokens never left the wallet.
    WithdrawalFailed = "withdrawal.failed",
    /// The network refused a withdrawal's local money.
    WithdrawalPayoutFailed = "withdrawal.payout_failed",
    /// The tokens of a withdrawal whose local money was refused are back in the wallet.
    WithdrawalRefunded = "withdrawal.refunded",
    /// A top-up's money has arrived and is credited.
    TopupConfirmed = "topup.confirmed",
    /// Somebody asked for a test of an endpoint, which alone is told.
    WebhookTest = "webhook.test",
}

impl EventType {
    /// The event of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|event| event.as_str() == word)
    }
}

/// What an event is about: an endpoint hears of one resource in the order of what happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource(String);

impl Resource {
    /// The resource of a kind (`deposit`) with an id.
    pub fn new(kind: &str, id: Uuid) -> Self {
        Self(format!("{kind}:{}", id.simple()))
    }

    /// The name in the database.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Whom it concerns.
    pub tenant: TenantId,
    /// What.
    pub event: EventType,
    /// About what.
    pub resource: Resource,
    /// Whether it is of a live key: `data.livemode`.
    pub mode: Mode,
    /// When.
    pub at: DateTime<Utc>,
    /// What receivers learn of it: an object.
    pub data: Value,
}

#[derive(Serialize)]
struct Body<'a> {
    event: EventType,
    timestamp: DateTime<Utc>,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    livemode: bool,
    #[serde(flatten)]
    rest: &'a Value,
}

impl NewEvent {
    /// The bytes that are signed and sent: `{event, timestamp, data}`.
    pub(super) fn body(&self) -> db::Result<String> {
        let data = Data { livemode: self.mode == Mode::Live, rest: &self.data };
        let body = Body { event: self.event, timestamp: self.at, data };
        serde_json::to_string(&body).map_err(|error| Error::Encode(error.into()))
    }
}

/// Tells the endpoints of the transaction's tenants that want to know, once the transaction is committed. Events of one
/// resource arrive in the order in which they are given.
pub async fn emit(tx: &mut TenantTx, events: &[NewEvent]) -> db::Result<()> {
    let Some(endpoints) = store::endpoints(tx, events.iter().map(|event| event.tenant)).await? else { return Ok(()) };
    insert(tx, &endpoints, events).await
}

/// The same for events of these tenants that are made only if one of them has an endpoint: most have none, and what is
/// told of a thousand deposits is worth more than a glance while their accounts are locked.
pub async fn emit_if_heard(
    tx: &mut TenantTx,
    tenants: impl Iterator<Item = TenantId>,
    events: impl FnOnce() -> Vec<NewEvent>,
) -> db::Result<()> {
    let Some(endpoints) = store::endpoints(tx, tenants).await? else { return Ok(()) };
    insert(tx, &endpoints, &events()).await
}

async fn insert(tx: &mut TenantTx, endpoints: &store::Endpoints, events: &[NewEvent]) -> db::Result<()> {
    let Some(wanted) = store::wanted(endpoints, events)? else { return Ok(()) };
    store::insert(tx, &wanted).await
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_event_timestamp_and_data() {
        let event = NewEvent {
            tenant: TenantId::new(),
            event: EventType::DepositQueued,
            resource: Resource::new("deposit", Uuid::nil()),
            mode: Mode::Test,
            at: DateTime::UNIX_EPOCH,
            data: serde_json::json!({"deposit_id": "dep_1"}),
        };
        let expected = r#"{"event":"deposit.queued","timestamp":"1970-01-01T00:00:00Z","data":{"livemode":false,"deposit_id":"dep_1"}}"#;
        assert_eq!(event.body().unwrap(), expected);
    }

    #[test]
    fn every_event_is_found_by_its_word() {
        for event in EventType::ALL {
            assert_eq!(EventType::from_word(event.as_str()), Some(*event));
            assert_eq!(serde_json::to_value(event).unwrap(), event.as_str());
        }
        assert_eq!(EventType::from_word("deposit"), None);
    }
}
