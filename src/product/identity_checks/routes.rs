//! `POST /tenant/customer/get-auth-url`, `POST /tenant/customer/validate-user`

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{NaiveDate, SubsecRound};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::check::{AGAIN, BEGINNING, Check, Owner, TYPE, not_found, of_caller, provider};
use super::request::{NewIdentityCheck, NewValidation};
use super::store::{self, State as Standing};
use super::worker::{Outcome, settle};
use super::{check, policy};
use crate::auth::AnyCaller;
use crate::db::TenantTx;
use crate::foundation::{FailPoint, Mode};
use crate::http::idempotency::{First, Once, still_running};
use crate::http::openapi::{WalletErrors, WalletPostErrors};
use crate::http::{ClientAddress, Error, Posted, Result, Shape};
use crate::product::App;
use crate::providers::verification::{Begun, Person};

/// The check has begun.
#[derive(Serialize, ToSchema)]
pub struct IdentityCheckBegun {
    data: IdentityRequest,
    #[schema(example = "Success")]
    message: &'static str,
}

/// By which it is validated.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityRequest {
    request_id: Uuid,
    /// `0`: the link is on its way.
    #[schema(example = "0")]
    status: &'static str,
    #[schema(example = "Success")]
    description: &'static str,
}

/// Who they are.
#[derive(Serialize, ToSchema)]
pub struct IdentityProven {
    data: IdentityOfPerson,
}

/// Who somebody is, as the provider knows them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityOfPerson {
    #[schema(example = "Tod")]
    first_name: String,
    #[schema(example = "Weedall")]
    last_name: String,
    addresses: IdentityAddress,
    email_addresses: Vec<String>,
    #[schema(example = "565228370")]
    ssn: Option<String>,
    #[schema(example = "1984-12-10")]
    dob: Option<NaiveDate>,
    /// 0 to 1000.
    #[schema(example = 1000)]
    trust_score: i32,
}

/// Where somebody lives.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityAddress {
    #[schema(example = "39 South Trail")]
    address: Option<String>,
    extended_address: Option<String>,
    #[schema(example = "San Antonio")]
    city: Option<String>,
    #[schema(example = "TX")]
    region: Option<String>,
    #[schema(example = "78285")]
    postal_code: Option<String>,
}

/// Begins an identity check: a link goes to the number, and whoever follows it comes to `finalTargetUrl` with a fingerprint.
///
/// One of `dob` and `ssn` is required. The check can be used for half an hour, by who began it alone.
#[utoipa::path(post, path = "/tenant/customer/get-auth-url", operation_id = "begin_identity_check",
    tag = "Identity checks",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = []), ("wallet" = []), ("preauth" = [])),
    request_body = NewIdentityCheck,
    responses(
        (status = 202, description = "The link is on its way", body = IdentityCheckBegun),
        WalletErrors, WalletPostErrors))]
