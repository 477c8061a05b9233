//! Reversing: what was posted is undone by a new transfer the other way, and never edited.

use uuid::Uuid;

use super::posting::{self, Posting};
use super::{AccountKind, Error, Result};
use crate::db::TenantTx;
use crate::foundation::Amount;

/// Enters the opposite of a posted transfer of the transaction's (first) tenant, once; `false` when there is no such
/// transfer. The account that gives must have that much available, if it is one whose debits are limited.
pub async fn reverse(tx: &mut TenantTx, id: Uuid) -> Result<bool> {
    let tenant = tx.tenant();
    let found = sqlx::query!(
        r#"select t.token, t.amount as "amount: Amount", t.reference, debit.kind as debit, credit.kind as credit
        from ledger_transfer t
        join ledger_account debit on debit.tenant_id = t.tenant_id and debit.id = t.debit
        join ledger_account credit on credit.tenant_id = t.tenant_id and credit.id = t.credit
        where t.tenant_id = $1 and t.id = $2 and t.state = 'posted'"#,
        tenant.0,
        id,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(transfer) = found else { return Ok(false) };
    let kind = |word: &str| word.parse::<AccountKind>().map_err(|_| Error::Corrupt("an account's kind"));
    let opposite = Posting {
        tenant,
        id: Uuid::now_v7(),
        debit: kind(&transfer.credit)?,
        credit: kind(&transfer.debit)?,
        token: transfer.token,
        amount: transfer.amount,
        reason: "reversal",
        reference: format!("reversal:{}", transfer.reference),
    };
    match posting::post(tx, &[opposite]).await?[..] {
        [posting::Outcome::Accepted | posting::Outcome::Duplicate] => Ok(true),
        _ => Err(Error::Irreversible(id)),
    }
}
