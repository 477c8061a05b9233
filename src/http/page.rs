//! Lists, and their bounds from a query string.

use alloy::primitives::Address;
use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Datelike, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Error, Result};
use crate::db::{Cursor, Page, PageRequest};
use crate::foundation::ChecksumAddress;

/// The limit (1 to 100) and where to go on; 400 when either is not one of ours.
pub fn page_bounds(page: &PageRequest) -> Result<(i64, Option<Cursor>)> {
    let limit = page.checked_limit().ok_or_else(|| Error::invalid_field("limit", "must be from 1 to 100"))?;
    let decode =
        |text| Cursor::decode(text).ok_or_else(|| Error::invalid_field("cursor", "is not a next_cursor of ours"));
    Ok((limit, page.cursor.as_deref().map(decode).transpose()?))
}

/// A caller's filters, over records that are read page by page, newest first.
pub trait Listing: Send + Sync + 'static {
    /// A record as callers see it.
    type Item: Serialize + Send + 'static;

    /// Up to `limit` records after the cursor. Whatever is opened for them is closed before this returns.
    fn page(&self, after: Option<Cursor>, limit: i64) -> impl Future<Output = Result<Page<Self::Item>>> + Send;
}

/// One page of a list in JSON, as the caller bounds it.
pub async fn answer_page(listing: &impl Listing, request: &PageRequest) -> Result<Response> {
    let (limit, after) = page_bounds(request)?;
    Ok(Json(listing.page(after, limit).await?).into_response())
}

/// Reads a filter's time; no year that the database cannot hold.
pub fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<DateTime<Utc>>, D::Error> {
    let moment = Option::<DateTime<Utc>>::deserialize(deserializer)?;
    match moment {
        Some(moment) if !(0..=9999).contains(&moment.year()) => Err(D::Error::custom("must be of the years 0 to 9999")),
        moment => Ok(moment),
    }
}

/// The wallet that a filter names; 400 when that is no address.
pub fn wallet_filter(text: Option<&str>) -> Result<Option<Address>> {
    let wallet = text.map(ChecksumAddress::parse).transpose();
    Ok(wallet.map_err(|why| Error::invalid_field("wallet_address", why))?.map(|address| address.0))
}
