//! In which form a caller wants a list (RFC 9110 §12.5.1).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::{ACCEPT, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use chrono::{DateTime, Utc};
use mediatype::{MediaType, MediaTypeList, Name, ReadParams, names};

use super::csv::{self, Table};
use super::{Result, answer_page};
use crate::db::PageRequest;

/// The form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A page of `application/json`.
    Json,
    /// All of it as `text/csv`.
    Csv,
}

impl Format {
    /// CSV when the caller prefers it to JSON; JSON when it does not, or does not care, or says nothing.
    fn wanted(headers: &HeaderMap) -> Self {
        let accept =
            headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",");
        let quality = |kind, subtype| quality(&accept, kind, subtype);
        if quality(names::TEXT, names::CSV) > quality(names::APPLICATION, names::JSON) { Self::Csv } else { Self::Json }
    }

    /// A list in this form. As CSV it is the whole of it: 400 for a caller that bounds it.
    pub async fn answer<T: Table>(self, list: T, request: &PageRequest, now: DateTime<Utc>) -> Result<Response> {
        let mut response = match self {
            Self::Json => answer_page(&list, request).await?,
            Self::Csv => csv::answer(list, request, now).await?,
        };
        response.headers_mut().append(VARY, HeaderValue::from_static("accept"));
        Ok(response)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Format {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Infallible> {
        Ok(Self::wanted(&parts.headers))
    }
}

/// How much a caller likes a media type, in thousandths: what the range says that names it most closely. What cannot be
/// read says nothing.
fn quality(accept: &str, kind: Name<'_>, subtype: Name<'_>) -> u16 {
    let any = |name: Name<'_>| name.as_str() == "*";
    let closeness = |range: &MediaType<'_>| match (range.ty, range.subty) {
        (ty, subty) if ty == kind && subty == subtype => Some(2),
        (ty, subty) if ty == kind && any(subty) => Some(1),
        (ty, subty) if any(ty) && any(subty) => Some(0),
        _ => None,
    };
    let ranges = MediaTypeList::new(accept).filter_map(std::result::Result::ok);
    let said = ranges.filter_map(|range| Some((closeness(&range)?, thousandths(&range)?)));
    said.max().map_or(0, |(_, quality)| quality)
}

/// `q`, which is 1 when it is not given and has three decimals at most.
fn thousandths(range: &MediaType<'_>) -> Option<u16> {
    let Some(q) = range.get_param(names::Q) else { return Some(1000) };
    let q = q.as_str();
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    fn wanted(lines: &[&str]) -> Format {
        Format::wanted(&lines.iter().map(|line| (ACCEPT, HeaderValue::from_str(line).unwrap())).collect())
    }

    #[test]
    fn csv_is_for_those_who_prefer_it() {
        for accept in [
            "text/csv",
            "Text/CSV; charset=utf-8",
            "text/*",
            "text/csv, application/json;q=0.9",
            "application/json;q=0.5, text/csv;q=0.501",
            "text/csv;q=0.1",
            "text/csv, */*;q=0.8",
            "text/html, text/csv;header=\"a, b\";q=0.9, application/json;q=0",
            "application/json;q=0.2, */*",
            "not a media type, text/csv",
        ] {
            assert_eq!(wanted(&[accept]), Format::Csv, "{accept}");
        }
        assert_eq!(wanted(&["application/json;q=0.1", "text/csv"]), Format::Csv);
    }

    #[test]
    fn everybody_else_has_json() {
        for accept in [
            "",
            "*/*",
            "application/json",
            "text/csv, application/json",
            "text/csv, */*",
            "text/csv;q=0",
            "text/csv;q=0, text/*",
            "text/csv;q=0.5, application/*",
            "text/csv;q=2, */*;q=0.1",
            "text/csv;q=0.9999, */*;q=0.1",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "image/png",
            "text/csvx",
            ";;,,\"",
        ] {
            assert_eq!(wanted(&[accept]), Format::Json, "{accept}");
        }
        assert_eq!(wanted(&[]), Format::Json);
    }
}
