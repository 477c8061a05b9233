//! Templates: which text of a kind counts for a tenant.

use chrono::{DateTime, SubsecRound, Utc};
use uuid::Uuid;

use super::kind::{HOUSE, Kind};
use super::person::blank_words;
use super::rendering::render;
use super::store::{self, Head};
use crate::db::TenantTx;
use crate::http::{Error, Result};

/// A template's newest version, while it is not retired.
pub struct Current {
    pub id: Uuid,
    pub kind: Kind,
}

/// A text to read, as nobody in particular sees it.
pub struct Document {
    /// The template's version.
    pub id: Uuid,
    /// HTML.
    pub html: String,
}

/// What count for the transaction's tenant, by kind. A kind of the house's that the tenant never had becomes its own here.
pub async fn current(tx: &mut TenantTx, now: DateTime<Utc>) -> Result<Vec<Current>> {
    let mut heads = store::heads(tx).await?;
    let is_missing = |kind: &str| heads.iter().all(|head| head.kind != kind);
    let missing: Vec<_> = HOUSE.into_iter().filter(|(kind, _)| is_missing(kind)).collect();
    if !missing.is_empty() {
        let (kinds, htmls): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
        store::adopt(tx, &kinds, &htmls, now).await?;
        heads = store::heads(tx).await?;
    }
    let heads = heads.into_iter().filter(|head| head.retired_at.is_none());
    heads.map(|head| Ok(Current { id: head.id, kind: Kind::try_from(head.kind).map_err(Error::internal)? })).collect()
}

/// What a tenant's customers can read: terms, a privacy policy, or any other template with lines to fill in.
pub struct Documents;

impl Documents {
    /// The text of a kind that counts for the transaction's tenant; `None` when there is none.
    pub async fn read(tx: &mut TenantTx, kind: &Kind, now: DateTime<Utc>) -> Result<Option<Document>> {
        let Some(found) = current(tx, now).await?.into_iter().find(|current| current.kind == *kind) else {
            return Ok(None);
        };
        let template = store::html_of(tx, found.id).await?;
        let tenant = store::tenant_name(tx).await?;
        let html = render(&template, &blank_words(kind.occasion(), &tenant)).map_err(Error::internal)?;
        Ok(Some(Document { id: found.id, html }))
    }
}

/// Publishes a text as the next version of its kind; 400 when it cannot be filled in.
pub async fn publish(tx: &mut TenantTx, kind: Kind, html: &str, now: DateTime<Utc>) -> Result<Head> {
    let tenant = store::tenant_name(tx).await?;
    render(html, &blank_words(kind.occasion(), &tenant)).map_err(|why| Error::invalid_field("html", why))?;
    // Otherwise the house's text would be lost as the version before, or come back after this one.
    current(tx, now).await?;
    let newest = store::lock_kind(tx, &kind).await?.map_or(0, |head| head.version);
    let created_at = now.trunc_subsecs(6);
    let kind = kind.as_str().to_owned();
    let head = Head { id: Uuid::now_v7(), kind, version: newest + 1, created_at, retired_at: None };
    store::insert_version(tx, &head, html).await?;
    Ok(head)
}

/// Retires a kind: nobody is shown it any more until a new version is published. `false` when there is none in use.
pub async fn retire(tx: &mut TenantTx, kind: &Kind, now: DateTime<Utc>) -> Result<bool> {
    current(tx, now).await?;
    match store::lock_kind(tx, kind).await? {
        Some(head) => Ok(store::retire_kind(tx, head.id, now).await?),
        None => Ok(false),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    #[test]
    fn the_houses_texts_can_be_filled_in() {
        for (kind, html) in HOUSE {
            let kind = Kind::try_from(kind.to_owned()).unwrap();
            let text = render(html, &blank_words(kind.occasion(), "Acme"));
            assert!(text.is_ok_and(|text| text.contains("Acme")), "{kind:?}");
        }
    }
}
