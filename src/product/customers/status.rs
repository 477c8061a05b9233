//! Where a customer stands.
//!
//! ```text
//!              onboarding  compliance  account   funding
//! onboarded    PENDING     PENDING     INACTIVE  PENDING
//!   accepted   ACCEPTED    ACCEPTED    ACTIVE    ACCEPTED
//!   rejected   REJECTED    REJECTED    INACTIVE  REJECTED
//! looked at again: compliance PENDING until that ends; then accepted as above, or
//!   rejected   ACCEPTED    REJECTED    BLOCKED   REJECTED
//! ```
//!
//! A person who looks makes compliance REVIEW. KYC is said by identity checks, not here.

use crate::providers::compliance::Verdict;

/// What a customer's profile says of where they stand; the words are those of the database and of the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether they may be a customer at all.
    pub onboarding: Decision,
    /// What the newest check says.
    pub compliance: Decision,
    /// What identity checks say.
    pub kyc: Decision,
    /// Whether they can do anything.
    pub account: Account,
    /// Whether they can be paid to.
    pub funding: Decision,
}

/// How far a decision is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nobody has decided.
    Pending,
    /// A person looks.
    Review,
    /// Yes.
    Accepted,
    /// No.
    Rejected,
}

/// Whether a customer can do anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// Not yet.
    Inactive,
    /// Yes.
    Active,
    /// No more.
    Blocked,
}

impl Decision {
    const ALL: [Self; 4] = [Self::Pending, Self::Review, Self::Accepted, Self::Rejected];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Review => "REVIEW",
            Self::Accepted => "ACCEPTED",
            Self::Rejected => "REJECTED",
        }
    }

    /// The decision of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|decision| decision.as_str() == word)
    }
}

impl Account {
    const ALL: [Self; 3] = [Self::Inactive, Self::Active, Self::Blocked];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "INACTIVE",
            Self::Active => "ACTIVE",
            Self::Blocked => "BLOCKED",
        }
    }

    /// The state of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|account| account.as_str() == word)
    }
}

impl Standing {
    /// Of somebody who has just told who they are.
    pub const ONBOARDED: Self = Self {
        onboarding: Decision::Pending,
        compliance: Decision::Pending,
        kyc: Decision::Pending,
        account: Account::Inactive,
        funding: Decision::Pending,
    };

    /// Somebody looks again.
    pub fn looked_at_again(self) -> Self {
        Self { compliance: Decision::Pending, ..self }
    }

    /// A check came to this.
    pub fn after(self, verdict: &Verdict) -> Self {
        let was_accepted = self.onboarding == Decision::Accepted;
        match verdict {
            Verdict::Unknown => self,
            Verdict::Pending => Self { compliance: Decision::Pending, ..self },
            Verdict::Review => Self { compliance: Decision::Review, ..self },
            Verdict::Accepted => Self {
                onboarding: Decision::Accepted,
                compliance: Decision::Accepted,
                account: Account::Active,
                funding: Decision::Accepted,
                ..self
            },
            Verdict::Rejected(_) => Self {
                onboarding: if was_accepted { Decision::Accepted } else { Decision::Rejected },
                compliance: Decision::Rejected,
                account: if was_accepted { Account::Blocked } else { Account::Inactive },
                funding: Decision::Rejected,
                ..self
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::compliance::Denial;

    fn words(standing: &Standing) -> [&'static str; 4] {
        let Standing { onboarding, compliance, account, funding, .. } = standing;
        [onboarding.as_str(), compliance.as_str(), account.as_str(), funding.as_str()]
    }

    #[test]
    fn a_check_ends_what_it_was_made_for() {
        let new = Standing::ONBOARDED;
        assert_eq!(words(&new), ["PENDING", "PENDING", "INACTIVE", "PENDING"]);
        let review = new.clone().after(&Verdict::Review);
        assert_eq!(words(&review), ["PENDING", "REVIEW", "INACTIVE", "PENDING"]);
        let rejected = Verdict::Rejected(Denial::default());
        assert_eq!(words(&review.clone().after(&rejected)), ["REJECTED", "REJECTED", "INACTIVE", "REJECTED"]);
        let accepted = review.after(&Verdict::Accepted);
        assert_eq!(words(&accepted), ["ACCEPTED", "ACCEPTED", "ACTIVE", "ACCEPTED"]);
        let again = accepted.looked_at_again();
        assert_eq!(words(&again), ["ACCEPTED", "PENDING", "ACTIVE", "ACCEPTED"]);
        let blocked = again.after(&rejected);
        assert_eq!(words(&blocked), ["ACCEPTED", "REJECTED", "BLOCKED", "REJECTED"]);
        assert_eq!(words(&blocked.after(&Verdict::Accepted)), ["ACCEPTED", "ACCEPTED", "ACTIVE", "ACCEPTED"]);
    }
}
