//! `/tenant/customer/api/otp`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::{Validate, ValidateEmail};

use super::asker::Asker;
use crate::auth::{Attempt, Purpose, TenantOrDevice, Verdict};
use crate::db::TenantTx;
use crate::foundation::Mode;
use crate::http::idempotency::Once;
use crate::http::openapi::{WalletError, WalletErrors, WalletPostErrors};
use crate::http::{ClientAddress, Error, Posted, Result};
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
pub async fn request(
    Asker(caller): Asker,
    State(app): State<App>,
    from: ClientAddress,
    posted: Posted<EmailWish>,
) -> Result<Response> {
    let (tenant, mode) = (caller.tenant()?, caller.mode());
    let email = Email::parse(&posted.body.email).ok_or_else(not_made)?;
    let (once, device) = of_caller(posted.once, &caller);
    let mut tx = app.db.tenant(tenant).begin().await?;
    if let Some(first) = once.replay(&mut tx, mode).await? {
        return Ok(first);
    }
    if let TenantOrDevice::Device(device) = &caller {
        app.sign_in_limits.code(from, device)?;
    }
    let issued = app.codes.issue(&mut tx, mode, Purpose::Email, &email.compared, device).await?;
    let answer = EmailBegun {
        data: EmailRequest { verification_request_id: issued.id },
        message: "OTP has been sent on provided email.",
    };
    let response = once.commit(tx, StatusCode::CREATED, &answer).await?;
    // A test key's code is known.
    if mode == Mode::Live {
        let mail = Mail {
            to: email.typed,
            subject: format!("Your code for {}", app.sign_in.app),
            text: app.sign_in.code_text(issued.code.expose_secret()),
        };
        if let Err(error) = app.messages.mail(&mail).await {
            // A repetition sends another.
            let mut tx = app.db.tenant(tenant).begin().await?;
            once.forget(&mut tx).await?;
            tx.commit().await?;
            return Err(not_made().because(error));
        }
    }
    Ok(response)
}

/// Tries a code.
#[utoipa::path(post, path = "/tenant/customer/api/otp/verify", operation_id = "verify_email_code", tag = "Email verification",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = []), ("preauth" = [])), request_body = EmailCode,
    responses(
        (status = 201, description = "The address is theirs", body = EmailVerified),
        (status = 404, description = "There is no such request", body = WalletError),
        WalletErrors, WalletPostErrors))]
pub async fn verify(Asker(caller): Asker, State(app): State<App>, posted: Posted<EmailCode>) -> Result<Response> {
    let (tenant, mode) = (caller.tenant()?, caller.mode());
    let EmailCode { otp, verification_request_id } = posted.body;
    if otp.len() != 6 || !otp.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::bad_request("invalid_code", "Invalid OTP").of_type(TYPE));
    }
    let (once, device) = of_caller(posted.once, &caller);
    let attempt =
        Attempt { mode, purpose: Purpose::Email, id: verification_request_id, target: None, device, code: &otp };
    let mut tx = app.db.tenant(tenant).begin().await?;
    if let Some(first) = once.replay(&mut tx, mode).await? {
        return Ok(first);
    }
    let refused = match app.codes.verify(&mut tx, &attempt).await? {
        Verdict::Verified => {
            let answer = EmailVerified { message: "Email verified successfully." };
            return once.commit(tx, StatusCode::CREATED, &answer).await;
        }
        Verdict::Wrong => Error::unauthorized("incorrect_code", "OTP expired or incorrect"),
        Verdict::Expired => Error::bad_request("expired_code", "OTP expired or incorrect"),
        Verdict::Spent => Error::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", "Too many failed attempts"),
        Verdict::AlreadyVerified => Error::conflict("already_verified", "OTP already verified"),
        Verdict::Unknown => Error::not_found("no_such_request", "No OTP request found"),
    };
    // The attempt counts.
    tx.commit().await?;
    Err(refused.of_type(TYPE))
}

/// What repetitions are known by, and the device that asks, where one does.
fn of_caller(once: Once, caller: &TenantOrDevice) -> (Once, Option<&str>) {
    match caller {
        TenantOrDevice::Tenant(_) => (once, None),
        TenantOrDevice::Device(device) => (once.by_device(&device.fingerprint), Some(&device.fingerprint)),
    }
}

/// An e-mail address.
struct Email {
    /// As it was typed.
    typed: String,
    /// As it is compared: in small letters, which is how mailboxes are told apart in practice, and its domain in ASCII.
    compared: String,
}

impl Email {
    fn parse(text: &str) -> Option<Self> {
        let typed = text.trim();
        let (local, domain) = typed.rsplit_once('@')?;
        let is_plain = typed.len() <= 254 && !typed.contains(|c: char| c.is_control() || c.is_whitespace());
        let url::Host::Domain(domain) = url::Host::parse(domain).ok()? else { return None };
        (is_plain && typed.validate_email())
            .then(|| Self { typed: typed.to_owned(), compared: format!("{}@{domain}", local.to_lowercase()) })
    }
}

/// What other features may do with codes by e-mail.
pub struct EmailCodes;

impl EmailCodes {
    /// Removes what is kept of the codes that were sent to an address.
    pub async fn forget(app: &App, tx: &mut TenantTx, mode: Mode, address: &str) -> Result<()> {
        let Some(email) = Email::parse(address) else { return Ok(()) };
        app.codes.forget(tx, mode, Purpose::Email, &email.compared).await
    }
}

fn not_made() -> Error {
    Error::bad_request("no_code", "OTP generation got failed.").of_type(TYPE)
}
