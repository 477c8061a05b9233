//! Lists as CSV (RFC 4180): all that passes the filters, newest first, however much it is.
//!
//! A download is read as a caller would read it, page by page, and a page is read when the one before has been taken.
//! Nothing is open in the database meanwhile, and no more than a page is held. It goes from the newest record of its
//! beginning to older ones, so that it ends, however many come while it lasts.

use std::borrow::Cow;

use ::csv::{Terminator, Writer, WriterBuilder};
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::stream::{self, StreamExt};
use tracing::{Instrument, Span};

use super::{Error, Listing, Result};
use crate::db::{Cursor, PageRequest};

/// Rows that are read at once.
const PAGE: i64 = 1_000;

/// A column: its name, and what of a record it shows.
pub type Column<T> = (&'static str, fn(&T) -> Cow<'_, str>);

/// A list that can be had as CSV.
pub trait Table: Listing {
    /// What the file is called, before the day and the extension.
    const NAME: &'static str;
    /// From left to right.
    const COLUMNS: &'static [Column<Self::Item>];
}

/// The whole list as a file of CSV; 400 for a caller that bounds it, whose file would look complete.
pub async fn answer<T: Table>(table: T, request: &PageRequest, now: DateTime<Utc>) -> Result<Response> {
    for (field, is_given) in [("limit", request.limit.is_some()), ("cursor", request.cursor.is_some())] {
        if is_given {
            return Err(Error::invalid_field(field, "is not for text/csv, which is always the whole list"));
        }
    }
    let name = format!("attachment; filename=\"{}-{}.csv\"", T::NAME, now.format("%Y-%m-%d"));
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (CONTENT_DISPOSITION, HeaderValue::try_from(name).map_err(Error::internal)?),
    ]);
    Ok((headers, body(table).await?).into_response())
}

/// What fails at the first page is told as any error; later the connection breaks, so that nobody takes a part for the
/// whole.
async fn body<T: Table>(table: T) -> Result<Body> {
    let mut writer = rows();
    writer.write_record(T::COLUMNS.iter().map(|(name, _)| name)).map_err(Error::internal)?;
    let (first, next) = read(&table, None, writer).await?;
    let span = Span::current();
    let rest = stream::try_unfold((table, next), move |(table, next)| {
        let reading = async move {
            let Some(after) = next else { return Ok(None) };
            let read = read(&table, Some(after), rows()).await;
            let (rows, next) = read.inspect_err(|error| tracing::error!(%error, "a download broke off"))?;
            Ok::<_, Error>(Some((rows, (table, next))))
        };
        reading.instrument(span.clone())
    });
    Ok(Body::from_stream(stream::iter([Ok(first)]).chain(rest)))
}

/// The rows of one page behind what is written, and where the next one begins.
async fn read<T: Table>(
    table: &T,
    after: Option<Cursor>,
    mut writer: Writer<Vec<u8>>,
) -> Result<(Bytes, Option<Cursor>)> {
    let page = table.page(after, PAGE).await?;
    for record in &page.data {
        let cells = T::COLUMNS.iter().map(|(_, cell)| defused(cell(record)));
        for cell in cells {
            writer.write_field(cell.as_bytes()).map_err(Error::internal)?;
        }
        writer.write_record(None::<&[u8]>).map_err(Error::internal)?;
    }
    let rows = writer.into_inner().map_err(|error| Error::internal(error.to_string()))?;
    Ok((rows.into(), page.next_cursor))
}

fn rows() -> Writer<Vec<u8>> {
    WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new())
}

/// A cell that no spreadsheet takes for a formula: tenants' own texts are among them.
fn defused(cell: Cow<'_, str>) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{cell}").into() } else { cell }
}

/// A text that may be absent.
pub fn text(text: &Option<String>) -> Cow<'_, str> {
    text.as_deref().unwrap_or_default().into()
}

/// A number that may be absent.
pub fn number(number: Option<i64>) -> Cow<'static, str> {
    number.map(|number| number.to_string()).unwrap_or_default().into()
}

/// A time, as JSON has it.
pub fn time(time: DateTime<Utc>) -> Cow<'static, str> {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_begins_like_a_formula() {
        for dangerous in ["=1+1", "+225********01", "-1", "@sum(a1)", "\t=1", "\r=1", "\n=1"] {
            assert_eq!(defused(dangerous.into()), format!("'{dangerous}"));
        }
        for harmless in ["", "dep_1", "1-1", "'=1", " =1", "0x12"] {
            assert_eq!(defused(harmless.into()), harmless);
        }
    }
}
