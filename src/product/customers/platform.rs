//! What other tenants have: asked in the engine's role, and told in one word.

use alloy::primitives::Address;

use super::namespace::CustomNamespace;
use super::store;
use crate::auth::Tenant;
use crate::http::Result;
use crate::product::App;

/// Another tenant has the address, and the caller does not know as what.
pub struct KnownElsewhere;

/// As which another tenant knows an address, which the caller has to say (`ulNamespace`); `None` when no tenant does.
pub async fn known_as(
    app: &App,
    caller: &Tenant,
    address: Address,
    said: Option<&str>,
) -> Result<std::result::Result<Option<String>, KnownElsewhere>> {
    let mut tx = app.db.engine().await?;
    let names = store::known_elsewhere(&mut tx, caller.mode, caller.tenant.0, address).await?;
    tx.commit().await?;
    if names.is_empty() {
        return Ok(Ok(None));
    }
    let said = said.map(str::to_lowercase).filter(|said| !said.is_empty());
    Ok(match said.filter(|said| names.contains(said)) {
        Some(said) => Ok(Some(said)),
        None => Err(KnownElsewhere),
    })
}

/// Whether a custom name looks like a tenant's root, or like a name that is ours to mint.
pub async fn is_ours(app: &App, custom: &CustomNamespace) -> Result<bool> {
    if custom.looks_minted() {
        return Ok(true);
    }
    if !custom.skeleton().ends_with(".ul") {
        return Ok(false);
    }
    let mut tx = app.db.engine().await?;
    let roots = store::roots(&mut tx).await?;
    tx.commit().await?;
    Ok(roots.iter().any(|root| custom.looks_like(root)))
}
