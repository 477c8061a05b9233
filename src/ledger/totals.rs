//! Sums over all tenants, for those who watch the server.

use super::{AccountKind, Balance, Error, Result};
use crate::db::Db;
use crate::foundation::Amount;

/// The sum of all tenants' accounts of one kind and token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    /// The kind.
    pub kind: AccountKind,
    /// The token's symbol.
    pub token: String,
    /// The sums, in base units of the token.
    pub balance: Balance,
}

/// The sums of all tenants' accounts, by kind and token. Needs the engine's role; reads every account once.
pub async fn totals(db: &Db) -> Result<Vec<Total>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        r#"select kind, token,
            sum(pending_debits) as "pending_debits!: Amount", sum(posted_debits) as "posted_debits!: Amount",
            sum(pending_credits) as "pending_credits!: Amount", sum(posted_credits) as "posted_credits!: Amount"
        from ledger_account group by kind, token order by kind, token"#,
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    rows.into_iter()
        .map(|row| {
            let balance = Balance {
                pending_debits: row.pending_debits,
                posted_debits: row.posted_debits,
                pending_credits: row.pending_credits,
                posted_credits: row.posted_credits,
            };
            let kind = row.kind.parse().map_err(|_| Error::Corrupt("a kind of account"))?;
            Ok(Total { kind, token: row.token, balance })
        })
        .collect()
}
