//! The documented refusals, in their documented words.

use crate::http::{Error, OnConstraint, Result};

#[track_caller]
fn refused(code: &'static str, kind: &'static str, message: &'static str) -> Error {
    Error::bad_request(code, message).of_type(kind)
}

/// The address is somebody's already.
#[track_caller]
pub fn address_taken() -> Error {
    refused("ULOT0043", "Duplicate", "Blockchain address already exists on the platform, onboarding not permitted.")
}

/// The address is the house's own.
#[track_caller]
pub fn address_reserved() -> Error {
    refused("address_reserved", "Duplicate", "Account address already taken")
}

/// Somebody has the custom name.
#[track_caller]
pub fn custom_namespace_exists() -> Error {
    refused(
        "ULOT0044",
        "Duplicate",
        "UNS ID (Custom namespace) already exists on the platform, onboarding not permitted.",
    )
}

/// The custom name is one of ours.
#[track_caller]
pub fn custom_namespace_taken() -> Error {
    refused("custom_namespace_taken", "Onboard Customer", "Custom namespace is taken")
}

/// Somebody of the tenant has the e-mail address.
#[track_caller]
pub fn email_taken() -> Error {
    refused("email_taken", "Duplicate", "A user is already been registered with provided email id")
}

/// Somebody of the tenant has the phone number, and is onboarded.
#[track_caller]
pub fn already_onboarded() -> Error {
    refused("already_onboarded", "onboard", "Wallet user already exists inside tenant")
}

/// Somebody of the tenant is the same person.
#[track_caller]
pub fn same_person() -> Error {
    refused("ULOT0045", "Duplicate", "Customer has already been onboarded based on unique identification parameters.")
}

/// No name to know a person by.
#[track_caller]
pub fn nameless() -> Error {
    let message =
        "Missing [first name and last name or full name] Unique Identification parameters in the onboarding request.";
    refused("ULOT0046", "Customer", message)
}

/// The tenant has no such badge for people.
#[track_caller]
pub fn badge_not_allocated() -> Error {
    refused("ULOT0047", "Customer", "Unable to allocate badge to wallet user for onboarding request.")
}

/// The same while updating.
#[track_caller]
pub fn badge_not_updated() -> Error {
    refused("ULUP0001", "Customer", "Failed to update badge for user request.")
}

/// Neither a country nor a part of it.
#[track_caller]
pub fn no_such_place() -> Error {
    let message = "Please provide a valid ISO 3166-1 alpha-2 country and state code";
    refused("no_such_place", "Onboard Customer", message)
}

/// A list of papers without papers.
#[track_caller]
pub fn no_documents() -> Error {
    refused("insufficient_documents", "Documents", "There are no sufficient documents")
}

/// Another customer is known by what this one is to be known by.
#[track_caller]
pub fn known_already() -> Error {
    refused("known_already", "Missing data", "Customer already exists with provided unique identifier parameters")
}

/// An update lacks what it must have.
#[track_caller]
pub fn incomplete() -> Error {
    refused("incomplete", "Missing data", "Mandatory fields are missing")
}

/// Nobody of the tenant has the id.
#[track_caller]
pub fn no_account() -> Error {
    refused("no_account", "Customer", "There is no account for the given customer Id")
}

/// Too early for an update.
#[track_caller]
pub fn still_pending() -> Error {
    refused("still_pending", "Upgrade", "Customer cannot able to upgrade while ONBOARDING status is PENDING")
}

/// Too late for an update.
#[track_caller]
pub fn was_rejected() -> Error {
    refused("was_rejected", "Upgrade", "Customer cannot able to upgrade while ONBOARDING status is REJECTED")
}

/// The last check rejected the customer, and nobody is asked to look again.
#[track_caller]
pub fn checks_failed() -> Error {
    refused("checks_failed", "Upgrade", "Compliance checks got failed")
}

/// More is told than is kept of anybody.
#[track_caller]
pub fn told_too_much() -> Error {
    refused("profile_too_large", "Customer", "What is told, papers aside, must have at most 256 KiB")
}

/// About a wallet that cannot be added.
#[track_caller]
pub fn add_wallet(message: &'static str) -> Error {
    refused("wallet_not_added", "Add Wallet", message)
}

/// 404: the tenant has no such customer.
#[track_caller]
pub fn unknown() -> Error {
    Error::not_found("customer_not_found", "There is no such customer account in the given tenant id")
        .of_type("No data available")
}

/// 404: the tenant has no customers at all.
#[track_caller]
pub fn nobody() -> Error {
    Error::not_found("no_customers", "No data found for tenant").of_type("No data found")
}

/// 404: the same where what a customer has told is asked for.
#[track_caller]
pub fn no_tenant() -> Error {
    Error::not_found("no_customers", "Please provide valid tenant id").of_type("No data found")
}

/// 400: what should be a tenant's id is none.
#[track_caller]
pub fn no_tenants_id() -> Error {
    refused("invalid_tenant_id", "catch", "Please provide valid tenant id")
}

/// 400: there is nobody, or no wallet, that could be changed.
#[track_caller]
pub fn not_changed() -> Error {
    refused("customer_not_found", "No data available", "There is no such customer account in the given tenant id")
}

/// 400: there is nobody who could be forgotten, or money is on its way to them.
#[track_caller]
pub fn not_forgotten() -> Error {
    refused("not_forgotten", "wallet user", "something went wrong! please try again")
}

/// Operators let the tenant onboard nobody.
#[track_caller]
pub fn tenant_blocked() -> Error {
    let message = "Tenant's account has been blocked. You will be not able to onboard any user. Please get in touch with \
                   support team";
    refused("tenant_blocked", "Tenant", message)
}

/// Operators let the tenant give nobody a second wallet. The blank is documented.
#[track_caller]
pub fn no_more_wallets(tenant: &str) -> Error {
    let message = format!("Multi wallet feature has been disabled by {tenant}");
    Error::bad_request("no_multi_wallet", message).of_type("Add Wallet ")
}

/// About a customer who has as many wallets as anybody may.
#[track_caller]
pub fn too_many_wallets() -> Error {
    refused("too_many_wallets", "Add Wallet", "The wallet user has too many wallets")
}

/// What two who were onboarded at the same moment are told: the database lets one of them in.
pub trait OnTaken<T> {
    /// Names what was taken.
    fn on_taken(self, address: fn() -> Error, custom: fn() -> Error) -> Result<T>;
}

impl<T> OnTaken<T> for std::result::Result<T, sqlx::Error> {
    #[track_caller]
    fn on_taken(self, address: fn() -> Error, custom: fn() -> Error) -> Result<T> {
        self.on_constraint("wallet_address_unique", |_| address())
            .on_constraint("wallet_external_unique", |_| address())
            .on_constraint("wallet_custom_namespace_unique", |_| custom())
    }
}
