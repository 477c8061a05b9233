//! Who consented to what.

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store;
use super::vendor::Vendor;
use crate::auth::TenantOrCustomer;
use crate::db::TenantTx;
use crate::foundation::{ChecksumAddress, Mode};
use crate::http::{Error, Result};

/// What was said to a vendor's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = ConsentStatus)]
pub enum Status {
    /// Consent is given.
    Accepted,
    /// Consent is refused, or taken back.
    Rejected,
}

/// Whose consent it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// A customer's.
    Customer(Uuid),
    /// The tenant's own.
    Tenant,
}

/// A consent as it was given.
pub struct Consent {
    pub id: Uuid,
    pub party: Party,
    pub version: String,
    pub status: Status,
    pub created_at: DateTime<Utc>,
}

impl Status {
    /// The word in the database and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "ACCEPTED",
            Self::Rejected => "REJECTED",
        }
    }

    /// The status of a word in the database.
    pub fn from_word(word: &str) -> Result<Self> {
        let known = [Self::Accepted, Self::Rejected].into_iter().find(|status| status.as_str() == word);
        known.ok_or_else(|| Error::internal("a consent has an unknown status"))
    }
}

impl Party {
    /// The customer; none when it is the tenant.
    pub const fn customer(self) -> Option<Uuid> {
        match self {
            Self::Customer(customer) => Some(customer),
            Self::Tenant => None,
        }
    }

    /// Whom the caller means: a customer by id, by the address of an account, or by both; of nobody a customer means
    /// itself, and a tenant itself. `None` when there is nobody like that in the caller's tenant and mode.
    ///
    /// 403 when a customer means somebody else.
    pub async fn meant(
        tx: &mut TenantTx,
        caller: TenantOrCustomer,
        id: Option<&str>,
        account: Option<&str>,
    ) -> Result<Option<Self>> {
        let mode = caller.mode();
        let by_id = match id {
            None => None,
            Some(id) => Some(by_id(tx, mode, id).await?),
        };
        let by_account = match account {
            None => None,
            Some(account) => Some(by_account(tx, mode, account).await?),
        };
        let meant = match (by_id, by_account) {
            (None, None) => return Ok(Some(caller.customer().map_or(Self::Tenant, Self::Customer))),
            (Some(one), None) | (None, Some(one)) => one,
            (Some(one), Some(other)) => one.filter(|_| one == other),
        };
        if let Some(caller) = caller.customer()
            && meant != Some(caller)
        {
            return Err(Error::forbidden("other_customer", "a customer sees only what is its own"));
        }
        Ok(meant.map(Self::Customer))
    }
}

async fn by_id(tx: &mut TenantTx, mode: Mode, id: &str) -> Result<Option<Uuid>> {
    match Uuid::try_parse(id) {
        Ok(id) => Ok(store::is_customer(tx, mode, id).await?.then_some(id)),
        Err(_) => Ok(None),
    }
}

async fn by_account(tx: &mut TenantTx, mode: Mode, account: &str) -> Result<Option<Uuid>> {
    match ChecksumAddress::of_any_case(account) {
        Ok(address) => Ok(store::customer_of(tx, mode, address.0.as_slice()).await?),
        Err(_) => Ok(None),
    }
}

/// What a party said to a vendor last.
pub async fn last(tx: &mut TenantTx, caller: TenantOrCustomer, party: Party, vendor: Uuid) -> Result<Option<Consent>> {
    store::last_consent(tx, caller.mode(), party, vendor).await
}

/// Writes down what a party said to a vendor's message that counts. Who says again what it said last adds nothing.
pub async fn give(
    tx: &mut TenantTx,
    caller: TenantOrCustomer,
    (party, vendor): (Party, &Vendor),
    status: Status,
    now: DateTime<Utc>,
) -> Result<Consent> {
    if let Some(last) = last(tx, caller, party, vendor.id).await?
        && last.status == status
        && last.version == vendor.version
    {
        return Ok(last);
    }
    let (version, created_at) = (vendor.version.clone(), now.trunc_subsecs(6));
    let consent = Consent { id: Uuid::now_v7(), party, version, status, created_at };
    store::insert_consent(tx, caller, vendor.id, &consent).await?;
    Ok(consent)
}
