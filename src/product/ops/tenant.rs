//! Tenants and their keys.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};

use super::store;
use crate::db::{Db, TenantTx};
use crate::foundation::{DataKey, TenantId, WrappedKey};
use crate::http::{Error, Result};

/// Opens tenants' keys, each of which wraps its customers' data keys.
#[derive(Clone)]
pub struct TenantKeys(Arc<DataKey>);

impl TenantKeys {
    /// Tenants' keys are wrapped under `wrapping` (`MasterKey::wrapping_key`).
    pub fn new(wrapping: DataKey) -> Self {
        Self(Arc::new(wrapping))
    }

    /// The key of the transaction's tenant; 404 when there is no such tenant.
    pub async fn of(&self, tx: &mut TenantTx) -> Result<DataKey> {
        let tenant = tx.tenant();
        let wrapped = store::wrapped_key(tx, tenant).await?;
        let wrapped = wrapped.ok_or_else(unknown_tenant)?;
        Ok(self.0.unwrap_key(&context(tenant), &WrappedKey(wrapped))?)
    }

    /// The keys of these of the transaction's tenants.
    pub async fn of_all(&self, tx: &mut TenantTx, tenants: &[TenantId]) -> Result<HashMap<TenantId, DataKey>> {
        let wrapped = store::wrapped_keys(tx, tenants).await?;
        let unwrap = |(tenant, key)| Ok((tenant, self.0.unwrap_key(&context(tenant), &WrappedKey(key))?));
        wrapped.into_iter().map(unwrap).collect()
    }

    fn new_key_for(&self, tenant: TenantId) -> Result<WrappedKey> {
        Ok(self.0.wrap(&context(tenant), &DataKey::generate()?)?)
    }
}

#[track_caller]
fn unknown_tenant() -> Error {
    Error::not_found("tenant_not_found", "there is no such tenant")
}

fn context(tenant: TenantId) -> String {
    format!("key of tenant {tenant}")
}

/// A tenant as operators see it.
#[derive(Clone, Debug)]
pub struct TenantRecord {
    /// Its id.
    pub id: TenantId,
    /// Its namespace root, such as `acme.ul`.
    pub namespace: String,
    /// What it is called.
    pub name: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Making tenants.
pub struct Tenants;

impl Tenants {
    /// Makes a tenant with a key of its own: 400 for a bad namespace or name, 409 when the namespace is taken.
    pub async fn create(
        db: &Db,
        keys: &TenantKeys,
        namespace: &str,
        name: &str,
        now: DateTime<Utc>,
    ) -> Result<TenantRecord> {
        let mut tx = db.tenant(TenantId::OPERATOR).begin().await?;
        let tenant = Self::create_in(&mut tx, keys, namespace, name, now).await?;
        tx.commit().await?;
        Ok(tenant)
    }

    /// The same within a transaction of the operators' scope, which stays in that scope.
    pub(super) async fn create_in(
        tx: &mut TenantTx,
        keys: &TenantKeys,
        namespace: &str,
        name: &str,
        now: DateTime<Utc>,
    ) -> Result<TenantRecord> {
        check_namespace(namespace)?;
        if !(1..=200).contains(&name.chars().count()) {
            return Err(Error::invalid_field("name", "must have 1 to 200 characters"));
        }
        let id = TenantId::new();
        let key = keys.new_key_for(id)?;
        // Postgres keeps microseconds; the answer says what a later look will say.
        let created_at = now.trunc_subsecs(6);
        let tenant = TenantRecord { id, namespace: namespace.to_owned(), name: name.to_owned(), created_at };
        store::insert_tenant(tx, &tenant, &key).await?;
        Ok(tenant)
    }

    /// All tenants, newest first.
    pub async fn all(db: &Db) -> Result<Vec<TenantRecord>> {
        let mut tx = db.engine().await?;
        let all = store::list_tenants(&mut tx, None, i64::from(i32::MAX)).await?;
        tx.commit().await?;
        Ok(all)
    }

    /// A transaction in the tables of the tenant that a caller names; 404 when there is none.
    pub async fn open(db: &Db, text: &str) -> Result<TenantTx> {
        let tenant = text.parse().map_err(|_| unknown_tenant())?;
        let mut tx = db.tenant(tenant).begin().await?;
        store::wrapped_key(&mut tx, tenant).await?.ok_or_else(unknown_tenant)?;
        Ok(tx)
    }

    /// A tenant by its namespace.
    pub async fn by_namespace(db: &Db, namespace: &str) -> Result<Option<TenantRecord>> {
        let mut tx = db.engine().await?;
        let found = store::tenant_by_namespace(&mut tx, namespace).await?;
        tx.commit().await?;
        Ok(found)
    }
}

/// The form that the table demands: `acme.ul`.
fn check_namespace(namespace: &str) -> Result<()> {
    let root = namespace.strip_suffix(".ul").unwrap_or_default();
    let is_well_formed = (1..=63).contains(&root.len())
        && !root.starts_with('-')
        && root.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if is_well_formed {
        return Ok(());
    }
    Err(Error::invalid_field(
        "namespace",
        "must be 1 to 63 lower-case letters, digits or dashes before .ul, such as acme.ul",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_one_label_and_ul() {
        for good in ["acme.ul", "a.ul", "7-eleven.ul", &format!("{}.ul", "a".repeat(63))] {
            assert!(check_namespace(good).is_ok(), "{good}");
        }
        let long = format!("{}.ul", "a".repeat(64));
        for bad in ["", ".ul", "acme", "Acme.ul", "-acme.ul", "a.b.ul", "аcme.ul", "acme.ul\n", "acme.ul ", &long] {
            assert!(check_namespace(bad).is_err(), "{bad:?}");
        }
    }
}
