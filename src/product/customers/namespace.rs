//! Names of wallets.
//!
//! ```text
//! acme.jane.ul     minted by us: the tenant's root, a label of its own, `ul`; ASCII, lower case
//! jonedoe          custom: registered with somebody else (ENS and its like), told by the tenant; any one script
//! ```
//!
//! A minted label says nothing of its customer: it is the first label of the custom name, which is public, or random. No two
//! custom names of a mode look alike (Unicode TS 39), and none looks like one of another script; no two minted ones look
//! alike; and no custom name looks like one that is ours to mint, minted or not.

use rand::seq::IndexedRandom;
use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;
use unicode_security::restriction_level::{RestrictionLevel, RestrictionLevelDetection};

/// Consonants and digits no two of which look alike, and that make no words.
const ALPHABET: &[u8] = b"bcdfghjkpqrstvwxyz23456789";

/// Characters of a random label: 47 bits.
const LENGTH: usize = 10;

/// The name of a wallet among a tenant's, such as `acme.jane.ul`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace(String);

/// The text is no such name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNamespace {
    /// Its length or its characters.
    #[error(
        "must be labels of letters, digits, - and _ with dots between, 255 characters at most, none encoded (xn--)"
    )]
    Form,
    /// It could be taken for another name.
    #[error("mixes scripts, or looks like a name of another script")]
    Confusable,
}

impl Namespace {
    /// A name under a tenant's root (`acme.ul`) with a label that a custom name suggests; `None` when it suggests none.
    pub fn suggested(root: &str, custom: &CustomNamespace) -> Option<Self> {
        let label = custom.text.split('.').next().unwrap_or_default();
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let is_label = (1..=63).contains(&label.len()) && label.bytes().all(is_plain) && !label.starts_with('-');
        is_label.then(|| Self::under(root, label))
    }

    /// A random name under a tenant's root.
    pub fn random(root: &str) -> Self {
        let mut rng = rand::rng();
        let label: String =
            (0..LENGTH).filter_map(|_| ALPHABET.choose(&mut rng)).map(|byte| char::from(*byte)).collect();
        Self::under(root, &label)
    }

