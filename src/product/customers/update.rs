//! `POST /tenant/customer/update`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::SubsecRound;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::change::{Snapshot, remember};
use super::kept::KeptAnswer;
use super::kind::Kind;
use super::profile::Profile;
use super::request::CustomerDetails;
use super::status::{Decision, Standing};
use super::store::ChangedBy;
use super::told::{Told, is_blank};
use super::{compliance, papers, refusal, store};
use crate::auth::Tenant;
use crate::foundation::Phone;
use crate::http::openapi::{WalletErrors, WalletPostErrors};
use crate::http::{Error, OnConstraint, Posted, Result};
use crate::product::App;
use crate::product::badges::Badges;
use crate::product::users::Identities;

/// The answer to an update.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdatedCustomer {
    #[serde(rename = "type")]
    #[schema(example = "Success")]
    kind: &'static str,
    assigned_identification_badge: Uuid,
    #[schema(
        example = "User has successfully onboarded with the badge Bronze [8d16684e-ee0a-4c10-83c0-c4d89e6a8666]."
    )]
    message: String,
}

/// Changes what is known of a customer; what is not told stays. What was before is kept.
///
/// Required: `identificationBadgeId`, `customerAccountId`, `address`, `email`, `phoneNumber`, `ip_address`,
/// `selfieContent`, `bankAccountDetails`, `plaidDetails`. With `reRunComplianceCheck` the customer is looked at again, and
/// also when somebody looks at them already. The body may have 16 MiB.
#[utoipa::path(post, path = "/tenant/customer/update", operation_id = "update_customer", tag = "Customers",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])),
    request_body = CustomerDetails,
    responses(
        (status = 202, description = "It is changed", body = UpdatedCustomer),
        WalletErrors, WalletPostErrors))]
pub async fn update(caller: Tenant, State(app): State<App>, posted: Posted<CustomerDetails>) -> Result<Response> {
    let Posted { body: mut details, once } = posted;
    if let Some(tenant) = &details.tenant_id {
        super::admission::is_own(&caller, tenant)?;
    }
    let (customer, badge, phone) = required(&mut details)?;
    let (looks_again, remarks) = (details.re_run_compliance_check.unwrap_or(false), details.remarks.take());
    if remarks.as_ref().is_some_and(|remarks| remarks.chars().count() > 2_000) {
        return Err(Error::invalid_field("remarks", "must have at most 2000 characters"));
    }
    let now = app.clock.now().trunc_subsecs(6);
    let told = Told::of(details, now.date_naive())?;

    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = once.first(&mut tx, caller.mode).await? {
        return KeptAnswer::repeat(&app, &mut tx, caller.mode, first).await?.ok_or_else(refusal::no_account);
    }
    let identities = Identities::new(&app.keys, &app.blind_indexer, caller.mode);
    let known = identities.hold(&mut tx, customer).await?.ok_or_else(refusal::no_account)?;
    let row = store::find_profile(&mut tx, caller.mode, known.id).await?.filter(|row| row.kind == Kind::Person);
    let row = row.ok_or_else(refusal::no_account)?;
    match (row.standing.onboarding, row.standing.compliance) {
        (Decision::Pending | Decision::Review, _) => return Err(refusal::still_pending()),
        (Decision::Rejected, _) => return Err(refusal::was_rejected()),
        (Decision::Accepted, Decision::Rejected) if !looks_again => return Err(refusal::checks_failed()),
        (Decision::Accepted, _) => {}
    }
    let old = Snapshot {
        profile: Profile::open(&known.key, &tx, known.id, &row.document)?,
        phone: known.phone(&tx)?,
        kyc: row.standing.kyc,
    };
    identities
        .move_to(&mut tx, &known, &phone, &caller, now)
        .await
        .map_err(|error| if error.status() == StatusCode::CONFLICT { refusal::known_already() } else { error })?;
    let (indexer, tenant, mode) = (&app.blind_indexer, caller.tenant, caller.mode);
    let mut new = Snapshot { profile: old.profile.with(told.profile), phone: phone.e164().to_owned(), kyc: old.kyc };
    let email = new.profile.email_index(indexer, tenant, mode)?;
    let person = new.profile.identifiers(indexer, tenant, mode)?;
    if person != old.profile.identifiers(indexer, tenant, mode)? || new.phone != old.phone {
        // What an identity check has proven was of somebody else, or of another number.
        new.kyc = Decision::Pending;
    }
    let document = new.profile.seal(&known.key, &tx, known.id)?;
    store::update_profile(&mut tx, known.id, &document, &email, now)
        .await
        .on_constraint("customer_profile_email_unique", |_| refusal::known_already())?;
    // Of two who were let in as two before they were known to be one, each stays what it is.
    if person != old.profile.identifiers(indexer, tenant, mode)? {
        store::set_identifiers(&mut tx, mode, known.id, &person)
            .await
            .on_constraint("customer_identifier_unique", |_| refusal::known_already())?;
    }
    let verified = row.verified.after(&old.profile, &new.profile);
    store::set_verified(&mut tx, known.id, &verified).await?;
    papers::keep(&mut tx, caller.mode, &known, &told.papers).await?;
    papers::thin_out(&mut tx, known.id, &new.profile.papers()).await?;
    let by = ChangedBy::Key(caller.key_id);
    remember(&mut tx, caller.mode, &known, (&old, &new), (by, remarks.as_deref()), now).await?;
    let group = Kind::Person.user_group();
    let badge = match badge {
        Some(badge) => Badges::assign_identification(&mut tx, caller.mode, group, known.id, badge, now).await?,
        None => None,
    };
    let badge = badge.ok_or_else(refusal::badge_not_updated)?;
    let standing = Standing { kyc: new.kyc, ..row.standing };
    // A check that is open was shown what is no longer so: it does not count, whoever asked for it.
    if looks_again || store::has_open_check(&mut tx, known.id).await? {
        store::set_standing(&mut tx, known.id, &standing.looked_at_again(), None, now).await?;
        compliance::ask(&mut tx, caller.mode, known.id, now).await?;
    } else if new.kyc != old.kyc {
        store::set_standing(&mut tx, known.id, &standing, row.denial.as_ref(), now).await?;
    }
    let message = format!("User has successfully onboarded with the badge {} [{}].", badge.name, badge.badge_id);
    let answer = UpdatedCustomer { kind: "Success", assigned_identification_badge: badge.badge_id, message };
    KeptAnswer::commit(&once, tx, &known, StatusCode::ACCEPTED, &answer).await
}

/// What an update must have: whose it is, the badge if it is one's id, and the phone number.
fn required(details: &mut CustomerDetails) -> Result<(Uuid, Option<Uuid>, Phone)> {
    let is_complete = details.address.is_some()
        && details.email.is_some()
        && !is_blank(details.ip_address.as_deref())
        && details.selfie_content.is_some()
        && details.bank_account_details.is_some()
        && details.plaid_details.is_some();
    let (customer, badge) = (details.customer_account_id.take(), details.identification_badge_id.take());
    let (Some(customer), Some(badge), Some(phone), true) = (customer, badge, details.phone_number.take(), is_complete)
    else {
        return Err(refusal::incomplete());
    };
    let customer = customer.parse().map_err(|_| refusal::no_account())?;
    let phone = Phone::of_form(&phone).map_err(|why| Error::invalid_field("phoneNumber", why))?;
    Ok((customer, badge.parse().ok(), phone))
}
