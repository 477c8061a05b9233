//! `/v1/users/update-phone`, `/v1/dashboard/users/{blind_index}/update-phone`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use super::phone_change::{self, Changer, Held};
use super::routes::{ProvisionStatus, ProvisionedWallet, read_phone};
use super::{Directory, store};
use crate::auth::{Dashboard, Tenant};
use crate::db::TenantTx;
use crate::foundation::{Mode, Phone};
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, Path, Posted, Result};
use crate::product::App;
use crate::product::customers::History;

#[derive(Deserialize, Validate, ToSchema)]
pub struct UpdatePhone {
    /// The number that the customer has, E.164.
    #[schema(example = "+2250700000001")]
    old_phone_number: String,
    /// The number that the customer gets, E.164; no wallet has it.
    #[schema(example = "+2250700000099")]
    new_phone_number: String,
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct NewPhone {
    /// The number that the customer gets, E.164; no wallet has it.
    #[schema(example = "+2250700000099")]
    new_phone_number: String,
}

/// Moves a customer to a new phone number.
///
/// The wallet, its balance and its history stay; the blind index changes. The old number is free: provisioning it again
/// makes a new wallet at a new address. A number that has a wallet, be it the customer's own, is a 409.
#[utoipa::path(post, path = "/v1/users/update-phone", operation_id = "update_phone", tag = "Users", security(("api_key" = [])),
    request_body = UpdatePhone,
    responses(
        (status = 200, description = "The same wallet, with the new blind index", body = ProvisionedWallet),
        (status = 404, description = "No wallet is provisioned for the old phone number", body = CaasError),
        CaasErrors, CaasPostErrors))]
pub async fn update_phone(caller: Tenant, State(app): State<App>, posted: Posted<UpdatePhone>) -> Result<Response> {
    let old = read_phone("old_phone_number", &posted.body.old_phone_number)?;
    let new = read_phone("new_phone_number", &posted.body.new_phone_number)?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = posted.once.replay(&mut tx, caller.mode).await? {
        return Ok(first);
    }
    let index = Directory::new(app.blind_indexer.clone(), caller.mode).blind_index(&tx, &old);
    let held = store::hold(&mut tx, &[caller.mode], index.as_str())
        .await?
        .ok_or_else(|| Error::not_found("wallet_not_provisioned", "no wallet is provisioned for old_phone_number"))?;
    let answer = change(&app, &mut tx, &held, &new, Changer::from(&caller)).await?;
    posted.once.commit(tx, StatusCode::OK, &answer).await
}

/// Moves a customer to a new phone number, from the dashboard. Super admins only.
///
/// Like `/v1/users/update-phone`; the customer may be one of live or of test keys.
#[utoipa::path(post, path = "/v1/dashboard/users/{blind_index}/update-phone", operation_id = "update_phone_of_customer",
    tag = "Users", security(("bearer" = [])),
    params(("blind_index" = String, Path, description = "The customer, as `/v1/users/provision` named them")),
    request_body = NewPhone,
    responses(
        (status = 200, description = "The same wallet, with the new blind index", body = ProvisionedWallet),
        (status = 403, description = "The token does not permit waas:super_admin", body = CaasError),
        (status = 404, description = "There is no such customer", body = CaasError),
        CaasErrors, CaasPostErrors))]
pub async fn update_phone_of(
    caller: Dashboard,
    State(app): State<App>,
    Path(blind_index): Path<String>,
    posted: Posted<NewPhone>,
) -> Result<Response> {
    if !caller.is_super_admin() {
        return Err(Error::forbidden("missing_permission", "only a super admin may change a phone number"));
    }
    let new = read_phone("new_phone_number", &posted.body.new_phone_number)?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = posted.once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    let held = store::hold(&mut tx, &[Mode::Live, Mode::Test], &blind_index).await?;
    let held = held.ok_or_else(|| Error::not_found("customer_not_found", "there is no such customer"))?;
    let answer = change(&app, &mut tx, &held, &new, Changer::from(&caller)).await?;
    posted.once.commit(tx, StatusCode::OK, &answer).await
}

async fn change(app: &App, tx: &mut TenantTx, held: &Held, new: &Phone, changer: Changer) -> Result<ProvisionedWallet> {
    let (directory, now) = (Directory::new(app.blind_indexer.clone(), held.mode), app.clock.now());
    History::phone_moves(app, tx, (held.mode, held.customer.id), new, changer.clone(), now).await?;
    let index = phone_change::change(tx, &app.keys, &directory, held, new, changer, now).await?;
    Ok(ProvisionedWallet::of(&held.customer, &index, ProvisionStatus::AlreadyExists))
}
