//! Customers known by their phone number, each with a wallet.

use std::collections::HashMap;
use std::time::Duration;

use alloy::primitives::Address;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::store;
use crate::db::TenantTx;
use crate::foundation::{BlindIndex, BlindIndexer, Mode, Phone, TenantId};
use crate::http::{Error, Result};

/// A customer and the wallet that is theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The customer's id.
    pub id: Uuid,
    /// The smart wallet.
    pub wallet: Address,
    /// When the wallet was made.
    pub created_at: DateTime<Utc>,
    /// Whether the customer has a badge, by whose rules its movements of money are decided.
    pub is_badged: bool,
    /// Whether compliance has rejected the customer, or the account is blocked: no money moves then.
    pub is_barred: bool,
}

impl Customer {
    /// Whether it is the same customer with the same wallet, whatever has changed about them.
    pub fn is(&self, other: &Self) -> bool {
        (self.id, self.wallet) == (other.id, other.wallet)
    }
}

/// What a customer is found by: whose, of which mode, and of which phone number.
pub type Name<'a> = (TenantId, Mode, &'a BlindIndex);

/// A tenant's customers of one mode, by phone number.
#[derive(Clone)]
pub struct Directory {
    indexer: BlindIndexer,
    mode: Mode,
}

impl Directory {
    /// The customers of a mode.
    pub fn new(indexer: BlindIndexer, mode: Mode) -> Self {
        Self { indexer, mode }
    }

    pub(super) const fn mode(&self) -> Mode {
        self.mode
    }

    /// The reference by which this phone number's customer of the transaction's tenant is known outside.
    pub fn blind_index(&self, tx: &TenantTx, phone: &Phone) -> BlindIndex {
        self.index_of(tx.tenant(), phone)
    }

    /// The same before there is a transaction.
    pub fn index_of(&self, tenant: TenantId, phone: &Phone) -> BlindIndex {
        self.indexer.phone(tenant, self.mode, phone)
    }

    /// The customer of the transaction's tenant with this phone number.
    pub async fn find(&self, tx: &mut TenantTx, phone: &Phone) -> Result<Option<Customer>> {
        let index = self.blind_index(tx, phone);
        Ok(store::find(tx, self.mode, &index).await?)
    }

    /// The customers of these blind indexes, of any of the transaction's tenants.
    pub async fn find_all<'a>(tx: &mut TenantTx, names: &[Name<'a>]) -> Result<HashMap<Name<'a>, Customer>> {
        Ok(store::find_all(tx, names).await?)
    }

    /// 404: the phone number has no wallet.
    pub fn not_provisioned() -> Error {
        Error::not_found(
            "wallet_not_provisioned",
            "no wallet is provisioned for this phone number; call /v1/users/provision first",
        )
    }

    /// 503: a phone number passed to another customer while the request was looked into.
    pub fn moved() -> Error {
        Error::unavailable("a phone number has moved meanwhile", Duration::from_secs(1))
    }
}

/// What a customer's data key is wrapped for.
pub(super) fn key_context(tenant: TenantId, customer: Uuid) -> String {
    format!("data key of customer {tenant} {customer}")
}

/// What a customer's phone number is sealed for.
pub(super) fn phone_context(tenant: TenantId, customer: Uuid) -> String {
    format!("phone of customer {tenant} {customer}")
}
