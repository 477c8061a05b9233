//! A caller's own name for a payment.

use std::fmt;

/// What makes a payment happen once: chosen by the tenant, unique among its payments of one kind and mode.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey(String);

/// The text cannot be a caller's name for a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 128 visible ASCII characters")]
pub struct InvalidClientKey;

impl ClientKey {
    /// Reads 1 to 128 visible ASCII characters.
    pub fn parse(text: &str) -> Result<Self, InvalidClientKey> {
        let visible = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        visible.then(|| Self(text.to_owned())).ok_or(InvalidClientKey)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_visible_and_not_too_long() {
        for good in ["d", "dep_001_20240601", "a/b?c=d%20", &"x".repeat(128)] {
            assert_eq!(ClientKey::parse(good).map(|id| id.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", " ", "a b", "a\n", "dép", "\u{202e}x", &"x".repeat(129)] {
            assert_eq!(ClientKey::parse(bad), Err(InvalidClientKey), "{bad:?}");
        }
    }
}
