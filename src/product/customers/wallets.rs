//! `POST /tenant/customer/add-wallet`, `PUT /tenant/customer/{customerId}`,
//! `PUT /tenant/customer/primary-wallet/{namespace}/{isPrimary}`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::admission::{Refused, is_own, mint, read_address, read_custom};
use super::change::{Names, remember_names};
use super::directory::{Directory, NamedWallet, Party};
use super::kept::KeptAnswer;
use super::kind::Kind;
use super::refusal::{self, OnTaken};
use super::request::{NewCustomNamespace, NewWallet};
use super::store::ChangedBy;
use super::{platform, store};
use crate::auth::Tenant;
use crate::db::TenantTx;
use crate::http::openapi::{WalletErrors, WalletPostErrors};
use crate::http::{Error, Path, Posted, Result};
use crate::product::App;
use crate::product::badges::Badges;
use crate::product::users::{Identities, Known};

/// The answer to a wallet that was added.
#[derive(Serialize, ToSchema)]
pub struct AddedWallet {
    data: WalletOfCustomer,
    #[schema(example = "wallet added successfully")]
    message: &'static str,
}

/// Whose wallet, by which name.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WalletOfCustomer {
    /// Of a person's wallet.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_account_id: Option<Uuid>,
    /// Of a business's wallet.
    #[serde(skip_serializing_if = "Option::is_none")]
    business_user_id: Option<Uuid>,
    #[schema(example = "acme.jonedoe.ul")]
    namespace: String,
}

/// It is done.
#[derive(Serialize, ToSchema)]
#[schema(as = CustomerChanged)]
pub struct Done {
    #[schema(example = "success")]
    message: &'static str,
}

/// Adds an address that a customer controls.
///
/// Exactly one of `customerAccountId` and `businessUserId` says whose it is.
#[utoipa::path(post, path = "/tenant/customer/add-wallet", operation_id = "add_wallet", tag = "Customers",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])),
    request_body = NewWallet,
    responses(
        (status = 201, description = "The wallet has a name", body = AddedWallet),
        WalletErrors, WalletPostErrors))]
