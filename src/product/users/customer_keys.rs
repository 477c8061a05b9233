//! Customers' data keys, for features that seal what belongs to a customer.

use uuid::Uuid;

use super::{customer, store};
use crate::db::TenantTx;
use crate::foundation::DataKey;
use crate::http::{Error, Result};
use crate::product::ops::TenantKeys;

/// Opens customers' data keys.
pub struct CustomerKeys;

impl CustomerKeys {
    /// The data key of a customer of the transaction's tenant.
    pub async fn of(tx: &mut TenantTx, keys: &TenantKeys, customer: Uuid) -> Result<DataKey> {
        let wrapped = store::wrapped_key(tx, customer).await?;
        let wrapped = wrapped.filter(|key| !key.0.is_empty());
        let wrapped = wrapped.ok_or_else(|| Error::internal("a customer is gone, and the data key with it"))?;
        Ok(keys.of(tx).await?.unwrap_key(&customer::key_context(tx.tenant(), customer), &wrapped)?)
    }
}
