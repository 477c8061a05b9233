//! Vendors, and the words that consent to them is given to.

use chrono::{DateTime, SubsecRound, Utc};
use uuid::Uuid;

use super::store;
use crate::db::TenantTx;
use crate::foundation::{InvalidId, PublicId};
use crate::http::Result;

/// What consent is for, exactly as the vendor is listed; what is absent may be anything.
#[derive(Default)]
pub struct Purpose<'a> {
    /// Such as `Deposits`.
    pub sub_category: Option<&'a str>,
    /// Such as `ACH`.
    pub kind: Option<&'a str>,
    /// Such as `PLAID`.
    pub payment_partner: Option<&'a str>,
}

/// A vendor with the message that counts.
pub struct Vendor {
    pub id: Uuid,
    pub name: String,
    pub sub_category: String,
    pub kind: String,
    pub payment_partner: String,
    pub version: String,
    pub message: String,
    pub created_at: DateTime<Utc>,
    pub retired_at: Option<DateTime<Utc>>,
}

/// The words of a message.
pub struct Message {
    /// Such as `v1.0.3`.
    pub version: String,
    pub text: String,
}

const PREFIX: &str = "dss";

/// The vendor's id as callers see it, `dss_…`.
pub fn public_id(vendor: Uuid) -> String {
    PublicId::format(PREFIX, vendor)
}

/// The vendor of an id that callers see.
pub fn parse_id(text: &str) -> std::result::Result<Uuid, InvalidId> {
    PublicId::parse(PREFIX, text)
}

/// The first of the tenant's vendors in use that serves a purpose. A tenant that never had any gets the house's.
pub async fn find(tx: &mut TenantTx, purpose: &Purpose<'_>, now: DateTime<Utc>) -> Result<Option<Vendor>> {
    start_with_the_houses(tx, now).await?;
    Ok(store::find_vendor(tx, purpose).await?)
}

/// One of the tenant's vendors in use.
pub async fn with_id(tx: &mut TenantTx, id: Uuid) -> Result<Option<Vendor>> {
    Ok(store::vendor(tx, id).await?.filter(|vendor| vendor.retired_at.is_none()))
}

/// Adds a vendor with its first message; 409 when one in use serves the same purpose.
pub async fn add(tx: &mut TenantTx, vendor: &Vendor) -> Result<()> {
    // So that the house's does not come, or stay away, because another one came first.
    start_with_the_houses(tx, vendor.created_at).await?;
    store::insert_vendor(tx, vendor).await?;
    let message = Message { version: vendor.version.clone(), text: vendor.message.clone() };
    store::insert_message(tx, vendor.id, 1, &message, vendor.created_at).await
}

async fn start_with_the_houses(tx: &mut TenantTx, now: DateTime<Utc>) -> Result<()> {
    if store::has_vendors(tx).await? {
        return Ok(());
    }
    let house = house(now.trunc_subsecs(6));
    // Of several who do this at once one does; the others see what it did.
    if store::adopt_vendor(tx, &house).await? {
        let message = Message { version: house.version, text: house.message };
        store::insert_message(tx, house.id, 1, &message, house.created_at).await?;
    }
    Ok(())
}

/// Whom every tenant's customers start with.
fn house(now: DateTime<Utc>) -> Vendor {
    Vendor {
        id: Uuid::now_v7(),
        name: "Plaid Inc.".to_owned(),
        sub_category: "Deposits".to_owned(),
        kind: "ACH".to_owned(),
        payment_partner: "PLAID".to_owned(),
        version: "v1.0.0".to_owned(),
        message: include_str!("house/plaid.txt").trim_end().to_owned(),
        created_at: now,
        retired_at: None,
    }
}
