//! Identifiers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub struct TenantId(pub Uuid);

impl TenantId {
    /// The scope of operators' own records: no tenant has this id.
    pub const OPERATOR: Self = Self(Uuid::nil());

    /// A new one, in order of time (UUIDv7, RFC 9562).
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for TenantId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TenantId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
    }
}

/// The text is not an identifier of the kind that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an id of this kind")]
pub struct InvalidId;

/// An identifier as callers see it: a prefix that names its kind and a UUIDv7 in simple form, `topup_0197…`.
pub struct PublicId;

impl PublicId {
    /// Writes `prefix_uuid`.
    pub fn format(prefix: &str, id: Uuid) -> String {
        format!("{prefix}_{}", id.simple())
    }

    /// Reads an id that [`PublicId::format`] wrote with the same prefix.
    pub fn parse(prefix: &str, text: &str) -> Result<Uuid, InvalidId> {
        let simple = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).ok_or(InvalidId)?;
        if simple.len() != 32 || simple.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(InvalidId);
        }
        Uuid::try_parse(simple).map_err(|_| InvalidId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_with_its_own_prefix_only() {
        let id = Uuid::now_v7();
        let text = PublicId::format("topup", id);
        assert_eq!(PublicId::parse("topup", &text), Ok(id));
        for wrong in
            [PublicId::format("key", id), id.to_string(), text.to_uppercase(), format!("{text}0"), "topup_".into()]
        {
            assert_eq!(PublicId::parse("topup", &wrong), Err(InvalidId), "{wrong}");
        }
    }
}