pub async fn begin(
    caller: AnyCaller,
    State(app): State<App>,
    from: ClientAddress,
    posted: Posted<NewIdentityCheck>,
) -> Result<Response> {
    let (tenant, mode) = (caller.tenant()?, caller.mode());
    let owner = Owner::of(&caller, tenant, &app.blind_indexer);
    let Posted { body, once } = posted;
    let once = of_caller(once, &caller);
    let seen = (owner != Owner::Tenant).then_some(from.0);
    let (start, phone) = body.checked(seen, app.clock.now())?;
    let provider = provider(&app, mode)?;
    let mut tx = app.db.tenant(tenant).begin().await?;
    if let Some(first) = once.first(&mut tx, mode).await? {
        if let Some(repeated) = repeat(&app, &mut tx, mode, &once, first).await? {
            return Ok(repeated);
        }
        // By itself: whoever holds a check waits for no customer.
        tx.commit().await?;
        tx = app.db.tenant(tenant).begin().await?;
        if once.first(&mut tx, mode).await?.is_some() {
            return Err(still_running());
        }
    }
    if owner != Owner::Tenant {
        policy::admit(&mut tx, &start.final_target_url).await?;
    }
    if let AnyCaller::Device(device) = &caller {
        app.sign_in_limits.code(from, device)?;
    }
    check::store(&app, &mut tx, mode, &owner, &start, &phone).await?;
    // Whoever repeats the request meanwhile has no second message sent.
    once.keep(&mut tx, StatusCode::ACCEPTED, &KeptAnswer::of(start.check)?).await?;
    tx.commit().await?;
    FailPoint::IdentityCheckStored.reached();
    let begun = provider.start(&start).await;

    let mut tx = app.db.tenant(tenant).begin().await?;
    let refused = match begun {
        Ok(Begun::Sent { reference }) => {
            let check = Check::hold(&app, &mut tx, mode, start.check).await?.ok_or_else(not_begun)?;
            if !store::mark_sent(&mut tx, start.check, &check.seal("reference", &reference)?).await? {
                return Err(not_begun());
            }
            tx.commit().await?;
            return Ok((StatusCode::ACCEPTED, axum::Json(IdentityCheckBegun::of(start.check))).into_response());
        }
        Ok(Begun::Unreachable) => Error::bad_request("message_not_sent", "SMS request got failed").of_type(TYPE),
        Ok(Begun::Refused) => not_begun(),
        // Whether the link was sent or not: nobody has the id by which it could be used.
        Err(error) => not_begun().because(error),
    };
    if store::mark_failed(&mut tx, start.check, app.clock.now().trunc_subsecs(6)).await? {
        once.forget(&mut tx).await?;
    }
    tx.commit().await?;
    Err(refused)
}

/// What is said to a repetition. Nothing when the first request came to nothing or has died: then it is done anew.
async fn repeat(app: &App, tx: &mut TenantTx, mode: Mode, once: &Once, mut first: First) -> Result<Option<Response>> {
    let KeptAnswer { check } = serde_json::from_slice(&first.body).map_err(Error::internal)?;
    let now = app.clock.now().trunc_subsecs(6);
    match store::hold(tx, mode, check).await? {
        Some(row) if row.state == Standing::Waiting && now < row.created_at + BEGINNING => Err(still_running()),
        Some(row) if matches!(row.state, Standing::Waiting | Standing::Failed) && row.reference.is_none() => {
            store::mark_failed(tx, check, now).await?;
            once.forget(tx).await?;
            Ok(None)
        }
        // What is forgotten has the id that it had.
        _ => {
            first.body = serde_json::to_vec(&IdentityCheckBegun::of(check)).map_err(Error::internal)?;
            Ok(Some(first.response()))
        }
    }
}

#[track_caller]
fn not_begun() -> Error {
    Error::bad_request("identity_check_not_begun", "Get auth URL request got failed").of_type(TYPE)
}

/// What is kept of the answer for repetitions: what is personal stays with the check.
#[derive(Serialize, Deserialize)]
struct KeptAnswer {
    check: Uuid,
}

impl KeptAnswer {
    fn of(check: Uuid) -> Result<Vec<u8>> {
        serde_json::to_vec(&Self { check }).map_err(Error::internal)
    }
}

impl IdentityCheckBegun {
    fn of(check: Uuid) -> Self {
        let data = IdentityRequest { request_id: check, status: "0", description: "Success" };
        Self { data, message: "Success" }
    }
}

/// Says who a fingerprint proves. Repeated with the same fingerprint it says the same, for an hour and a half at least.
///
/// When a customer has begun the check, or it is of a customer's number, and the customer has told the same name, day of
/// birth and social security number, the customer's `kycStatus` is `ACCEPTED` from then on.
#[utoipa::path(post, path = "/tenant/customer/validate-user", operation_id = "validate_identity",
    tag = "Identity checks",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = []), ("wallet" = []), ("preauth" = [])),
    request_body = NewValidation,
    responses(
        (status = 202, description = "Who they are", body = IdentityProven),
        WalletErrors, WalletPostErrors))]
