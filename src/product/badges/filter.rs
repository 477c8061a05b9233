//! Which badges a list shows, and which page of them.

use std::collections::BTreeMap;

use super::{Kind, UserGroup};
use crate::http::{Error, Result};

/// How many badges a page has at most.
const LARGEST: u32 = 100;
/// How long a search may be.
const LONGEST: usize = 100;

/// A page of a list that is counted in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    /// Which one, from 1.
    pub number: u32,
    /// How many records it has.
    pub size: u32,
}

impl Pages {
    /// Reads both; 400 in the documented words unless they are numbers from 1.
    pub fn read(number: Option<&str>, size: Option<&str>) -> Result<Self> {
        let read = |text: Option<&str>| {
            let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            digits.and_then(|text| text.parse::<u32>().ok()).filter(|number| *number > 0)
        };
        let not_positive = || {
            Error::bad_request("invalid_page", "Page or pagesize should be positive value or atleast 1").of_type("page")
        };
        let number = read(number).ok_or_else(not_positive)?;
        let size = read(size).ok_or_else(not_positive)?;
        if size > LARGEST {
            let message = format!("pagesize should be at most {LARGEST}");
            return Err(Error::bad_request("invalid_pagesize", message).of_type("page"));
        }
        Ok(Self { number, size })
    }

    /// How many records come before it.
    pub fn offset(self) -> i64 {
        i64::from(self.number - 1) * i64::from(self.size)
    }
}

/// Which badges a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Part of a name or of a kind, in whatever case.
    pub search: Option<String>,
    /// Only these.
    pub kind: Option<Kind>,
    /// Only badges of these.
    pub group: Option<UserGroup>,
}

impl Filter {
    /// Reads a search and filters: a JSON object of `badgeType` and `userGroup`, or their words alone, divided by commas.
    pub fn read(search: Option<String>, filters: Option<&str>) -> Result<Self> {
        let mut filter = Self { search: search.filter(|text| !text.is_empty()), ..Self::default() };
        if filter.search.as_ref().is_some_and(|text| text.chars().count() > LONGEST) {
            let message = format!("search should have at most {LONGEST} characters");
            return Err(Error::bad_request("invalid_search", message).of_type("search"));
        }
        let filters = filters.unwrap_or_default().trim();
        if filters.starts_with('{') {
            let named: BTreeMap<String, String> = serde_json::from_str(filters).map_err(|_| unknown())?;
            for (name, word) in named {
                match name.as_str() {
                    "badgeType" => filter.kind = Some(Kind::from_word(&upper(&word)).ok_or_else(unknown)?),
                    "userGroup" => filter.group = Some(UserGroup::from_word(&upper(&word)).ok_or_else(unknown)?),
                    _ => return Err(unknown()),
                }
            }
            return Ok(filter);
        }
        for word in filters.split(',').map(upper).filter(|word| !word.is_empty()) {
            match (Kind::from_word(&word), UserGroup::from_word(&word)) {
                (Some(kind), _) => filter.kind = Some(kind),
                (None, Some(group)) => filter.group = Some(group),
                (None, None) => return Err(unknown()),
            }
        }
        Ok(filter)
    }
}

/// `wallet-user` is `WALLET_USER`.
fn upper(word: &str) -> String {
    word.trim().to_ascii_uppercase().replace('-', "_")
}

#[track_caller]
fn unknown() -> Error {
    let message = "filters should name a badgeType (IDENTIFICATION, FINANCIAL, INFORMATION) or a userGroup \
        (WALLET_USER, BUSINESS_USER)";
    Error::bad_request("invalid_filters", message).of_type("filters")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    #[test]
    fn pages_are_counted_from_1() {
        assert_eq!(Pages::read(Some("3"), Some("100")).unwrap().offset(), 200);
        assert_eq!(Pages::read(Some("4294967295"), Some("100")).unwrap().offset(), 429_496_729_400);
        let good = Some("1");
        for bad in [None, Some(""), Some("0"), Some("-1"), Some("+1"), Some("1.5"), Some("x"), Some("4294967296")] {
            assert_eq!(Pages::read(bad, good).unwrap_err().code(), "invalid_page", "{bad:?}");
            assert_eq!(Pages::read(good, bad).unwrap_err().code(), "invalid_page", "{bad:?}");
        }
        assert_eq!(Pages::read(good, Some("101")).unwrap_err().code(), "invalid_pagesize");
    }

    #[test]
    fn filters_are_words_or_an_object() {
        let both = Filter { search: None, kind: Some(Kind::Financial), group: Some(UserGroup::WalletUser) };
        for filters in [
            "FINANCIAL,WALLET_USER",
            "wallet-user, financial",
            r#"{"badgeType":"financial","userGroup":"WALLET-USER"}"#,
        ] {
            assert_eq!(Filter::read(None, Some(filters)).unwrap(), both, "{filters}");
        }
        assert_eq!(Filter::read(Some(String::new()), Some("")).unwrap(), Filter::default());
        for bad in ["gold", "{", "{}x", r#"{"name":"gold"}"#, r#"{"badgeType":1}"#, "FINANCIAL;WALLET_USER"] {
            assert_eq!(Filter::read(None, Some(bad)).unwrap_err().code(), "invalid_filters", "{bad}");
        }
        assert_eq!(Filter::read(Some("x".repeat(101)), None).unwrap_err().code(), "invalid_search");
    }
}
