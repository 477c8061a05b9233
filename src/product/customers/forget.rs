//! `DELETE /tenant/customer/forget/{customerAccountId}`
//!
//! What a customer has told is removed, the data key under which all of it was sealed is destroyed, and the key of every
//! agreement that they were shown, so that backups forget too, and so are the indexes by which anything was found. Records
//! of money stay: they hold ids, addresses of wallets and amounts, and numbers that can no longer be opened.

use axum::Json;
use axum::extract::State;
use chrono::SubsecRound;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::kind::Kind;
use super::profile::Profile;
use super::{papers, refusal, store};
use crate::auth::{Purpose, Tenant};
use crate::db::TenantTx;
use crate::foundation::Mode;
use crate::http::openapi::WalletErrors;
use crate::http::{Path, Result};
use crate::product::App;
use crate::product::agreements::Agreements;
use crate::product::badges::Badges;
use crate::product::business_users::BusinessUsers;
use crate::product::email_verification::EmailCodes;
use crate::product::identity_checks::IdentityChecks;
use crate::product::users::{Identities, Known};
use crate::product::withdrawals::Withdrawals;

/// The customer is forgotten.
#[derive(Serialize, ToSchema)]
pub struct Forgotten {
    data: Message,
}

/// In a word.
#[derive(Serialize, ToSchema)]
#[schema(as = ForgottenMessage)]
pub struct Message {
    #[schema(example = "success")]
    message: &'static str,
}

/// Forgets a customer for good.
///
/// Refused with 400 while local money is on its way to the customer's number: try again once that has ended. The phone
/// number, the e-mail address and the customer's own addresses are free; the wallet that we made stays what it was, and
/// nobody can pay from it any more.
#[utoipa::path(delete, path = "/tenant/customer/forget/{customerAccountId}", operation_id = "forget_customer",
    tag = "Customers",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])),
    params(("customerAccountId" = String, Path, description = "The customer's id")),
    responses(
        (status = 200, description = "Nothing of the customer can be read any more", body = Forgotten),
        WalletErrors))]
pub async fn forget(caller: Tenant, State(app): State<App>, Path(customer): Path<String>) -> Result<Json<Forgotten>> {
    let customer: Uuid = customer.parse().map_err(|_| refusal::not_forgotten())?;
    let now = app.clock.now().trunc_subsecs(6);
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let identities = Identities::new(&app.keys, &app.blind_indexer, caller.mode);
    // Locked: a withdrawal that begins at the same time is seen, or finds nobody.
    let known = identities.hold(&mut tx, customer).await?.ok_or_else(refusal::not_forgotten)?;
    let customer = known.id;
    if Withdrawals::owe(&mut tx, customer).await? {
        return Err(refusal::not_forgotten());
    }
    store::supersede_checks(&mut tx, customer, now).await?;
    forget_codes(&app, &mut tx, caller.mode, &known).await?;
    BusinessUsers::forget(&mut tx, customer).await?;
    store::delete_profile(&mut tx, customer).await?;
    papers::forget(&mut tx, customer).await?;
    // While the customer's addresses still say which agreements were shown to them.
    Agreements::forget(&mut tx, customer).await?;
    IdentityChecks::forget(&app, &mut tx, caller.mode, &known).await?;
    Badges::forget(&mut tx, customer).await?;
    store::delete_external(&mut tx, customer).await?;
    store::strip_names(&mut tx, customer).await?;
    identities.forget(&mut tx, customer, now).await?;
    tx.commit().await?;
    Ok(Json(Forgotten { data: Message { message: "success" } }))
}

/// Removes what is kept of the codes that were sent to a locked customer, while it is known where to.
async fn forget_codes(app: &App, tx: &mut TenantTx, mode: Mode, known: &Known) -> Result<()> {
    app.codes.forget(tx, mode, Purpose::Recovery, &known.phone(tx)?).await?;
    let Some(row) = store::find_profile(tx, mode, known.id).await? else { return Ok(()) };
    if row.kind == Kind::Person {
        let profile = Profile::open(&known.key, tx, known.id, &row.document)?;
        if let Some(email) = profile.text("email") {
            EmailCodes::forget(app, tx, mode, email).await?;
        }
    }
    Ok(())
}
