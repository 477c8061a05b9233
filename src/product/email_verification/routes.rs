//! `/tenant/customer/api/otp`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::{Validate, ValidateEmail};

use crate::auth::{Attempt, Purpose, TenantOrDevice, Verdict};
use crate::foundation::Mode;
use crate::http::openapi::{WalletError, WalletErrors, WalletPostErrors};
use crate::http::{Error, Posted, Result};
use crate::product::App;
use crate::providers::messages::Mail;

const TYPE: &str = "Email Verification";

#[derive(Deserialize, Validate, ToSchema)]
pub struct EmailWish {
    /// The customer's e-mail address.
    #[schema(example = "email@testemail.com")]
    email: String,
}

#[derive(Serialize, ToSchema)]
pub struct EmailBegun {
    data: EmailRequest,
    message: &'static str,
}

#[derive(Serialize, ToSchema)]
pub struct EmailRequest {
    /// By which the code is verified.
    verification_request_id: Uuid,
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailCode {
    /// The six digits that were sent.
    #[schema(example = "123456")]
    otp: String,
    verification_request_id: Uuid,
}

#[derive(Serialize, ToSchema)]
pub struct EmailVerified {
    message: &'static str,
}

/// Sends a code to an e-mail address.
#[utoipa::path(post, path = "/tenant/customer/api/otp/request", operation_id = "request_email_code", tag = "Email verification",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = []), ("preauth" = [])), request_body = EmailWish,
    responses(
        (status = 201, description = "The code was sent", body = EmailBegun),
        WalletErrors, WalletPostErrors))]
pub async fn request(caller: TenantOrDevice, State(app): State<App>, posted: Posted<EmailWish>) -> Result<Response> {
    let (tenant, mode) = (caller.tenant()?, caller.mode());
    let email = normal(&posted.body.email).ok_or_else(not_made)?;
    let mut tx = app.db.tenant(tenant).begin().await?;
    if let Some(first) = posted.once.replay(&mut tx, mode).await? {
        return Ok(first);
    }
    let device = match &caller {
        TenantOrDevice::Tenant(_) => None,
        TenantOrDevice::Device(device) => Some(device.fingerprint.as_str()),
    };
    let issued = app.codes.issue(&mut tx, mode, Purpose::Email, &email, device).await?;
    tx.commit().await?;
    // A test key's code is known.
    if mode == Mode::Live {
        let mail = Mail {
            to: email,
            subject: format!("Your code for {}", app.sign_in.app),
            text: app.sign_in.code_text(issued.code.expose_secret()),
        };
        app.messages.mail(&mail).await.map_err(|error| not_made().because(error))?;
    }
    // Kept only now, so that a repetition of a request whose mail did not go sends another.
    let answer = EmailBegun {
        data: EmailRequest { verification_request_id: issued.id },
        message: "OTP has been sent on provided email.",
    };
    let mut tx = app.db.tenant(tenant).begin().await?;
    if let Some(first) = posted.once.replay(&mut tx, mode).await? {
        return Ok(first);
    }
    posted.once.commit(tx, StatusCode::CREATED, &answer).await
}

/// Tries a code.
#[utoipa::path(post, path = "/tenant/customer/api/otp/verify", operation_id = "verify_email_code", tag = "Email verification",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = []), ("preauth" = [])), request_body = EmailCode,
    responses(
        (status = 201, description = "The address is theirs", body = EmailVerified),
        (status = 404, description = "There is no such request", body = WalletError),
        WalletErrors, WalletPostErrors))]
pub async fn verify(
    caller: TenantOrDevice,
    State(app): State<App>,
    posted: Posted<EmailCode>,
) -> Result<(StatusCode, Json<EmailVerified>)> {
    let (tenant, mode) = (caller.tenant()?, caller.mode());
    let EmailCode { otp, verification_request_id } = posted.body;
    if otp.len() != 6 || !otp.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::bad_request("invalid_code", "Invalid OTP").of_type(TYPE));
    }
    let device = match &caller {
        TenantOrDevice::Tenant(_) => None,
        TenantOrDevice::Device(device) => Some(device.fingerprint.as_str()),
    };
    let attempt =
        Attempt { mode, purpose: Purpose::Email, id: verification_request_id, target: None, device, code: &otp };
    let mut tx = app.db.tenant(tenant).begin().await?;
    let verdict = app.codes.verify(&mut tx, &attempt).await?;
    tx.commit().await?;
    match verdict {
        Verdict::Verified => Ok((StatusCode::CREATED, Json(EmailVerified { message: "Email verified successfully." }))),
        Verdict::Wrong | Verdict::Expired => {
            Err(Error::unauthorized("incorrect_code", "OTP expired or incorrect").of_type(TYPE))
        }
        Verdict::Spent => {
            Err(Error::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", "Too many failed attempts")
                .of_type(TYPE))
        }
        Verdict::AlreadyVerified => Err(Error::conflict("already_verified", "OTP already verified").of_type(TYPE)),
        Verdict::Unknown => Err(Error::not_found("no_such_request", "No OTP request found").of_type(TYPE)),
    }
}

/// An address as it is compared: its domain is the same in any case (RFC 5321 §2.4).
fn normal(email: &str) -> Option<String> {
    let email = email.trim();
    let (local, domain) = email.rsplit_once('@')?;
    (email.len() <= 254 && email.validate_email()).then(|| format!("{local}@{}", domain.to_lowercase()))
}

fn not_made() -> Error {
    Error::bad_request("no_code", "OTP generation got failed.").of_type(TYPE)
}
