//! Customers whom other features make, look at and forget: the rows under what they know of them.

use chrono::{DateTime, Utc};
use rand::TryRngCore;
use rand::rngs::OsRng;
use uuid::Uuid;

use super::customer::{key_context, phone_context};
use super::phone_change::{self, Changer, Held};
use super::{Customer, Directory, store};
use crate::auth::Tenant;
use crate::db::TenantTx;
use crate::foundation::{BlindIndexer, DataKey, Mode, Phone, Sealed};
use crate::http::{Error, Result};
use crate::product::ops::TenantKeys;

/// A customer whose row is locked until the transaction ends, and the key under which what they told is sealed.
pub struct Known {
    /// The customer's id.
    pub id: Uuid,
    /// Their data key.
    pub key: DataKey,
    phone_sealed: Sealed,
}

impl Known {
    /// The customer's phone number.
    pub fn phone(&self, tx: &TenantTx) -> Result<String> {
        let plain = self.key.open(&phone_context(tx.tenant(), self.id), &self.phone_sealed)?;
        String::from_utf8(plain.to_vec()).map_err(Error::internal)
    }
}

/// A tenant's customers of one mode, for features that keep more of them than a phone number.
pub struct Identities<'a> {
    keys: &'a TenantKeys,
    indexer: &'a BlindIndexer,
    mode: Mode,
}

impl<'a> Identities<'a> {
    /// The customers of a mode.
    pub fn new(keys: &'a TenantKeys, indexer: &'a BlindIndexer, mode: Mode) -> Self {
        Self { keys, indexer, mode }
    }

    /// The customer with this phone number, made if there is none: locked, so that of those who ask at once each has them
    /// in turn.
    pub async fn of_phone(&self, tx: &mut TenantTx, phone: &Phone, now: DateTime<Utc>) -> Result<Known> {
        let (tenant, index) = (tx.tenant(), self.indexer.phone(tx.tenant(), self.mode, phone));
        let (id, key) = (Uuid::now_v7(), DataKey::generate()?);
        let new = store::NewCustomer {
            tenant,
            id,
            mode: self.mode,
            blind_index: &index,
            phone_sealed: key.seal(&phone_context(tenant, id), phone.e164().as_bytes())?,
            wrapped_key: self.keys.of(tx).await?.wrap(&key_context(tenant, id), &key)?,
            created_at: now,
        };
        store::insert_all(tx, &[new]).await?;
        let id = store::id_of(tx, self.mode, &index).await?.ok_or_else(Directory::moved)?;
        self.hold(tx, id).await?.ok_or_else(Directory::moved)
    }

    /// A new customer whom no phone number leads to: a business, whose number may be that of one of its people.
    pub async fn of_business(&self, tx: &mut TenantTx, number: &str, now: DateTime<Utc>) -> Result<Known> {
        let (tenant, id, key) = (tx.tenant(), Uuid::now_v7(), DataKey::generate()?);
        let index = self.indexer.identity(tenant, self.mode, "business without a number", &[&id.to_string()]);
        let new = store::NewCustomer {
            tenant,
            id,
            mode: self.mode,
            blind_index: &index,
            phone_sealed: key.seal(&phone_context(tenant, id), number.as_bytes())?,
            wrapped_key: self.keys.of(tx).await?.wrap(&key_context(tenant, id), &key)?,
            created_at: now,
        };
        store::insert_all(tx, &[new]).await?;
        self.hold(tx, id).await?.ok_or_else(Directory::moved)
    }

    /// The id of the customer with this phone number.
    pub async fn id_of(&self, tx: &mut TenantTx, phone: &Phone) -> Result<Option<Uuid>> {
        let index = self.indexer.phone(tx.tenant(), self.mode, phone);
        Ok(store::id_of(tx, self.mode, &index).await?)
    }

    /// The customer of this id, locked; `None` when there is none of this mode, or no more.
    pub async fn hold(&self, tx: &mut TenantTx, id: Uuid) -> Result<Option<Known>> {
        let row = store::hold_by_id(tx, self.mode, id).await?;
        self.open(tx, id, row).await
    }

    /// The customer of this id, to be looked at.
    pub async fn find(&self, tx: &mut TenantTx, id: Uuid) -> Result<Option<Known>> {
        let row = store::find_by_id(tx, self.mode, id).await?;
        self.open(tx, id, row).await
    }

    async fn open(&self, tx: &mut TenantTx, id: Uuid, row: Option<store::SealedCustomer>) -> Result<Option<Known>> {
        let Some(row) = row else { return Ok(None) };
        let key = self.keys.of(tx).await?.unwrap_key(&key_context(tx.tenant(), id), &row.wrapped_key)?;
        Ok(Some(Known { id, key, phone_sealed: row.phone_sealed }))
    }

    /// Moves a locked customer to another phone number; 409 when somebody has it. Nothing happens when it is theirs.
    pub async fn move_to(
        &self,
        tx: &mut TenantTx,
        known: &Known,
        phone: &Phone,
        by: &Tenant,
        now: DateTime<Utc>,
    ) -> Result<()> {
        if known.phone(tx)? == phone.e164() {
            return Ok(());
        }
        let directory = Directory::new(self.indexer.clone(), self.mode);
        let row = store::find_by_id(tx, self.mode, known.id).await?.ok_or_else(Directory::moved)?;
        let held = Held {
            customer: Customer {
                id: known.id,
                wallet: Default::default(),
                created_at: now,
                is_badged: false,
                is_barred: false,
            },
            mode: self.mode,
            blind_index: row.blind_index,
            wrapped_key: row.wrapped_key,
        };
        phone_change::change(tx, self.keys, &directory, &held, phone, Changer::from(by), now).await.map(drop)
    }

    /// Destroys a locked customer's data key, and puts something random in place of every index of their phone numbers:
    /// what was sealed can be opened no more, and the numbers are free.
    pub async fn forget(&self, tx: &mut TenantTx, id: Uuid, now: DateTime<Utc>) -> Result<()> {
        store::forget(tx, id, &nobody()?, now).await?;
        for change in store::phone_changes_of(tx, id).await? {
            store::forget_phone_change(tx, change, &nobody()?, &nobody()?).await?;
        }
        Ok(())
    }
}

/// A blind index that no phone number has.
fn nobody() -> Result<String> {
    let mut bytes = [0; 32];
    OsRng.try_fill_bytes(&mut bytes).map_err(Error::internal)?;
    Ok(hex::encode(bytes))
}
