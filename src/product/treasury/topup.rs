//! Top-ups: money that a tenant has paid in.

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::audit::VerifyLedger;
use super::report::{NewTopup, Report};
use super::store;
use crate::db::{Db, TenantTx};
use crate::foundation::{Amount, PublicId, TenantId};
use crate::http::{Error, Result};
use crate::jobs::Jobs;
use crate::ledger::{self, AccountKind, Outcome, Posting};
use crate::product::App;

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

/// A tenant's top-ups.
pub struct Topups;

impl Topups {
    /// Notes that the transaction's tenant has paid money in. Nothing is credited until it is confirmed.
    pub async fn request(tx: &mut TenantTx, report: Report, now: DateTime<Utc>) -> Result<Requested> {
        let topup = Topup {
            id: Uuid::now_v7(),
            token: report.token,
            amount: report.amount,
            reference: report.reference,
            note: report.note,
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
    /// the books verified. `by` is kept: who says that the money has arrived. `None` when the tenant has no such top-up.
    pub async fn confirm(tx: &mut TenantTx, id: Uuid, by: &str, now: DateTime<Utc>) -> Result<Option<Topup>> {
        // Whoever comes at the same time waits for this row and then finds it confirmed.
        let Some(topup) = store::confirm(tx, id, by, now).await? else {
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
        match ledger::post(tx, &[posting]).await?.as_slice() {
            [Outcome::Accepted] => {}
            other => return Err(Error::internal(format!("top-up {id} is not credited but {other:?}"))),
        }
        Jobs::enqueue(tx, &VerifyLedger { tenant }).await?;
        Ok(Some(topup))
    }

    /// Reports and confirms at once, for setting a server up; does nothing for a reference that is credited already.
    pub async fn seed(app: &App, tenant: TenantId, new: &NewTopup, by: &str) -> Result<Topup> {
        let report = new.read(&app.tokens)?;
        let now = app.clock.now();
        let mut tx = app.db.tenant(tenant).begin().await?;
        let (Requested::New(topup) | Requested::Duplicate(topup)) = Self::request(&mut tx, report, now).await?;
        let confirmed = Self::confirm(&mut tx, topup.id, by, now).await?;
        tx.commit().await?;
        confirmed.ok_or_else(|| Error::internal("a top-up that was just stored cannot be found"))
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
