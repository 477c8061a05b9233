//! Customers as they are shown to whoever may see them.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::kind::Kind;
use super::profile::{Profile, open};
use super::request::Object;
use super::status::Standing;
use super::store::{self, NewestCheck};
use super::verified::Verified;
use crate::db::TenantTx;
use crate::foundation::{DataKey, Mode};
use crate::http::Result;
use crate::product::App;
use crate::product::users::Identities;

/// An onboarded customer, opened. It has no `Debug`.
pub struct Seen {
    /// The customer's id.
    pub id: Uuid,
    /// The phone number.
    pub phone: String,
    /// What they have told.
    pub profile: Profile,
    /// Where they stand.
    pub standing: Standing,
    /// Why they were rejected.
    pub denial: Option<Object>,
    /// What of it is verified.
    pub verified: Verified,
    /// When they were onboarded.
    pub created_at: DateTime<Utc>,
    /// When something changed last.
    pub updated_at: DateTime<Utc>,
    /// Their data key.
    pub key: DataKey,
}

impl Seen {
    /// The customer of an id; `None` when there is none of this mode who was onboarded as that.
    pub async fn of(app: &App, tx: &mut TenantTx, mode: Mode, kind: Kind, id: &str) -> Result<Option<Self>> {
        let Ok(id) = id.parse() else { return Ok(None) };
        let identities = Identities::new(&app.keys, &app.blind_indexer, mode);
        let Some(known) = identities.find(tx, id).await? else { return Ok(None) };
        let row = store::find_profile(tx, mode, id).await?;
        let Some(row) = row.filter(|row| row.kind == kind) else { return Ok(None) };
        let profile = Profile::open(&known.key, tx, id, &row.document)?;
        let phone = known.phone(tx)?;
        let denial = match &row.denial {
            Some(sealed) => Some(open(&known.key, tx.tenant(), id, "denial", sealed)?),
            None => None,
        };
        let (created_at, updated_at) = (row.created_at, row.updated_at);
        let (standing, verified) = (row.standing, row.verified);
        Ok(Some(Self { id, phone, profile, standing, denial, verified, created_at, updated_at, key: known.key }))
    }

    /// The newest check by which they were or are looked at.
    pub async fn newest_check(&self, tx: &mut TenantTx) -> Result<Option<NewestCheck>> {
        Ok(store::newest_check(tx, self.id).await?)
    }
}