    fn under(root: &str, label: &str) -> Self {
        Self(format!("{}.{label}.ul", root.trim_end_matches(".ul")))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name that somebody else has registered, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomNamespace {
    text: String,
    skeleton: String,
}

impl CustomNamespace {
    /// Reads a caller's text, whichever its case.
    pub fn parse(text: &str) -> Result<Self, InvalidNamespace> {
        let text: String = text.nfkc().flat_map(char::to_lowercase).nfkc().collect();
        if !(1..=255).contains(&text.chars().count()) || !text.split('.').all(is_label) {
            return Err(InvalidNamespace::Form);
        }
        if text.split('.').any(is_confusable) {
            return Err(InvalidNamespace::Confusable);
        }
        let skeleton = look(&text);
        Ok(Self { text, skeleton })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same for all names that look alike.
    pub fn skeleton(&self) -> &str {
        &self.skeleton
    }

    /// Whether it looks like a name that we mint (`acme.jane.ul`), today or some day.
    pub fn looks_minted(&self) -> bool {
        self.skeleton.strip_suffix(".ul").is_some_and(|rest| rest.contains('.'))
    }

    /// Whether it looks like a tenant's root.
    pub fn looks_like(&self, root: &str) -> bool {
        self.skeleton == look(root)
    }
}

/// The same for all texts that look alike.
fn look(text: &str) -> String {
    skeleton(text).flat_map(char::to_lowercase).collect()
}

/// What begins with `xn--` is a name of another script in disguise (RFC 5890), which nobody would look at.
fn is_label(label: &str) -> bool {
    let is_inner = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii() && !c.is_control();
    let is_plain = !label.starts_with('-') && !label.starts_with("xn--");
    (1..=63).contains(&label.chars().count()) && label.chars().all(is_inner) && is_plain
}

/// Whether a label mixes scripts, holds what no identifier does, or is of one script and looks like ASCII.
fn is_confusable(label: &str) -> bool {
    !label.check_restriction_level(RestrictionLevel::SingleScript)
        || !label.is_ascii() && skeleton(label).all(|c| c.is_ascii())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn form(name: &str) -> bool {
        let labels: Vec<&str> = name.split('.').collect();
        let is_label = |label: &&str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
        };
        labels.len() == 3 && labels[2] == "ul" && labels.iter().all(is_label)
    }

    #[test]
    fn a_custom_name_is_read_in_lower_case() {
        assert_eq!(CustomNamespace::parse("JoneDoe").unwrap().as_str(), "jonedoe");
        assert_eq!(CustomNamespace::parse("Müller.eth").unwrap().as_str(), "müller.eth");
        for good in ["jonedoe", "custom.domain", "esstech.ul", "john_wink-004", "山田", "δοκιμή.eth"] {
            assert_eq!(CustomNamespace::parse(good).unwrap().as_str(), good);
        }
        for bad in
            ["", ".", "a..b", "a b", "-a", "a/b", "a\u{200d}b", "a\u{202e}b", "a\0b", &"x".repeat(64), "<script>"]
        {
            assert!(CustomNamespace::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_looks_like_another_name_is_refused_or_the_same() {
        for mixed in ["jоnedoe", "раураl", "аpple", "jone\u{0585}"] {
            assert_eq!(CustomNamespace::parse(mixed), Err(InvalidNamespace::Confusable), "{mixed}");
        }
        let skeleton = |text| CustomNamespace::parse(text).unwrap().skeleton().to_owned();
        assert_eq!(skeleton("bill1"), skeleton("billl"));
        assert_eq!(skeleton("barn"), skeleton("bam"));
        assert_ne!(skeleton("jane"), skeleton("jone"));
    }

    #[test]
    fn a_name_in_disguise_is_none() {
        for disguised in ["xn--jonedoe-9za.eth", "XN--80ak6aa92e.com", "jane.xn--p1ai"] {
            assert_eq!(CustomNamespace::parse(disguised), Err(InvalidNamespace::Form), "{disguised}");
        }
    }

    #[test]
    fn what_looks_like_ours_is_known() {
        let minted = |text| CustomNamespace::parse(text).unwrap().looks_minted();
        for ours in ["acme.jane.ul", "acme.person-l.ul", "ACME.JANE.UL", "acme.jane.u1", "a.b.c.ul"] {
            assert!(minted(ours), "{ours}");
        }
        for other in ["acme.ul", "jane.eth", "acme.jane.eth", "ul", "acme.jane.ul.eth"] {
            assert!(!minted(other), "{other}");
        }
        let like = |text: &str, root| CustomNamespace::parse(text).unwrap().looks_like(root);
        assert!(like("acme.ul", "acme.ul") && like("acrne.ul", "acme.ul") && like("Acme.U1", "acme.ul"));
        assert!(!like("acne.ul", "acme.ul"));
    }

    /// What `diolkos_skeleton` does in the database, whose index keeps minted names apart.
    #[test]
    fn of_the_characters_of_minted_names_three_look_like_others() {
        for c in ('a'..='z').chain('0'..='9').chain(['-', '.']) {
            let known = match c {
                '0' => "o".to_owned(),
                '1' => "l".to_owned(),
                'm' => "rn".to_owned(),
                other => other.to_string(),
            };
            assert_eq!(look(&c.to_string()), known, "{c}");
        }
    }

    #[test]
    fn no_two_characters_of_a_random_label_look_alike() {
        let text: String = ALPHABET.iter().map(|byte| char::from(*byte)).collect();
        let alone: HashSet<String> = text.chars().map(|c| skeleton(&c.to_string()).collect()).collect();
        assert_eq!(alone.len(), ALPHABET.len());
        assert!(alone.iter().all(|skeleton| skeleton.len() == 1), "{alone:?}");
    }

    proptest! {
        #[test]
        fn whatever_is_read_reads_the_same_again(text in "\\PC{0,80}") {
            if let Ok(name) = CustomNamespace::parse(&text) {
                prop_assert_eq!(CustomNamespace::parse(name.as_str()), Ok(name.clone()));
                prop_assert_eq!(name.as_str().to_lowercase(), name.as_str());
            }
        }

        #[test]
        fn case_and_width_make_no_other_name(text in "[a-zA-Z0-9]{1,20}") {
            let name = CustomNamespace::parse(&text).unwrap();
            prop_assert_eq!(&CustomNamespace::parse(&text.to_uppercase()).unwrap(), &name);
            let wide: String = text.chars().filter_map(|c| char::from_u32(c as u32 + 0xFEE0)).collect();
            prop_assert_eq!(&CustomNamespace::parse(&wide).unwrap(), &name);
        }

        #[test]
        fn a_letter_of_another_script_makes_no_name(text in "[a-z]{1,20}", at in 0usize..20, letter in "[аеорсухѕіјԁ]") {
            let mut mixed = text.clone();
            mixed.insert_str(at.min(text.len()), &letter);
            prop_assert!(CustomNamespace::parse(&mixed).is_err());
        }

        #[test]
        fn a_minted_name_has_the_form_and_is_the_tenants(root in "[a-z0-9][a-z0-9-]{0,20}", custom in "\\PC{1,30}") {
            let root = format!("{root}.ul");
            let names = CustomNamespace::parse(&custom).ok().and_then(|custom| Namespace::suggested(&root, &custom));
            for name in names.into_iter().chain([Namespace::random(&root)]) {
                prop_assert!(form(name.as_str()), "{}", name.as_str());
                prop_assert!(name.as_str().starts_with(root.trim_end_matches("ul")));
            }
        }
    }
}
