//! What one person was shown, and what became of it.

use std::net::IpAddr;

use alloy::primitives::Address;
use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::kind::{Kind, Occasion};
use super::person::{Particulars, Person};
use super::rendering::render;
use super::store::{self, NewAgreement, Row};
use super::template;
use crate::auth::Tenant;
use crate::db::TenantTx;
use crate::foundation::{DataKey, Sealed, TenantId, WrappedKey};
use crate::http::{Error, Result};
use crate::product::ops::TenantKeys;

/// Where an agreement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = AgreementStatus)]
pub enum Status {
    /// Shown; nothing was said yet.
    Pending,
    /// Agreed to, for good.
    Accepted,
    /// Refused, for good.
    Rejected,
}

/// What is sealed of an agreement. No `Debug`: all of it is personal.
#[derive(Serialize, Deserialize)]
pub struct Shown {
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub ip: IpAddr,
    /// HTML, as it was shown.
    pub content: String,
}

/// An agreement, opened.
pub struct Agreement {
    pub id: Uuid,
    pub kind: Kind,
    pub account: Address,
    pub status: Status,
    /// Nothing once the person was forgotten.
    pub shown: Option<Shown>,
    pub created_at: DateTime<Utc>,
}

/// What other features may do with agreements.
pub struct Agreements;

impl Agreements {
    /// Makes what a customer of the transaction's tenant was shown unreadable for good, by destroying its keys; that they
    /// agreed, and when, stays. Returns how many there were.
    pub async fn forget(tx: &mut TenantTx, customer: Uuid) -> Result<u64> {
        Ok(store::forget(tx, customer).await?)
    }
}

impl Status {
    /// The word in the database and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Accepted => "ACCEPTED",
            Self::Rejected => "REJECTED",
        }
    }

    /// The status of a word in the database.
    pub fn from_word(word: &str) -> Result<Self> {
        let known = [Self::Pending, Self::Accepted, Self::Rejected].into_iter().find(|status| status.as_str() == word);
        known.ok_or_else(|| Error::internal("an agreement has an unknown status"))
    }
}

/// Fills in every template of the occasion for a person, and keeps what they are shown. Empty when there is no template.
///
/// Fails with the documented 400 where a template cannot be filled in.
pub async fn prepare(
    tx: &mut TenantTx,
    keys: &TenantKeys,
    caller: Tenant,
    (occasion, person, particulars): (Occasion, &Person, Option<&Particulars>),
    now: DateTime<Utc>,
) -> Result<Vec<Agreement>> {
    let (tenant_key, now) = (keys.of(tx).await?, now.trunc_subsecs(6));
    let words = person.words(particulars, &store::tenant_name(tx).await?, now);
    let customer = store::customer_of(tx, caller.mode, person.account.as_slice()).await?;
    let mut agreements = Vec::new();
    for template in template::current(tx, now).await?.into_iter().filter(|t| t.kind.occasion() == Some(occasion)) {
        let html = store::html_of(tx, template.id).await?;
        let content = render(&html, &words).map_err(|why| could_not_fetch().because(why))?;
        let (first_name, last_name) = (person.first_name.clone(), person.last_name.clone());
        let shown = Shown { first_name, last_name, email: person.email.clone(), ip: person.ip, content };
        let id = Uuid::now_v7();
        let (key, sealed) = seal(&tenant_key, caller.tenant, id, &shown)?;
        let new = NewAgreement {
            id,
            mode: caller.mode,
            template: template.id,
            account: person.account.as_slice(),
            customer,
            key: &key,
            sealed: &sealed,
            created_at: now,
        };
        store::insert(tx, &new).await?;
        let (account, status) = (person.account, Status::Pending);
        let (kind, shown, created_at) = (template.kind, Some(shown), now);
        agreements.push(Agreement { id, kind, account, status, shown, created_at });
    }
    Ok(agreements)
}

/// The newest agreements of the caller's mode, `limit` at most.
pub async fn newest(tx: &mut TenantTx, keys: &TenantKeys, caller: Tenant, limit: i64) -> Result<Vec<Agreement>> {
    let tenant_key = keys.of(tx).await?;
    let rows = store::list(tx, caller.mode, limit).await?;
    rows.into_iter().map(|row| open(&tenant_key, caller.tenant, row)).collect()
}

/// One agreement of the caller's mode.
pub async fn find(tx: &mut TenantTx, keys: &TenantKeys, caller: Tenant, id: Uuid) -> Result<Option<Agreement>> {
    let tenant_key = keys.of(tx).await?;
    let row = store::find(tx, caller.mode, id, false).await?;
    row.map(|row| open(&tenant_key, caller.tenant, row)).transpose()
}

/// 400: as it is documented, whatever the words.
#[track_caller]
pub fn could_not_fetch() -> Error {
    Error::bad_request("not_fetched", "Could't fetch token").of_type("fetch")
}

fn seal(tenant_key: &DataKey, tenant: TenantId, id: Uuid, shown: &Shown) -> Result<(WrappedKey, Sealed)> {
    let key = DataKey::generate()?;
    let plain = Zeroizing::new(serde_json::to_vec(shown).map_err(Error::internal)?);
    Ok((tenant_key.wrap(&key_context(tenant, id), &key)?, key.seal(&text_context(tenant, id), &plain)?))
}

/// Seals what becomes known later under the agreement's own key; `None` once that was thrown away.
pub fn seal_more(tenant_key: &DataKey, tenant: TenantId, row: &Row, text: &str) -> Result<Option<Sealed>> {
    let Some(wrapped) = row.wrapped_key.clone() else { return Ok(None) };
    let key = tenant_key.unwrap_key(&key_context(tenant, row.id), &WrappedKey(wrapped))?;
    Ok(Some(key.seal(&decision_context(tenant, row.id), text.as_bytes())?))
}

/// Opens what [`seal_more`] made.
pub fn open_decision(
    tenant_key: &DataKey,
    tenant: TenantId,
    id: Uuid,
    wrapped: &WrappedKey,
    sealed: &Sealed,
) -> Result<String> {
    let key = tenant_key.unwrap_key(&key_context(tenant, id), wrapped)?;
    let plain = key.open(&decision_context(tenant, id), sealed)?;
    String::from_utf8(plain.to_vec()).map_err(Error::internal)
}

fn open(tenant_key: &DataKey, tenant: TenantId, row: Row) -> Result<Agreement> {
    let shown = match row.wrapped_key {
        None => None,
        Some(wrapped) => {
            let key = tenant_key.unwrap_key(&key_context(tenant, row.id), &WrappedKey(wrapped))?;
            let plain = key.open(&text_context(tenant, row.id), &Sealed(row.sealed))?;
            // serde's errors quote values.
            Some(serde_json::from_slice(&plain).map_err(|_| Error::internal("an agreement cannot be read"))?)
        }
    };
    Ok(Agreement {
        id: row.id,
        kind: Kind::try_from(row.kind).map_err(Error::internal)?,
        account: Address::try_from(row.account_address.as_slice()).map_err(Error::internal)?,
        status: Status::from_word(&row.status)?,
        shown,
        created_at: row.created_at,
    })
}

fn key_context(tenant: TenantId, id: Uuid) -> String {
    format!("key of agreement {tenant} {id}")
}

fn decision_context(tenant: TenantId, id: Uuid) -> String {
    format!("decision on agreement {tenant} {id}")
}

fn text_context(tenant: TenantId, id: Uuid) -> String {
    format!("agreement {tenant} {id}")
}
