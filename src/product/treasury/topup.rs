//! Top-ups: money that a tenant has paid in.

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::audit::VerifyLedger;
use super::store;
use crate::db::{Db, TenantTx};
use crate::foundation::{Amount, PublicId, TenantId};
use crate::http::{Error, Result};
use crate::jobs::Jobs;
use crate::ledger::{self, AccountKind, Outcome, Posting};

/// The ledger's reason for a top-up's transfer.
pub(super) const REASON: &str = "topup";

const ID: &str = "topup";

/// Where a top-up stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = TopupStatus)]
pub enum Status {
    /// Reported by the tenant; nobody has seen the money yet.
    Pending,
    /// The money has arrived and is credited.
    Confirmed,
}

impl Status {
    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Confirmed => "CONFIRMED",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        [Self::Pending, Self::Confirmed].into_iter().find(|status| status.as_str() == word)
    }
}

/// Money that a tenant says it has paid in.
#[derive(Clone, Debug)]
pub struct NewTopup {
    /// The token that is to be credited, by its symbol.
    pub token: String,
    /// How much, in the token's base units.
    pub amount: Amount,
    /// Settlement id, bank reference or transaction hash; unique among the tenant's top-ups.
    pub reference: String,
    /// Whatever the tenant wants to remember.
    pub note: Option<String>,
}

/// A top-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topup {
    /// Its id, which its transfer bears as well.
    pub id: Uuid,
    /// The token, by its symbol.
    pub token: String,
    /// How much, in the token's base units.
    pub amount: Amount,
    /// What the tenant knows it by.
    pub reference: String,
    /// What the tenant wants to remember.
    pub note: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// When it was reported.
    pub created_at: DateTime<Utc>,
    /// When it was confirmed.
    pub confirmed_at: Option<DateTime<Utc>>,
}

impl Topup {
    /// The id as callers see it, `topup_0197…`.
    pub fn public_id(&self) -> String {
        PublicId::format(ID, self.id)
    }
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requested {
    /// It waits for confirmation.
    New(Topup),
    /// A top-up with this reference exists.
    Duplicate(Topup),
}

/// Who says that the money has arrived.
#[derive(Clone, Debug)]
pub enum ConfirmedBy {
    /// An operator, or the server itself while it sets up a development database.
    Operator,
    /// A super admin of the tenant, by the token's subject.
    SuperAdmin(String),
}

/// A tenant's treasury.
pub struct Treasury;

impl Treasury {
    /// Notes that the transaction's tenant has paid money in. Nothing is credited until it is confirmed.
    pub async fn request(tx: &mut TenantTx, new: NewTopup, now: DateTime<Utc>) -> Result<Requested> {
        let topup = Topup {
            id: Uuid::now_v7(),
            token: new.token,
            amount: new.amount,
            reference: new.reference,
            note: new.note,
            status: Status::Pending,
            created_at: now.trunc_subsecs(6),
            confirmed_at: None,
        };
        if store::insert(tx, &topup).await? {
            return Ok(Requested::New(topup));
        }
        let known = store::find_by_reference(tx, &topup.reference).await?;
        let known = known.ok_or_else(|| Error::internal("a top-up is there and cannot be found"))?;
        Ok(Requested::Duplicate(known))
    }

    /// Credits a top-up of the transaction's tenant, once however often and by however many it is asked at once; has
    /// the books verified. `None` when the tenant has no such top-up.
    pub async fn confirm(tx: &mut TenantTx, id: Uuid, by: &ConfirmedBy, now: DateTime<Utc>) -> Result<Option<Topup>> {
        let by = match by {
            ConfirmedBy::Operator => "operator".to_owned(),
            ConfirmedBy::SuperAdmin(subject) => format!("user:{subject}"),
        };
        // Whoever comes at the same time waits for this row and then finds it confirmed.
        let Some(topup) = store::confirm(tx, id, &by, now).await? else {
            return Ok(store::find(tx, id).await?);
        };
        let tenant = tx.tenant();
        let posting = Posting {
            tenant,
            id: topup.id,
            debit: AccountKind::Funding,
            credit: AccountKind::Treasury,
            token: topup.token.clone(),
            amount: topup.amount,
            reason: REASON,
            reference: format!("{REASON}:{}", topup.id),
        };
        match ledger::post(tx, &[posting]).await.map_err(Error::internal)?.as_slice() {
            [Outcome::Accepted] => {}
            other => return Err(Error::internal(format!("top-up {id} is not credited but {other:?}"))),
        }
        Jobs::enqueue(tx, &VerifyLedger { tenant }).await?;
        Ok(Some(topup))
    }

    /// Whose top-up this is.
    pub async fn owner(db: &Db, id: Uuid) -> Result<Option<TenantId>> {
        let mut tx = db.engine().await?;
        let owner = store::owner(&mut tx, id).await?;
        tx.commit().await?;
        Ok(owner)
    }

    /// Reads an id that [`Topup::public_id`] wrote.
    pub fn read_id(text: &str) -> Option<Uuid> {
        PublicId::parse(ID, text).ok()
    }
}
