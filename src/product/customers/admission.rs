//! Letting somebody in, a person or a business: what is the same for both.

use alloy::primitives::Address;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::document::Paper;
use super::kind::Kind;
use super::namespace::{CustomNamespace, Namespace};
use super::profile::Profile;
use super::refusal::{self, OnTaken};
use super::{compliance, papers, platform, store};
use crate::auth::Tenant;
use crate::db::TenantTx;
use crate::foundation::{BlindIndex, ChecksumAddress, Mode};
use crate::http::{Error, OnConstraint, Result};
use crate::product::App;
use crate::product::badges::{AssignedBadge, Badges};
use crate::product::users::Known;

/// Names that are tried for a wallet.
const NAMES: usize = 4;

/// The wallet that somebody comes with, and its names elsewhere.
pub struct Claim {
    /// Where it is.
    pub address: Address,
    /// A name that it has elsewhere.
    pub custom: Option<CustomNamespace>,
    /// Where that name is registered.
    pub provider: Option<String>,
    /// As which another tenant knows the address.
    known_as: Option<String>,
}

impl Claim {
    /// Reads what a caller says of a wallet; 400 names what is wrong with it.
    pub fn read(app: &App, address: &str, custom: Option<String>, provider: Option<String>) -> Result<Self> {
        let address = read_address(app, address)?;
        let (custom, provider) = read_custom(custom, provider)?;
        Ok(Self { address, custom, provider, known_as: None })
    }

    /// 400 when the custom name is one of ours, or another tenant has the address and the caller does not say as what.
    pub async fn check_elsewhere(&mut self, app: &App, caller: &Tenant, said: Option<&str>) -> Result<()> {
        if let Some(custom) = &self.custom
            && platform::is_ours(app, custom).await?
        {
            return Err(refusal::custom_namespace_taken());
        }
        let known_as = platform::known_as(app, caller, self.address, said).await?;
        self.known_as = known_as.map_err(|platform::KnownElsewhere| refusal::address_taken())?;
        Ok(())
    }
}

/// Somebody who is to be let in.
pub struct Newcomer<'a> {
    /// A person or a business.
    pub kind: Kind,
    /// Their row, locked.
    pub known: &'a Known,
    /// Their wallet.
    pub claim: &'a Claim,
    /// What they have told.
    pub profile: &'a Profile,
    /// The papers that it names.
    pub papers: &'a [Paper],
    /// By which their e-mail address is found.
    pub email: &'a BlindIndex,
    /// By which they themselves are.
    pub identification: &'a [BlindIndex],
    /// The identification badge that they get.
    pub badge: Uuid,
}

/// Makes what somebody is told who is refused.
pub type Refused = fn() -> Error;

/// What those are told who cannot be let in; about their wallet all are told the same.
#[derive(Clone, Copy)]
pub struct Refusals {
    /// Somebody has the e-mail address.
    pub email: Refused,
    /// Somebody is the same.
    pub identification: Refused,
    /// There is no such badge for them.
    pub badge: Refused,
}

/// What somebody who was let in has got.
pub struct Admitted {
    /// The wallet's name.
    pub namespace: Namespace,
    /// The badge.
    pub badge: AssignedBadge,
}

impl Newcomer<'_> {
    /// Stores wallet, profile and papers, gives the badge and has them looked at; the database sees to it that of several
    /// at once one is let in.
    pub async fn admit(
        &self,
        tx: &mut TenantTx,
        mode: Mode,
        refusals: Refusals,
        now: DateTime<Utc>,
    ) -> Result<Admitted> {
        let (known, claim) = (self.known, self.claim);
        let wallet = store::NewExternal {
            mode,
            customer: known.id,
            address: claim.address,
            custom: claim.custom.as_ref(),
            provider: claim.provider.as_deref(),
            known_as: claim.known_as.as_deref(),
        };
        let namespace = mint(tx, &wallet, (refusal::address_taken, refusal::custom_namespace_exists)).await?;
        let document = self.profile.seal(&known.key, tx, known.id)?;
        store::insert_profile(tx, mode, (known.id, self.kind), &document, self.email, now)
            .await
            .on_constraint("customer_profile_email_unique", |_| (refusals.email)())?;
        store::set_identifiers(tx, mode, known.id, self.identification)
            .await
            .on_constraint("customer_identifier_unique", |_| (refusals.identification)())?;
        papers::keep(tx, mode, known, self.papers).await?;
        let group = self.kind.user_group();
        let badge = Badges::assign_identification(tx, mode, group, known.id, self.badge, now).await?;
        let badge = badge.ok_or_else(refusals.badge)?;
        compliance::ask(tx, mode, known.id, now).await?;
        Ok(Admitted { namespace, badge })
    }
}

/// 400 when operators let the tenant onboard nobody: asked before anything that tells who is known already.
pub async fn check_allowed(tx: &mut TenantTx) -> Result<()> {
    if store::policy(tx).await?.onboarding { Ok(()) } else { Err(refusal::tenant_blocked()) }
}

/// 403 unless a tenant named by a caller is the caller.
pub fn is_own(caller: &Tenant, tenant: &str) -> Result<()> {
    let named: Option<Uuid> = tenant.trim().parse().ok();
    if named == Some(caller.tenant.0) {
        return Ok(());
    }
    Err(Error::forbidden("other_tenant", "tenantId is not the caller's"))
}

/// An address that somebody may control.
pub fn read_address(app: &App, text: &str) -> Result<Address> {
    // In any case: the documented examples have checksums that are none.
    let wrong = |_| Error::invalid_field("accountAddress", "must be an address of 0x and 40 hexadecimal digits");
    let address = ChecksumAddress::of_any_case(text).map_err(wrong)?.0;
    let is_the_houses = address == app.chain.treasury() || app.tokens.by_contract(address).is_some();
    if address.is_zero() || is_the_houses { Err(refusal::address_reserved()) } else { Ok(address) }
}

/// A custom name and where it is registered.
pub fn read_custom(
    name: Option<String>,
    provider: Option<String>,
) -> Result<(Option<CustomNamespace>, Option<String>)> {
    let name = name.filter(|name| !name.is_empty());
    let custom = name.map(|name| CustomNamespace::parse(&name)).transpose();
    let custom = custom.map_err(|why| Error::invalid_field("customNamespace", why))?;
    let provider = provider.filter(|provider| !provider.is_empty());
    if provider.as_ref().is_some_and(|provider| provider.chars().count() > 64) {
        return Err(Error::invalid_field("provider", "must have at most 64 characters"));
    }
    Ok((custom, provider))
}

/// Stores a wallet under a name of its own: the one that the custom name suggests if nobody has one that looks like it, a
/// random one otherwise. What is taken of the rest is refused in these words, the address's and the custom name's.
pub async fn mint(
    tx: &mut TenantTx,
    wallet: &store::NewExternal<'_>,
    (address, custom): (Refused, Refused),
) -> Result<Namespace> {
    let root = store::tenant(tx).await?.0;
    let mut name = match wallet.custom.and_then(|custom| Namespace::suggested(&root, custom)) {
        Some(name) if store::namespace_is_free(tx, wallet.mode, &name).await? => name,
        Some(_) | None => Namespace::random(&root),
    };
    for _ in 0..NAMES {
        if store::insert_external(tx, wallet, &name).await.on_taken(address, custom)? {
            return Ok(name);
        }
        // Whoever was faster has it, or another tenant's root looks like this one's.
        name = Namespace::random(&root);
    }
    Err(Error::internal("no name is free for a wallet"))
}
