//! People and businesses.

use crate::product::badges::UserGroup;

/// What a customer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Somebody.
    Person,
    /// A company, with those who own and control it.
    Business,
}

impl Kind {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Business => "business",
        }
    }

    /// The kind of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Person, Self::Business].into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whose badges they get.
    pub const fn user_group(self) -> UserGroup {
        match self {
            Self::Person => UserGroup::WalletUser,
            Self::Business => UserGroup::BusinessUser,
        }
    }
}
