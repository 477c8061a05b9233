//! The documented refusals, in their documented words.

use axum::http::StatusCode;

use crate::http::{Error, Shape};

#[track_caller]
fn refused(code: &'static str, kind: &'static str, message: &'static str) -> Error {
    Error::bad_request(code, message).of_type(kind)
}

/// A 400 as onboarding is documented to write it; other refusals as they are.
pub fn enveloped(refused: Error) -> Error {
    if refused.status() == StatusCode::BAD_REQUEST { refused.shaped(Shape::Nested) } else { refused }
}

/// Another business of the tenant has the domain.
#[track_caller]
pub fn domain_taken() -> Error {
    refused("domain_taken", "Duplicate", "Business domain already exists")
}

/// Another business of the tenant has the e-mail address.
#[track_caller]
pub fn email_taken() -> Error {
    refused("email_taken", "Duplicate", "Business user is already registered with provided email id")
}

/// Another business of the tenant is controlled by somebody with the e-mail address.
#[track_caller]
pub fn control_person_taken() -> Error {
    refused(
        "control_person_taken",
        "Duplicate",
        "Business's control person is already registered with provided email id",
    )
}

/// Another business of the tenant has the name.
#[track_caller]
pub fn name_taken() -> Error {
    refused("name_taken", "onboard", "Business name already exists")
}

/// The tenant has no such badge for businesses.
#[track_caller]
pub fn not_onboarded() -> Error {
    refused("badge_not_allocated", "onboard", "Not able to onboard business")
}

/// The answer that was kept is about a business that was forgotten.
#[track_caller]
pub fn no_account() -> Error {
    refused("business_gone", "onboard", "Not able to create account")
}

/// Neither a country nor a part of it.
#[track_caller]
pub fn no_such_place() -> Error {
    let message = "Please provide a valid ISO 3166-1 alpha-2 country and state code";
    refused("no_such_place", "onboard", message)
}

/// The tenant has no such business.
#[track_caller]
pub fn unknown() -> Error {
    refused("business_user_not_found", "catch", "Please provide valid business user id")
}