pub async fn validate(caller: AnyCaller, State(app): State<App>, posted: Posted<NewValidation>) -> Result<Response> {
    let (tenant, mode) = (caller.tenant()?, caller.mode());
    let owner = Owner::of(&caller, tenant, &app.blind_indexer);
    let Posted { body, once } = posted;
    let once = of_caller(once, &caller);
    let (id, fingerprint) = body.checked()?;

    let mut tx = app.db.tenant(tenant).begin().await?;
    if let Some(mut first) = once.first(&mut tx, mode).await? {
        let kept: KeptAnswer = serde_json::from_slice(&first.body).map_err(Error::internal)?;
        let check = Check::hold(&app, &mut tx, mode, kept.check).await?.ok_or_else(not_found)?;
        first.body = serde_json::to_vec(&IdentityProven::of(check.person()?)).map_err(Error::internal)?;
        return Ok(first.response());
    }
    take(&app, &mut tx, mode, &owner, (id, &fingerprint)).await?;
    tx.commit().await?;
    FailPoint::FingerprintStored.reached();

    let person = match settle(&app, tenant, id).await? {
        Ok(Outcome::Proven(person)) => *person,
        Ok(Outcome::NotProven) => return Err(not_proven()),
        Ok(Outcome::Gone) => return Err(not_found()),
        Err(error) => return Err(not_validated().because(error)),
    };
    let mut tx = app.db.tenant(tenant).begin().await?;
    if once.first(&mut tx, mode).await?.is_none() {
        once.keep(&mut tx, StatusCode::ACCEPTED, &KeptAnswer::of(id)?).await?;
    }
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, axum::Json(IdentityProven::of(person))).into_response())
}

/// Gives a check a fingerprint, unless it has this one already, and takes the turn to ask about it. 400 when it is not the
/// caller's or can be used no more, 409 while another fingerprint is looked at, 503 when it is too early to ask again.
async fn take(app: &App, tx: &mut TenantTx, mode: Mode, owner: &Owner, (id, fingerprint): (Uuid, &str)) -> Result<()> {
    let now = app.clock.now().trunc_subsecs(6);
    let check = Check::hold(app, tx, mode, id).await?.filter(|check| check.row.owner == *owner);
    let check = check.ok_or_else(not_found)?;
    match check.row.state {
        Standing::Sent if check.is_usable(now) => {
            let sealed = check.seal("fingerprint", &fingerprint)?;
            Ok(store::begin_validation(tx, id, &sealed, now + AGAIN).await?)
        }
        Standing::Proven if check.fingerprint()? == fingerprint => Ok(()),
        Standing::Validating if check.fingerprint()? == fingerprint => {
            let has_turn = store::take_turn(tx, id, now, now + AGAIN).await?;
            if has_turn { Ok(()) } else { Err(not_validated()) }
        }
        Standing::Validating => Err(Error::conflict("validating", "Another fingerprint is being validated")
            .of_type(TYPE)
            .retry_after(Duration::from_secs(5))),
        // A check proves somebody once.
        Standing::Waiting
        | Standing::Sent
        | Standing::Proven
        | Standing::Refused
        | Standing::Failed
        | Standing::Expired => Err(not_found()),
    }
}

#[track_caller]
fn not_proven() -> Error {
    let message = "The verification fingerprint is not valid";
    Error::bad_request("not_proven", message).of_type(TYPE).shaped(Shape::Caught)
}

/// 503: the provider has not answered yet.
#[track_caller]
fn not_validated() -> Error {
    let message = "The identity cannot be checked at the moment; try again";
    let refused = Error::new(StatusCode::SERVICE_UNAVAILABLE, "not_validated", message).of_type(TYPE);
    refused.retry_after(Duration::from_secs(5))
}

impl IdentityProven {
    fn of(person: Person) -> Self {
        let Person { first_name, last_name, address, email_addresses, ssn, date_of_birth, trust_score } = person;
        let addresses = IdentityAddress {
            address: address.address,
            extended_address: address.extended_address,
            city: address.city,
            region: address.region,
            postal_code: address.postal_code,
        };
        let dob = date_of_birth;
        Self { data: IdentityOfPerson { first_name, last_name, addresses, email_addresses, ssn, dob, trust_score } }
    }
}
