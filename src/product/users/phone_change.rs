//! Moving a customer to another phone number.
//!
//! ```text
//! old number ──▶ customer, wallet, history        new number ──▶ the same customer, wallet, history
//!                                          becomes
//! new number ──▶ nobody                           old number ──▶ nobody; provisioned again it gets a new wallet
//! ```
//!
//! The customer's row is locked while the number changes, and a number belongs to one customer by a constraint of the
//! database: of two who move one customer, or take one number, at once the first wins. A number that a customer has,
//! were it the same customer, cannot be moved to. Who moved whom and when is kept for good, by blind index.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Customer, Directory, customer, store};
use crate::auth::{Dashboard, Tenant};
use crate::db::TenantTx;
use crate::foundation::{BlindIndex, Mode, Phone, WrappedKey};
use crate::http::{Error, Result};
use crate::product::ops::TenantKeys;

/// Who changes a number.
#[derive(Clone, Debug)]
pub enum Changer {
    /// A tenant's back end, by this API key.
    Key(Uuid),
    /// A dashboard's user, by the token's subject.
    Subject(String),
}

impl From<&Tenant> for Changer {
    fn from(tenant: &Tenant) -> Self {
        Self::Key(tenant.key_id)
    }
}

impl From<&Dashboard> for Changer {
    fn from(user: &Dashboard) -> Self {
        Self::Subject(user.subject.clone())
    }
}

/// A customer whose row is locked until the transaction ends.
pub struct Held {
    pub customer: Customer,
    pub mode: Mode,
    pub blind_index: String,
    pub wrapped_key: WrappedKey,
}

/// A change of number, as it is kept.
pub struct PhoneChange {
    pub id: Uuid,
    pub mode: Mode,
    pub customer: Uuid,
    pub old_blind_index: String,
    pub new_blind_index: BlindIndex,
    pub changer: Changer,
    pub at: DateTime<Utc>,
}

/// Moves a held customer to a number that nobody has; the customer's new blind index. 409 when somebody has it.
pub async fn change(
    tx: &mut TenantTx,
    keys: &TenantKeys,
    directory: &Directory,
    held: &Held,
    new: &Phone,
    changer: Changer,
    now: DateTime<Utc>,
) -> Result<BlindIndex> {
    let tenant = tx.tenant();
    let new_blind_index = directory.blind_index(tx, new);
    // A look before the constraint does: two who swap their numbers would otherwise wait for each other.
    if store::find(tx, held.mode, &new_blind_index).await?.is_some() {
        return Err(taken());
    }
    let id = held.customer.id;
    let data_key = keys.of(tx).await?.unwrap_key(&customer::key_context(tenant, id), &held.wrapped_key)?;
    let phone_sealed = data_key.seal(&customer::phone_context(tenant, id), new.e164().as_bytes())?;
    store::set_phone(tx, id, &new_blind_index, &phone_sealed).await?;
    let kept = PhoneChange {
        id: Uuid::now_v7(),
        mode: held.mode,
        customer: id,
        old_blind_index: held.blind_index.clone(),
        new_blind_index: new_blind_index.clone(),
        changer,
        at: now,
    };
    store::insert_phone_change(tx, &kept).await?;
    Ok(new_blind_index)
}

/// 409: the new number has a wallet.
#[track_caller]
pub fn taken() -> Error {
    Error::conflict("phone_already_registered", "new_phone_number is registered to a wallet already")
}
