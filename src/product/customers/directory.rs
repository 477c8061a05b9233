//! Whose name or address it is: the one place that tells.

use alloy::primitives::Address;
use uuid::Uuid;

use super::namespace::CustomNamespace;
use super::store::{self, Row};
use crate::db::TenantTx;
use crate::foundation::{ChecksumAddress, Mode};
use crate::http::{Error, Result};

/// A wallet that a name or an address leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedWallet {
    /// The wallet's id.
    pub id: Uuid,
    /// Whose it is.
    pub customer: Uuid,
    /// Where it is.
    pub address: Address,
    /// Whether it is ours (ERC-4337), and not an address that the customer controls.
    pub is_smart: bool,
    /// Its name among the tenant's.
    pub namespace: Option<String>,
    /// Its name elsewhere.
    pub custom_namespace: Option<String>,
    /// Where that is registered.
    pub provider: Option<String>,
    /// Whether another tenant has the address too.
    pub is_global: bool,
    /// Whether it is the customer's primary one.
    pub is_primary: bool,
}

/// Whom an identifier names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// The tenant itself, by its root (`acme.ul`).
    Tenant,
    /// A customer's wallet.
    Wallet(NamedWallet),
}

/// A tenant's names and addresses.
pub struct Directory;

impl Directory {
    /// Whom an identifier names among the customers of the transaction's tenant: an address, the tenant's root, a name
    /// below it or a custom name. `None`: not of this tenant.
    pub async fn resolve(tx: &mut TenantTx, mode: Mode, identifier: &str) -> Result<Option<Party>> {
        let row = match ChecksumAddress::of_any_case(identifier) {
            Ok(address) => store::by_address(tx, mode, address.0).await?,
            Err(_) => {
                let name = identifier.to_lowercase();
                if store::tenant(tx).await?.0 == name {
                    return Ok(Some(Party::Tenant));
                }
                match store::by_namespace(tx, mode, &name).await? {
                    Some(row) => Some(row),
                    None => match CustomNamespace::parse(identifier) {
                        Ok(custom) => store::by_custom_namespace(tx, mode, &custom).await?,
                        Err(_) => None,
                    },
                }
            }
        };
        row.map(NamedWallet::of).transpose().map(|wallet| wallet.map(Party::Wallet))
    }

    /// What the transaction's tenant is called.
    pub async fn tenant_name(tx: &mut TenantTx) -> Result<String> {
        Ok(store::tenant(tx).await?.1)
    }

    /// A customer's wallets, oldest first.
    pub async fn wallets(tx: &mut TenantTx, mode: Mode, customer: Uuid) -> Result<Vec<NamedWallet>> {
        store::wallets_of(tx, mode, customer).await?.into_iter().map(NamedWallet::of).collect()
    }
}

impl NamedWallet {
    /// Which of a customer's wallets stands for them: one with a name of ours, the primary one first; of those who have no
    /// such name the primary one.
    pub(super) fn shown(wallets: &[Self]) -> Option<&Self> {
        let primary = wallets.iter().find(|wallet| wallet.is_primary);
        let named = wallets.iter().find(|wallet| wallet.namespace.is_some());
        primary.filter(|wallet| wallet.namespace.is_some()).or(named).or(primary).or(wallets.first())
    }

    pub(super) fn of(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id,
            customer: row.customer_id,
            address: Address::try_from(row.address.as_slice()).map_err(Error::internal)?,
            is_smart: row.kind == "smart",
            namespace: row.namespace,
            custom_namespace: row.custom_namespace,
            provider: row.namespace_provider,
            is_global: row.known_as.is_some(),
            is_primary: row.is_primary,
        })
    }
}
