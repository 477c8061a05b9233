//! Which badges customers have.

use alloy::primitives::Address;
use chrono::{DateTime, SubsecRound, Utc};
use uuid::Uuid;

use super::{Badge, Kind, UserGroup, store};
use crate::db::TenantTx;
use crate::foundation::Mode;
use crate::http::{Error, Result};

/// A badge that a customer has, or has had.
#[derive(Clone, Debug)]
pub struct AssignedBadge {
    /// The badge.
    pub badge_id: Uuid,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// Since when the customer has it.
    pub created_at: DateTime<Utc>,
    /// When the assignment was changed last.
    pub updated_at: DateTime<Utc>,
    /// Until when the customer had it; `None` while it lasts.
    pub ended_at: Option<DateTime<Utc>>,
    /// Of an identification badge, the tokens whose movements are ruled by a financial badge.
    pub tokens: Vec<LinkedToken>,
}

/// A token that an identification badge links to a financial badge.
#[derive(Clone, Debug)]
pub struct LinkedToken {
    /// The link's id.
    pub id: Uuid,
    /// The token's symbol.
    pub token: String,
    /// The financial badge whose rules count: the custom one if there is one.
    pub financial_badge_id: Option<Uuid>,
    /// What that is called.
    pub financial_badge_name: Option<String>,
}

/// The badges of a tenant's customers.
pub struct Badges;

impl Badges {
    /// Gives a customer of the transaction's tenant an identification badge in place of the one that it has. `None` when
    /// the tenant has no active identification badge of that id for that group; 404 when it has no such customer.
    ///
    /// The customer's row is locked, so that a payment is decided by the badge before or by the one after.
    pub async fn assign_identification(
        tx: &mut TenantTx,
        mode: Mode,
        group: UserGroup,
        customer: Uuid,
        badge: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Option<AssignedBadge>> {
        let now = now.trunc_subsecs(6);
        let badge = store::active(tx, badge).await?;
        let badge = badge.filter(|badge| badge.kind == Kind::Identification && badge.user_group == group);
        let Some(badge) = badge else { return Ok(None) };
        hold(tx, mode, customer).await?;
        store::end_identification(tx, customer, badge.id, now).await?;
        store::assign(tx, mode, customer, &badge, now).await?;
        let badges = Self::of_customer(tx, customer).await?;
        Ok(badges.into_iter().find(|assigned| assigned.badge_id == badge.id && assigned.ended_at.is_none()))
    }

    /// Gives a customer an information badge beside those that it has. `None` when the tenant has no active information
    /// badge of that id for the customer's group; 404 when it has no such customer.
    pub async fn assign_information(
        tx: &mut TenantTx,
        mode: Mode,
        customer: Uuid,
        badge: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Option<AssignedBadge>> {
        let Some(badge) = active(tx, customer, badge, Kind::Information).await? else { return Ok(None) };
        hold(tx, mode, customer).await?;
        store::assign(tx, mode, customer, &badge, now.trunc_subsecs(6)).await?;
        let badges = Self::of_customer(tx, customer).await?;
        Ok(badges.into_iter().find(|assigned| assigned.badge_id == badge.id && assigned.ended_at.is_none()))
    }

    /// Gives one wallet of a customer a financial badge for a token, in place of those of the identification badge.
    /// `false` when the tenant has no active financial badge of that id for the customer's group; 404 when it has no such
    /// customer. Money moves through wallets of ours alone: what an external wallet has decides nothing.
    pub async fn assign_financial(
        tx: &mut TenantTx,
        mode: Mode,
        customer: Uuid,
        wallet: Address,
        token: &str,
        badge: Uuid,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let Some(badge) = active(tx, customer, badge, Kind::Financial).await? else { return Ok(false) };
        hold(tx, mode, customer).await?;
        store::assign_to_wallet(tx, mode, customer, wallet, token, badge.id, now.trunc_subsecs(6)).await?;
        Ok(true)
    }

    /// Takes a badge from a customer, whatever its kind; of a financial badge from one wallet or for one token, where these
    /// are named. `false` when the customer does not have it.
    pub async fn take(
        tx: &mut TenantTx,
        customer: Uuid,
        badge: Uuid,
        (wallet, token): (Option<Address>, Option<&str>),
        now: DateTime<Utc>,
    ) -> Result<bool> {
        if store::mode_of(tx, customer).await?.is_none() {
            return Ok(false);
        }
        let from_customer = store::end(tx, customer, badge, now.trunc_subsecs(6)).await?;
        let from_wallets = store::take_from_wallets(tx, customer, badge, wallet, token).await?;
        let taken = from_customer || from_wallets;
        store::reckon(tx, customer).await?;
        Ok(taken)
    }

    /// Removes the badges of the addresses that a customer controls, while those are known. Those of a wallet of ours stay.
    pub async fn forget(tx: &mut TenantTx, customer: Uuid) -> Result<()> {
        store::forget_external(tx, customer).await?;
        Ok(store::reckon(tx, customer).await?)
    }

    /// The badges that a customer has and has had, newest first.
    pub async fn of_customer(tx: &mut TenantTx, customer: Uuid) -> Result<Vec<AssignedBadge>> {
        let mut assigned = store::of_customer(tx, customer).await?;
        let badges: Vec<Uuid> = assigned.iter().map(|badge| badge.badge_id).collect();
        let links = store::linked_tokens(tx, &badges).await?;
        for badge in &mut assigned {
            let of_badge = links.iter().filter(|(identification, _)| *identification == badge.badge_id);
            badge.tokens = of_badge.map(|(_, link)| link.clone()).collect();
        }
        Ok(assigned)
    }
}

/// An active badge of this kind and of the customer's group.
async fn active(tx: &mut TenantTx, customer: Uuid, badge: Uuid, kind: Kind) -> Result<Option<Badge>> {
    let group = store::group_of(tx, customer).await?;
    let badge = store::active(tx, badge).await?;
    Ok(badge.filter(|badge| badge.kind == kind && group.is_none_or(|group| badge.user_group == group)))
}

/// Locks the customer's row, and notes there that it has a badge.
async fn hold(tx: &mut TenantTx, mode: Mode, customer: Uuid) -> Result<()> {
    if store::mark_badged(tx, mode, customer).await? {
        return Ok(());
    }
    Err(Error::not_found("customer_not_found", "there is no such customer"))
}
