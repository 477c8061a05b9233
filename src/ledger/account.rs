//! Accounts and their balances.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::Result;
use crate::db::TenantTx;
use crate::foundation::{Amount, TenantId};

/// What an account of a tenant is for. Every tenant has one account of each kind for each token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountKind {
    /// Where top-ups come from: the counterpart of money that the tenant paid in. Its debits are not limited.
    Funding,
    /// What the tenant may spend. Its debits, reserved ones included, never exceed its posted credits.
    Treasury,
    /// What has been paid out to customers' wallets. Its debits are not limited.
    Customers,
    /// What customers' wallets have sent back for local money that they have not got yet. Its debits, reserved ones
    /// included, never exceed its posted credits.
    Payouts,
    /// What is the house's own, because it has paid local money for it. Its debits are not limited.
    House,
}

/// The word in the database names no kind of account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a kind of account")]
pub struct UnknownAccountKind;

impl AccountKind {
    /// Whether debits are limited to posted credits; the database's `ledger_account_no_overdraft` says the same.
    pub const fn is_limited(self) -> bool {
        matches!(self, Self::Treasury | Self::Payouts)
    }

    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Funding, Self::Treasury, Self::Customers, Self::Payouts, Self::House];

    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Funding => "funding",
            Self::Treasury => "treasury",
            Self::Customers => "customers",
            Self::Payouts => "payouts",
            Self::House => "house",
        }
    }
}

impl fmt::Display for AccountKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AccountKind {
    type Err = UnknownAccountKind;

    fn from_str(word: &str) -> std::result::Result<Self, UnknownAccountKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or(UnknownAccountKind)
    }
}

/// The four totals of an account, in base units of its token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Debits that are reserved.
    pub pending_debits: Amount,
    /// Debits that have happened.
    pub posted_debits: Amount,
    /// Credits that are reserved.
    pub pending_credits: Amount,
    /// Credits that have happened.
    pub posted_credits: Amount,
}

impl Balance {
    /// What can still be debited: posted credits less posted and reserved debits (nothing when these are more).
    pub fn available(&self) -> Amount {
        let left = self.posted_credits.checked_sub(self.posted_debits).and_then(|a| a.checked_sub(self.pending_debits));
        left.unwrap_or(Amount::ZERO)
    }

    /// Debits that are reserved and not yet posted or voided.
    pub fn reserved(&self) -> Amount {
        self.pending_debits
    }
}

/// Opens the transaction's (first) tenant's accounts of every kind for these tokens' symbols; those that exist stay.
pub async fn open_accounts<'a>(tx: &mut TenantTx, tokens: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let tenant = tx.tenant();
    let wanted =
        tokens.into_iter().flat_map(|token| AccountKind::ALL.map(|kind| AccountKey { tenant, kind, token })).collect();
    create(tx, &wanted).await
}

/// The balance of the transaction's (first) tenant's account; zero when it was never used.
pub async fn balance(tx: &mut TenantTx, kind: AccountKind, token: &str) -> Result<Balance> {
    let tenant = tx.tenant();
    let found = sqlx::query_as!(
        Balance,
        r#"select pending_debits as "pending_debits: Amount", posted_debits as "posted_debits: Amount",
            pending_credits as "pending_credits: Amount", posted_credits as "posted_credits: Amount"
        from ledger_account where tenant_id = $1 and kind = $2 and token = $3"#,
        tenant.0,
        kind.as_str(),
        token,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.unwrap_or_default())
}

/// The balances of the transaction's (first) tenant's accounts of one kind, by token symbol.
pub async fn balances(tx: &mut TenantTx, kind: AccountKind) -> Result<Vec<(String, Balance)>> {
    let tenant = tx.tenant();
    let rows = sqlx::query!(
        r#"select token, pending_debits as "pending_debits: Amount", posted_debits as "posted_debits: Amount",
            pending_credits as "pending_credits: Amount", posted_credits as "posted_credits: Amount"
        from ledger_account where tenant_id = $1 and kind = $2 order by token"#,
        tenant.0,
        kind.as_str(),
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let balance = Balance {
                pending_debits: row.pending_debits,
                posted_debits: row.posted_debits,
                pending_credits: row.pending_credits,
                posted_credits: row.posted_credits,
            };
            (row.token, balance)
        })
        .collect())
}

