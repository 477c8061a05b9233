//! Rebuilding balances from transfers.

use std::fmt;

use uuid::Uuid;

use super::{AccountKind, Balance, Error, Result};
use crate::db::TenantTx;
use crate::foundation::{Amount, TenantId};

/// Where the books do not agree. Amounts are base units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discrepancy {
    /// An account's totals are not the sums of its transfers.
    Account {
        /// Whose account.
        tenant: TenantId,
        /// The account's id.
        id: Uuid,
        /// What the account is for.
        kind: AccountKind,
        /// The token's symbol.
        token: String,
        /// What the account says.
        recorded: Balance,
        /// What its transfers add up to.
        rebuilt: Balance,
    },
    /// A tenant's accounts of one token do not balance: what some gave is not what others received.
    Token {
        /// Whose accounts.
        tenant: TenantId,
        /// The token's symbol.
        token: String,
        /// All debits, reserved and posted.
        debits: Amount,
        /// All credits, reserved and posted.
        credits: Amount,
    },
    /// An account has given or reserved more than it received.
    Overdraft {
        /// Whose account.
        tenant: TenantId,
        /// Which one.
        kind: AccountKind,
        /// The token's symbol.
        token: String,
    },
}

impl fmt::Display for Discrepancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account { tenant, kind, token, recorded, rebuilt, .. } => write!(
                f,
                "tenant {tenant}: account {kind} {token} says {}, its transfers say {}",
                totals(recorded),
                totals(rebuilt)
            ),
            Self::Token { tenant, token, debits, credits } => {
                write!(f, "tenant {tenant}: {token} has debits of {debits} and credits of {credits}")
            }
            Self::Overdraft { tenant, kind, token } => write!(f, "tenant {tenant}: the {kind} of {token} is overdrawn"),
        }
    }
}

fn totals(balance: &Balance) -> String {
    let Balance { pending_debits, posted_debits, pending_credits, posted_credits } = balance;
    format!("debits {posted_debits} (+{pending_debits}), credits {posted_credits} (+{pending_credits})")
}

/// Adds up every transfer of the transaction's tenants and compares with their accounts, in one snapshot.
///
/// Empty when the books agree.
pub async fn verify(tx: &mut TenantTx) -> Result<Vec<Discrepancy>> {
    // Long books take longer to add up than a request may take.
    sqlx::query!("set local statement_timeout = '10min'").execute(&mut **tx).await?;
    let rows = sqlx::query!(
        r#"with side as (
            select tenant_id, debit as id, state, amount as debits, 0 as credits from ledger_transfer
            where tenant_id = any($1)
            union all
            select tenant_id, credit, state, 0, amount from ledger_transfer where tenant_id = any($1)
        ), rebuilt as (
            select tenant_id, id,
                sum(debits) filter (where state = 'pending') as pending_debits,
                sum(debits) filter (where state = 'posted') as posted_debits,
                sum(credits) filter (where state = 'pending') as pending_credits,
                sum(credits) filter (where state = 'posted') as posted_credits
            from side
            group by tenant_id, id
        )
        select a.tenant_id, a.id, a.kind, a.token,
            a.pending_debits as "pending_debits: Amount", a.posted_debits as "posted_debits: Amount",
            a.pending_credits as "pending_credits: Amount", a.posted_credits as "posted_credits: Amount",
            coalesce(r.pending_debits, 0) as "rebuilt_pending_debits!: Amount",
            coalesce(r.posted_debits, 0) as "rebuilt_posted_debits!: Amount",
            coalesce(r.pending_credits, 0) as "rebuilt_pending_credits!: Amount",
            coalesce(r.posted_credits, 0) as "rebuilt_posted_credits!: Amount"
        from ledger_account a
        left join rebuilt r on r.tenant_id = a.tenant_id and r.id = a.id
        where a.tenant_id = any($1)
        order by a.tenant_id, a.token, a.kind"#,
        &tx.scope(),
    )
    .fetch_all(&mut **tx)
    .await?;

    let mut found = Vec::new();
    let mut tokens: Vec<(TenantId, String, Amount, Amount)> = Vec::new();
    for row in rows {
        let tenant = TenantId(row.tenant_id);
        let kind: AccountKind = row.kind.parse().map_err(|_| Error::Corrupt("a kind of account"))?;
        let recorded = Balance {
            pending_debits: row.pending_debits,
            posted_debits: row.posted_debits,
            pending_credits: row.pending_credits,
            posted_credits: row.posted_credits,
        };
        let rebuilt = Balance {
            pending_debits: row.rebuilt_pending_debits,
            posted_debits: row.rebuilt_posted_debits,
            pending_credits: row.rebuilt_pending_credits,
            posted_credits: row.rebuilt_posted_credits,
        };
        let debits = sum(recorded.pending_debits, recorded.posted_debits)?;
        let credits = sum(recorded.pending_credits, recorded.posted_credits)?;
        match tokens.last_mut() {
            Some((of, token, all_debits, all_credits)) if *of == tenant && *token == row.token => {
                *all_debits = sum(*all_debits, debits)?;
                *all_credits = sum(*all_credits, credits)?;
            }
            _ => tokens.push((tenant, row.token.clone(), debits, credits)),
        }
        if kind.is_limited() && debits > recorded.posted_credits {
            found.push(Discrepancy::Overdraft { tenant, kind, token: row.token.clone() });
        }
        if recorded != rebuilt {
            found.push(Discrepancy::Account { tenant, id: row.id, kind, token: row.token, recorded, rebuilt });
        }
    }
    found.extend(
        tokens
            .into_iter()
            .filter(|(_, _, debits, credits)| debits != credits)
            .map(|(tenant, token, debits, credits)| Discrepancy::Token { tenant, token, debits, credits }),
    );
    Ok(found)
}

fn sum(one: Amount, other: Amount) -> Result<Amount> {
    one.checked_add(other).ok_or(Error::Corrupt("a total beyond 38 digits"))
}
