//! The bounds of a list, from a query string.

use super::{Error, Result};
use crate::db::{Cursor, PageRequest};

/// The limit (1 to 100) and where to go on; 400 when either is not one of ours.
pub fn page_bounds(page: &PageRequest) -> Result<(i64, Option<Cursor>)> {
    let limit = page.checked_limit().ok_or_else(|| Error::invalid_field("limit", "must be from 1 to 100"))?;
    let decode =
        |text| Cursor::decode(text).ok_or_else(|| Error::invalid_field("cursor", "is not a next_cursor of ours"));
    Ok((limit, page.cursor.as_deref().map(decode).transpose()?))
}
