//! Refusals as these routes are documented to write them: one object where others have a list.

use axum::http::StatusCode;

use crate::http::{Error, Shape};

/// 400: the documented words for all that is wrong with a request; what it was stays in the log.
#[track_caller]
pub fn went_wrong(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::bad_request("not_done", "Something went wrong, please try again")
        .of_type("catch")
        .shaped(Shape::Single)
        .because(why)
}

/// The documented 400 in place of another one, such as a parameter that is missing; other refusals as they are.
pub fn documented(refused: Error) -> Error {
    if refused.status() == StatusCode::BAD_REQUEST { went_wrong(refused) } else { refused }
}

/// 404: nobody's consent is asked for that.
#[track_caller]
pub fn no_vendor() -> Error {
    Error::not_found("vendor_not_found", "No data found").of_type("Consent").shaped(Shape::Bare)
}

/// 404: nothing was ever consented to.
#[track_caller]
pub fn no_consent() -> Error {
    Error::not_found("consent_not_found", "No consent is available, please accept the consent")
        .of_type("No data found")
        .shaped(Shape::Single)
}
