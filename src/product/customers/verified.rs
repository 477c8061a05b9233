//! What of a customer counts as verified: what the check that accepted them was shown, as long as it stays as it was.

use super::profile::Profile;

/// Something that checks look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verifiable {
    /// A paper of a government's.
    GovernmentId,
    /// A paper that shows where the customer lives.
    ProofOfAddress,
    /// The social security number.
    Ssn,
}

/// Which things are verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified(Vec<Verifiable>);

impl Verifiable {
    const ALL: [Self; 3] = [Self::GovernmentId, Self::ProofOfAddress, Self::Ssn];

    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GovernmentId => "government_id",
            Self::ProofOfAddress => "proof_of_address",
            Self::Ssn => "ssn",
        }
    }

    /// The fields of a profile that tell it.
    const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::GovernmentId => &["governmentDocuments", "passport"],
            Self::ProofOfAddress => &["proofOfAddress"],
            Self::Ssn => &["ssn"],
        }
    }
}

impl Verified {
    /// What a check is shown of a profile.
    pub fn shown_in(profile: &Profile) -> Self {
        let is_told = |thing: &Verifiable| thing.fields().iter().any(|field| profile.tells(field));
        Self(Verifiable::ALL.into_iter().filter(is_told).collect())
    }

    /// What is left of it where the profile has become another.
    pub fn after(self, old: &Profile, new: &Profile) -> Self {
        let is_same = |thing: &Verifiable| thing.fields().iter().all(|field| old.0.get(*field) == new.0.get(*field));
        Self(self.0.into_iter().filter(is_same).collect())
    }

    /// Whether this is verified.
    pub fn has(&self, thing: Verifiable) -> bool {
        self.0.contains(&thing)
    }

    /// The words in the database.
    pub fn words(&self) -> Vec<&'static str> {
        self.0.iter().map(|thing| thing.as_str()).collect()
    }

    /// What words in the database say; unknown ones say nothing.
    pub fn from_words(words: &[String]) -> Self {
        Self(Verifiable::ALL.into_iter().filter(|thing| words.iter().any(|word| word == thing.as_str())).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn profile(fields: &[(&str, &str)]) -> Profile {
        Profile(fields.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect())
    }

    #[test]
    fn what_is_blank_was_not_shown() {
        let told = profile(&[("ssn", " "), ("passport", "p1")]);
        assert_eq!(Verified::shown_in(&told).words(), ["government_id"]);
    }

    #[test]
    fn what_was_shown_is_verified_until_it_changes() {
        let old = profile(&[("passport", "p1"), ("ssn", "1")]);
        let shown = Verified::shown_in(&old);
        assert_eq!(shown.words(), ["government_id", "ssn"]);
        let same = profile(&[("passport", "p1"), ("ssn", "1"), ("occupation", "Engineer")]);
        assert_eq!(shown.clone().after(&old, &same), shown);
        let renumbered = profile(&[("passport", "p1"), ("ssn", "2")]);
        assert_eq!(shown.clone().after(&old, &renumbered).words(), ["government_id"]);
        // A paper more is a paper that nobody has seen, and what comes later was not shown.
        let more = profile(&[("passport", "p1"), ("governmentDocuments", "g1"), ("ssn", "1"), ("proofOfAddress", "a")]);
        assert_eq!(shown.clone().after(&old, &more).words(), ["ssn"]);
        let words: Vec<String> = shown.words().into_iter().map(ToOwned::to_owned).collect();
        assert_eq!(Verified::from_words(&words), shown);
    }
}
