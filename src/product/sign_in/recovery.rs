//! `/preauth/recovery/otp`: a customer who has lost the way to a wallet proves whose phone number it is.
//!
//! Whether a number is a customer's is not told: whoever asks for a code hears the same, after the same work, and only
//! customers are sent one once that is said.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use crate::auth::{Attempt, Device, Purpose, Verdict};
use crate::foundation::{Mode, Phone};
use crate::http::openapi::{WalletError, WalletErrors, WalletPostErrors};
use crate::http::{ClientAddress, Error, Posted, Result};
use crate::product::App;
use crate::product::users::Identities;
use crate::providers::messages::Sms;

const TYPE: &str = "Phone number Verification";

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryWish {
    /// The customer's phone number, E.164.
    #[schema(example = "+919876543210")]
    phone_number: String,
}

#[derive(Serialize, ToSchema)]
pub struct RecoveryBegun {
    data: VerificationRequest,
    message: &'static str,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerificationRequest {
    /// By which the code is verified.
    verification_request_id: Uuid,
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryCode {
    verification_request_id: Uuid,
    /// The customer's phone number, E.164.
    #[schema(example = "+919876543210")]
    phone_number: String,
    /// The six digits that were sent.
    #[validate(length(max = 16))]
    #[schema(example = "123456")]
    otp: String,
}

#[derive(Serialize, ToSchema)]
pub struct Verified {
    message: &'static str,
}

/// Sends a code to a customer's phone.
#[utoipa::path(post, path = "/preauth/recovery/otp/initiate", operation_id = "initiate_recovery", tag = "Sign-in",
    security(("preauth" = [])), request_body = RecoveryWish,
    responses(
        (status = 200, description = "A code was sent if the number is a customer's", body = RecoveryBegun),
        WalletErrors, WalletPostErrors))]
pub async fn initiate(
    device: Device,
    State(app): State<App>,
    from: ClientAddress,
    posted: Posted<RecoveryWish>,
) -> Result<Response> {
    let tenant = device.tenant()?;
    let phone = Phone::of_form(&posted.body.phone_number)
        .map_err(|_| Error::bad_request("invalid_phone", "OTP generation failed.").of_type("catch"))?;
    if !app.messages.carry_sms() {
        return Err(
            Error::new(StatusCode::INTERNAL_SERVER_ERROR, "sms_not_sent", "Failed to send OTP via SMS").of_type(TYPE)
        );
    }
    let once = posted.once.by_device(&device.fingerprint);
    let mut tx = app.db.tenant(tenant).begin().await?;
    if let Some(first) = once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    app.sign_in_limits.code(from, &device)?;
    // Also one who was onboarded and has no wallet of ours.
    let customer = Identities::new(&app.keys, &app.blind_indexer, Mode::Live).id_of(&mut tx, &phone).await?;
    let fingerprint = Some(device.fingerprint.as_str());
    let issued = app.codes.issue(&mut tx, Mode::Live, Purpose::Recovery, phone.e164(), fingerprint).await?;
    let begun = RecoveryBegun {
        data: VerificationRequest { verification_request_id: issued.id },
        message: "An OTP has been sent to the provided phone number.",
    };
    let response = once.commit(tx, StatusCode::OK, &begun).await?;
    if customer.is_some() {
        let text = app.sign_in.code_text(issued.code.expose_secret());
        app.messages.sms_later(Sms { to: phone, text });
    }
    Ok(response)
}

/// Tries a code.
#[utoipa::path(post, path = "/preauth/recovery/otp/verify", operation_id = "verify_recovery", tag = "Sign-in",
    security(("preauth" = [])), request_body = RecoveryCode,
    responses(
        (status = 200, description = "The number is theirs", body = Verified),
        (status = 404, description = "There is no such request of this device", body = WalletError),
        WalletErrors, WalletPostErrors))]
pub async fn verify(
    device: Device,
    State(app): State<App>,
    from: ClientAddress,
    posted: Posted<RecoveryCode>,
) -> Result<Response> {
    let tenant = device.tenant()?;
    let RecoveryCode { verification_request_id, phone_number, otp } = posted.body;
    let phone = Phone::of_form(&phone_number).map_err(|_| incorrect())?;
    let once = posted.once.by_device(&device.fingerprint);
    let attempt = Attempt {
        mode: Mode::Live,
        purpose: Purpose::Recovery,
        id: verification_request_id,
        target: Some(phone.e164()),
        device: Some(&device.fingerprint),
        code: &otp,
    };
    let mut tx = app.db.tenant(tenant).begin().await?;
    if let Some(first) = once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    app.sign_in_limits.attempt(from, &device)?;
    let refused = match app.codes.verify(&mut tx, &attempt).await? {
        Verdict::Verified => {
            let answer = Verified { message: "Email verified successfully." };
            return once.commit(tx, StatusCode::OK, &answer).await;
        }
        Verdict::Wrong | Verdict::Expired => incorrect(),
        Verdict::Spent => Error::forbidden("too_many_attempts", "Too many failed attempts").of_type(TYPE),
        Verdict::AlreadyVerified => {
            Error::conflict("already_verified", "This OTP request is already verified.").of_type(TYPE)
        }
        Verdict::Unknown => Error::not_found("no_such_request", "No OTP request found").of_type(TYPE),
    };
    // The attempt counts.
    tx.commit().await?;
    Err(refused)
}

fn incorrect() -> Error {
    Error::bad_request("incorrect_code", "Incorrect or expired OTP").of_type(TYPE)
}
