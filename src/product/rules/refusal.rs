//! What a movement that a rule forbids is answered with.

use crate::http::Error;

/// A rule that a movement does not meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For programs, such as `ULDT2005`.
    pub error_code: String,
    /// What was refused, such as `deposit-tier2-failed`.
    pub error_type: String,
    /// For people.
    pub message: String,
}

/// 403 `rule_violated` with the rule's code and text; in the wallet API with the rule's type as well.
impl From<Refusal> for Error {
    #[track_caller]
    fn from(refusal: Refusal) -> Self {
        Self::forbidden("rule_violated", refusal.message)
            .of_type(refusal.error_type)
            .with("error_code", refusal.error_code)
    }
}
