//! What a wallet has promised: tokens that operations will still take from it.

use alloy::primitives::Address;

use super::{Chain, RpcError};
use crate::db::{self, TenantTx};
use crate::foundation::Amount;

/// What an account held at a block, or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Base units.
    pub amount: Amount,
    /// The block's number: what happened in it and before is counted.
    pub block: u64,
}

impl Chain {
    /// Base units of a token that an account holds now, with the newest block of the moment before: a payment that is
    /// mined in between is counted twice, and too little promised. Of nodes that are not at one height the slower may
    /// tell of the balance: then a payment may be counted by neither, and the EntryPoint refuses the last one.
    pub async fn held(&self, token: Address, holder: Address) -> Result<Held, RpcError> {
        let block = self.rpc().head().await?.number;
        Ok(Held { amount: self.token_balance(token, holder).await?, block })
    }
}

/// Base units of a token that a wallet of the transaction's tenant can still promise: what it `held`, less what its
/// operations will take that the balance of that block does not show.
///
/// Whoever promises more of it must keep others from doing so until the transaction ends. An operation in a block that a
/// reorg drops counts again as soon as the engine sees that; until then the wallet may promise too much, and the
/// EntryPoint will refuse the last of its payments: nothing is ever paid twice.
pub async fn spendable(tx: &mut TenantTx, wallet: Address, token: Address, held: Held) -> db::Result<Amount> {
    let tenant = tx.tenant();
    let promised = sqlx::query_scalar!(
        r#"select (select coalesce(sum(amount), 0) from chain_op
                where tenant_id = $1 and account = $2 and owner is not null and token = $3 and mode = 'live'
                  and state in ('waiting', 'submitted', 'review') and coalesce(mined_block > $4, true))
               + (select coalesce(sum(amount), 0) from chain_op
                where tenant_id = $1 and account = $2 and owner is not null and token = $3 and mode = 'live'
                  and state = 'succeeded' and coalesce(block_number > $4, true)) as "promised!: Amount""#,
        tenant.0,
        wallet.as_slice(),
        token.as_slice(),
        i64::try_from(held.block).unwrap_or(i64::MAX),
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(held.amount.checked_sub(promised).unwrap_or(Amount::ZERO))
}
