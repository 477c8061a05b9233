//! What is kept of each change of what is known of a customer.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::profile::{Profile, seal};
use super::status::Decision;
use super::store::{self, ChangedBy};
use crate::db::TenantTx;
use crate::foundation::Mode;
use crate::http::Result;
use crate::product::users::Known;

/// What was known of a customer at a moment.
pub struct Snapshot {
    /// What they have told.
    pub profile: Profile,
    /// Their number.
    pub phone: String,
    /// What identity checks say of them.
    pub kyc: Decision,
}

impl Snapshot {
    fn fields(&self) -> Profile {
        let mut fields = self.profile.clone();
        fields.0.insert("phoneNumber".to_owned(), Value::String(self.phone.clone()));
        fields.0.insert("kycStatus".to_owned(), Value::from(self.kyc.as_str()));
        fields
    }
}

/// Keeps what was before and what is after, unless they are the same.
pub async fn remember(
    tx: &mut TenantTx,
    mode: Mode,
    known: &Known,
    (old, new): (&Snapshot, &Snapshot),
    (by, remarks): (ChangedBy, Option<&str>),
    now: DateTime<Utc>,
) -> Result<()> {
    let (old, new) = (old.fields(), new.fields());
    if old == new {
        return Ok(());
    }
    let tenant = tx.tenant();
    let (old, new) = (
        seal(&known.key, tenant, known.id, "change from", &old)?,
        seal(&known.key, tenant, known.id, "change to", &new)?,
    );
    let remarks = remarks.map(|text| seal(&known.key, tenant, known.id, "remarks", &text)).transpose()?;
    Ok(store::insert_change(tx, mode, known.id, (&old, &new, remarks.as_ref()), by, now).await?)
}