pub async fn add(caller: Tenant, State(app): State<App>, posted: Posted<NewWallet>) -> Result<Response> {
    let Posted { body, once } = posted;
    // As when a customer is onboarded: a repetition is answered before anything is looked at.
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = once.first(&mut tx, caller.mode).await? {
        return KeptAnswer::repeat(&app, &mut tx, caller.mode, first).await?.ok_or_else(gone);
    }
    tx.commit().await?;
    is_own(&caller, &body.tenant_id)?;
    let (kind, customer) = whose(&body)?;
    let address = read_address(&app, &body.account_address).map_err(|error| match error.code() {
        "address_reserved" => refusal::add_wallet(NOT_UNIQUE),
        _ => error,
    })?;
    let (custom, provider) = read_custom(Some(body.custom_namespace), Some(body.provider))?;
    let custom = custom.ok_or_else(|| Error::invalid_field("customNamespace", "must not be empty"))?;
    if platform::is_ours(&app, &custom).await? {
        return Err(refusal::add_wallet(NAME_TAKEN));
    }
    // A second tenant has to say as what it knows the address, which this route has no field for.
    if platform::known_as(&app, &caller, address, None).await?.is_err() {
        return Err(refusal::add_wallet(NOT_UNIQUE));
    }

    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = once.first(&mut tx, caller.mode).await? {
        return KeptAnswer::repeat(&app, &mut tx, caller.mode, first).await?.ok_or_else(gone);
    }
    if !store::policy(&mut tx).await?.multi_wallet {
        return Err(refusal::no_more_wallets(&store::tenant(&mut tx).await?.1));
    }
    let identities = Identities::new(&app.keys, &app.blind_indexer, caller.mode);
    let known = identities.hold(&mut tx, customer).await?.ok_or_else(|| refusal::add_wallet(NOT_FOUND))?;
    match store::kind_of(&mut tx, known.id).await? {
        Some(found) if found == kind => {}
        Some(_) => return Err(refusal::add_wallet(NOT_FOUND)),
        None => return Err(refusal::add_wallet("Not able to fetch basic details of wallet user")),
    }
    if store::by_address(&mut tx, caller.mode, address).await?.is_some() {
        return Err(refusal::add_wallet(NOT_UNIQUE));
    }
    let wallets = Directory::wallets(&mut tx, caller.mode, known.id).await?;
    if wallets.len() >= MOST_WALLETS {
        return Err(refusal::too_many_wallets());
    }
    let wallet = store::NewExternal {
        mode: caller.mode,
        customer: known.id,
        address,
        custom: Some(&custom),
        provider: provider.as_deref(),
        known_as: None,
    };
    let taken: (Refused, Refused) = (|| refusal::add_wallet(NOT_UNIQUE), || refusal::add_wallet(NAME_TAKEN));
    let namespace = mint(&mut tx, &wallet, taken).await?;
    let (by, now) = (ChangedBy::Key(caller.key_id), app.clock.now());
    remember_names(&mut tx, caller.mode, &known, &Names::of(&wallets), by, now).await?;
    if let Some(badge) = body.financial_badge_id.filter(|badge| !badge.is_empty()) {
        let token = body.token_symbol.ok_or_else(|| Error::missing_field("tokenSymbol"))?;
        // A badge may be given before the token is configured.
        let is_symbol = (1..=12).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_alphanumeric());
        let badge: Option<Uuid> = badge.parse().ok().filter(|_| is_symbol);
        let badge = badge.ok_or_else(|| refusal::add_wallet(TRY_AGAIN))?;
        if !Badges::assign_financial(&mut tx, caller.mode, known.id, address, &token, badge, now).await? {
            return Err(refusal::add_wallet(TRY_AGAIN));
        }
    }
    let (customer_account_id, business_user_id) = match kind {
        Kind::Person => (Some(known.id), None),
        Kind::Business => (None, Some(known.id)),
    };
    let namespace = namespace.as_str().to_owned();
    let data = WalletOfCustomer { customer_account_id, business_user_id, namespace };
    let answer = AddedWallet { data, message: "wallet added successfully" };
    KeptAnswer::commit(&once, tx, &known, StatusCode::CREATED, &answer).await
}

/// The answer that was kept is about a customer who was forgotten.
fn gone() -> Error {
    refusal::add_wallet(NOT_FOUND)
}

/// Wallets of one customer at most.
const MOST_WALLETS: usize = 100;

const NOT_UNIQUE: &str = "Please use unique account address";
const NAME_TAKEN: &str = "Custom namespace is already taken";
const NOT_FOUND: &str = "Wallet user details not found";
const TRY_AGAIN: &str = "Something went wrong, please try again";

/// The one customer that a body names, and as what.
fn whose(body: &NewWallet) -> Result<(Kind, Uuid)> {
    let named = |id: &Option<String>| id.clone().filter(|id| !id.is_empty());
    let read = |id: String| id.parse::<Uuid>().map_err(|_| refusal::add_wallet(NOT_FOUND));
    match (named(&body.customer_account_id), named(&body.business_user_id)) {
        (Some(person), None) => Ok((Kind::Person, read(person)?)),
        (None, Some(business)) => Ok((Kind::Business, read(business)?)),
        (None, None) => Err(Error::missing_field("customerAccountId")),
        (Some(_), Some(_)) => {
            Err(Error::invalid_field("businessUserId", "must not be given together with customerAccountId"))
        }
    }
}

/// Gives a customer's primary wallet another custom name; of a customer whose primary wallet is the one that we made, the
/// first of the others.
#[utoipa::path(put, path = "/tenant/customer/{customerId}", operation_id = "set_custom_namespace", tag = "Customers",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])),
    params(("customerId" = String, Path, description = "The customer's id")),
    request_body = NewCustomNamespace,
    responses(
        (status = 200, description = "The wallet has the name", body = Done),
        WalletErrors, WalletPostErrors))]
