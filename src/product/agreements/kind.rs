//! Kinds of templates, and what each is for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A kind of template: an upper-case word such as `US_PATRIOTIC_ACT`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(as = AgreementType, value_type = String, example = "US_PATRIOTIC_ACT", pattern = "^[A-Z][A-Z0-9_]{0,49}$")]
pub struct Kind(String);

/// The text names no kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a word of at most 50 upper-case letters, digits and underscores, such as US_PATRIOTIC_ACT")]
pub struct InvalidKind;

/// The occasion at which a person is shown a template, filled in for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// When a customer is taken on: `preview-agreement`.
    Onboarding,
    /// When the platform itself is agreed with: `preview-UL-agreement`.
    Platform,
}

/// The kinds that every tenant starts with, each with the house's text.
pub const HOUSE: [(&str, &str); 4] = [
    ("US_PATRIOTIC_ACT", include_str!("house/us_patriotic_act.html")),
    ("UL_TEMPLATE", include_str!("house/ul_template.html")),
    ("PRIVACY_POLICY", include_str!("house/privacy_policy.html")),
    ("TERMS_CONDITIONS", include_str!("house/terms_conditions.html")),
];

impl Kind {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is one of those that customers read and nobody fills in: terms, or a privacy policy.
    pub fn is_document(&self) -> bool {
        matches!(self.as_str(), "PRIVACY_POLICY" | "TERMS_CONDITIONS")
    }

    /// When a person is shown it; none for documents.
    pub fn occasion(&self) -> Option<Occasion> {
        match self.as_str() {
            _ if self.is_document() => None,
            "UL_TEMPLATE" => Some(Occasion::Platform),
            _ => Some(Occasion::Onboarding),
        }
    }
}

impl TryFrom<String> for Kind {
    type Error = InvalidKind;

    fn try_from(word: String) -> Result<Self, InvalidKind> {
        let is_well_formed = (1..=50).contains(&word.len())
            && word.starts_with(|first: char| first.is_ascii_uppercase())
            && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        is_well_formed.then_some(Self(word)).ok_or(InvalidKind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_an_upper_case_word() {
        for good in ["A", "US_PATRIOTIC_ACT", "W9", &"A".repeat(50)] {
            assert!(Kind::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "a", "_A", "9W", "A-B", "A B", "Ä", "A\n", &"A".repeat(51)] {
            assert!(Kind::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn each_kind_has_its_occasion() {
        let occasion = |word: &str| Kind::try_from(word.to_owned()).ok().and_then(|kind| kind.occasion());
        assert_eq!(occasion("UL_TEMPLATE"), Some(Occasion::Platform));
        assert_eq!(occasion("US_PATRIOTIC_ACT"), Some(Occasion::Onboarding));
        assert_eq!(occasion("EU_NOTICE"), Some(Occasion::Onboarding));
        assert_eq!(occasion("PRIVACY_POLICY"), None);
        assert_eq!(occasion("TERMS_CONDITIONS"), None);
    }
}
