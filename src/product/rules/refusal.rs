//! What a movement that is forbidden is answered with.

use std::time::Duration;

use axum::http::StatusCode;

use crate::http::Error;

/// When a customer may be free again.
const SOON: Duration = Duration::from_secs(1);

/// Why a movement is forbidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does not meet a rule.
    Violates(Violation),
    /// Compliance has rejected the customer, or the account is blocked.
    Barred,
    /// Somebody else moves the customer's money, or changes the customer, for longer than others can wait.
    Busy,
}

/// A rule that a movement does not meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// For programs, such as `ULDT2005`.
    pub error_code: String,
    /// What was refused, such as `deposit-tier2-failed`.
    pub error_type: String,
    /// For people.
    pub message: String,
}

/// 403: `rule_violated` with the rule's code and text, in the wallet API with the rule's type as well; or
/// `customer_barred`. 503 with `Retry-After`: `customer_busy`.
impl From<Refusal> for Error {
    #[track_caller]
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Violates(rule) => Self::forbidden("rule_violated", rule.message)
                .of_type(rule.error_type)
                .with("error_code", rule.error_code),
            Refusal::Barred => {
                Self::forbidden("customer_barred", "compliance has rejected this customer, or the account is blocked")
            }
            Refusal::Busy => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "customer_busy",
                "another request about this customer is not done yet; try again",
            )
            .retry_after(SOON),
        }
    }
}
