//! Tenants' keys, for the engine.

use async_trait::async_trait;

use crate::db::TenantTx;
use crate::foundation::DataKey;
use crate::http::Result;
use crate::product::ops::TenantKeys;
use crate::webhooks::Keyring;

#[async_trait]
impl Keyring for TenantKeys {
    async fn key(&self, tx: &mut TenantTx) -> Result<DataKey> {
        self.of(tx).await
    }
}