/// Which account; in the order in which absent ones are created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AccountKey<'a> {
    pub tenant: TenantId,
    pub kind: AccountKind,
    pub token: &'a str,
}

/// An account that nobody else touches until the transaction ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Locked {
    pub id: Uuid,
    /// What can be debited; `None` where that is not limited.
    pub available: Option<Amount>,
}

/// Locks these accounts, in one order whoever asks, until the transaction ends; opens those that do not exist.
///
/// Absent accounts are opened before any lock is held: waiting for somebody else's insertion with locks in hand could
/// close a circle.
pub(super) async fn lock<'a>(
    tx: &mut TenantTx,
    wanted: &BTreeSet<AccountKey<'a>>,
) -> Result<BTreeMap<AccountKey<'a>, Locked>> {
    let mut locked = try_lock(tx, wanted).await?;
    if locked.len() < wanted.len() {
        create(tx, wanted).await?;
        locked = try_lock(tx, wanted).await?;
        if locked.len() < wanted.len() {
            return Err(super::Error::OutOfScope);
        }
    }
    Ok(locked)
}

/// Locks all of these accounts, or none when one is absent.
async fn try_lock<'a>(
    tx: &mut TenantTx,
    wanted: &BTreeSet<AccountKey<'a>>,
) -> Result<BTreeMap<AccountKey<'a>, Locked>> {
    let (tenants, kinds, tokens) = columns(wanted);
    let rows = sqlx::query!(
        r#"with wanted as (
            select w.ord, a.tenant_id, a.id
            from unnest($1::uuid[], $2::text[], $3::text[]) with ordinality as w (tenant_id, kind, token, ord)
            join ledger_account a using (tenant_id, kind, token)
        )
        select w.ord as "ord!", a.id,
            case when a.kind in ('treasury', 'payouts')
                then a.posted_credits - a.posted_debits - a.pending_debits end as "available: Amount"
        from wanted w join ledger_account a on a.tenant_id = w.tenant_id and a.id = w.id
        where (select count(*) from wanted) = cardinality($1::uuid[])
        order by a.tenant_id, a.id
        for no key update of a"#,
        &tenants,
        &kinds as &[&str],
        &tokens as &[&str],
    )
    .fetch_all(&mut **tx)
    .await?;
    let keys: Vec<AccountKey<'a>> = wanted.iter().copied().collect();
    let locked = rows.into_iter().filter_map(|row| {
        let key = keys.get(usize::try_from(row.ord - 1).ok()?)?;
        Some((*key, Locked { id: row.id, available: row.available }))
    });
    Ok(locked.collect())
}

async fn create(tx: &mut TenantTx, wanted: &BTreeSet<AccountKey<'_>>) -> Result<()> {
    let (tenants, kinds, tokens) = columns(wanted);
    let ids: Vec<Uuid> = wanted.iter().map(|_| Uuid::now_v7()).collect();
    // In the order of the keys, so that two transactions that open the same accounts wait instead of deadlocking.
    sqlx::query!(
        "insert into ledger_account (tenant_id, kind, token, id)
        select * from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[]) as w (tenant_id, kind, token, id)
        order by tenant_id, kind, token
        on conflict do nothing",
        &tenants,
        &kinds as &[&str],
        &tokens as &[&str],
        &ids,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn columns<'a>(wanted: &BTreeSet<AccountKey<'a>>) -> (Vec<Uuid>, Vec<&'static str>, Vec<&'a str>) {
    (
        wanted.iter().map(|key| key.tenant.0).collect(),
        wanted.iter().map(|key| key.kind.as_str()).collect(),
        wanted.iter().map(|key| key.token).collect(),
    )
}
