//! Customers known by their phone number, each with a wallet.

use std::time::Duration;

use alloy::primitives::Address;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::salt::wallet_salt;
use super::store;
use crate::chain::wallet::WalletFactory;
use crate::db::TenantTx;
use crate::foundation::{BlindIndex, BlindIndexer, DataKey, Mode, Phone, TenantId};
use crate::http::{Error, Result};
use crate::product::ops::TenantKeys;

/// A customer and the wallet that is theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The customer's id.
    pub id: Uuid,
    /// The primary wallet.
    pub wallet: Address,
    /// When the wallet was made.
    pub created_at: DateTime<Utc>,
}

/// What [`Directory::provision`] found or made.
#[derive(Clone, Debug)]
pub enum Provisioned {
    /// The phone number was new.
    Created(Customer),
    /// The phone number had a wallet already.
    AlreadyExists(Customer),
}

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
        self.indexer.phone(tx.tenant(), self.mode, phone)
    }

    /// The customer of the transaction's tenant with this phone number.
    pub async fn find(&self, tx: &mut TenantTx, phone: &Phone) -> Result<Option<Customer>> {
        let index = self.blind_index(tx, phone);
        Ok(store::find(tx, self.mode, &index).await?)
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

    /// Makes the customer and the wallet unless they exist. However many do so at once, one makes them.
    pub(super) async fn provision(
        &self,
        tx: &mut TenantTx,
        keys: &TenantKeys,
        factory: WalletFactory,
        phone: &Phone,
        now: DateTime<Utc>,
    ) -> Result<Provisioned> {
        if let Some(customer) = self.find(tx, phone).await? {
            return Ok(Provisioned::AlreadyExists(customer));
        }
        let tenant = tx.tenant();
        let id = Uuid::now_v7();
        let data_key = DataKey::generate()?;
        let wrapped_key = keys.of(tx).await?.wrap(&key_context(tenant, id), &data_key)?;
        let phone_sealed = data_key.seal(&phone_context(tenant, id), phone.e164().as_bytes())?;
        let new = store::NewCustomer {
            id,
            mode: self.mode,
            blind_index: self.blind_index(tx, phone),
            phone_sealed,
            wrapped_key,
            created_at: now,
        };
        if !store::insert(tx, &new).await? {
            // Somebody else was faster, and has committed.
            return match self.find(tx, phone).await? {
                Some(customer) => Ok(Provisioned::AlreadyExists(customer)),
                // And has left the number since.
                None => Err(Error::unavailable("a customer was there and is gone", Duration::from_secs(1))),
            };
        }
        // Counted only now: as long as this customer has the number nobody leaves it, so that nobody counts the same.
        let generation = store::times_left(tx, self.mode, &new.blind_index).await?;
        let salt = wallet_salt(&self.indexer, tenant, self.mode, phone, generation);
        let wallet = store::NewWallet {
            customer: id,
            address: factory.address(salt),
            salt,
            owner: factory.owner(),
            created_at: now,
        };
        Ok(Provisioned::Created(store::insert_wallet(tx, &wallet).await?))
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