pub async fn set_custom_namespace(
    caller: Tenant,
    State(app): State<App>,
    Path(customer): Path<String>,
    posted: Posted<NewCustomNamespace>,
) -> Result<Json<Done>> {
    let (custom, _) = read_custom(Some(posted.body.custom_namespace), None)?;
    let custom = custom.ok_or_else(|| Error::invalid_field("customNamespace", "must not be empty"))?;
    if platform::is_ours(&app, &custom).await? {
        return Err(refusal::custom_namespace_taken());
    }
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let (known, wallets) = held(&app, &mut tx, &caller, &customer).await?;
    let wallet = NamedWallet::shown(&wallets).filter(|wallet| wallet.namespace.is_some());
    let wallet = wallet.ok_or_else(refusal::no_account)?;
    store::set_custom_namespace(&mut tx, wallet.id, &custom)
        .await
        .on_taken(refusal::custom_namespace_taken, refusal::custom_namespace_taken)?;
    let (by, now) = (ChangedBy::Key(caller.key_id), app.clock.now());
    remember_names(&mut tx, caller.mode, &known, &Names::of(&wallets), by, now).await?;
    tx.commit().await?;
    Ok(Json(Done { message: "success" }))
}

/// A customer, locked, and the wallets.
async fn held(app: &App, tx: &mut TenantTx, caller: &Tenant, customer: &str) -> Result<(Known, Vec<NamedWallet>)> {
    let customer: Uuid = customer.parse().map_err(|_| refusal::not_changed())?;
    let identities = Identities::new(&app.keys, &app.blind_indexer, caller.mode);
    let known = identities.hold(tx, customer).await?.ok_or_else(refusal::not_changed)?;
    let wallets = store::hold_wallets(tx, caller.mode, known.id).await?;
    Ok((known, wallets.into_iter().map(NamedWallet::of).collect::<Result<_>>()?))
}

/// Makes a wallet its customer's primary one, in place of another, or no longer that.
#[utoipa::path(put, path = "/tenant/customer/primary-wallet/{namespace}/{isPrimary}", operation_id = "set_primary_wallet",
    tag = "Customers",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])),
    params(
        ("namespace" = String, Path, description = "The wallet's name among the tenant's, its custom name or its address"),
        ("isPrimary" = String, Path, description = "`true` or `false`")),
    responses(
        (status = 200, description = "So it is", body = Done),
        WalletErrors))]
pub async fn set_primary(
    caller: Tenant,
    State(app): State<App>,
    Path((namespace, is_primary)): Path<(String, String)>,
) -> Result<Json<Done>> {
    let is_primary = match is_primary.to_ascii_lowercase().as_str() {
        "true" => true,
        "false" => false,
        _ => return Err(Error::invalid_field("isPrimary", "must be true or false")),
    };
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let Some(Party::Wallet(wallet)) = Directory::resolve(&mut tx, caller.mode, &namespace).await? else {
        return Err(refusal::not_changed());
    };
    // Looked at again behind the lock: the wallet may have gone with its customer.
    let (known, wallets) = held(&app, &mut tx, &caller, &wallet.customer.to_string()).await?;
    let wallet = wallets.iter().find(|held| held.id == wallet.id).ok_or_else(refusal::not_changed)?;
    if is_primary {
        store::set_primary(&mut tx, known.id, Some(wallet.id)).await?;
    } else if wallet.is_primary {
        store::set_primary(&mut tx, known.id, None).await?;
    }
    let (by, now) = (ChangedBy::Key(caller.key_id), app.clock.now());
    remember_names(&mut tx, caller.mode, &known, &Names::of(&wallets), by, now).await?;
    tx.commit().await?;
    Ok(Json(Done { message: "success" }))
}
