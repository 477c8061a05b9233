//! Live and test.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether a key, and all that it makes, is real or a rehearsal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Real money on the real chain.
    #[default]
    Live,
    /// The same code against a simulated chain; never sees live records.
    Test,
}

impl Mode {
    /// The word in the database and in keys (`sk_live_…`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }

    /// The mode of a word in the database.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "live" => Some(Self::Live),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}
