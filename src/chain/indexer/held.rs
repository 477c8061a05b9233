//! What a wallet holds, without asking the chain.

use alloy::primitives::Address;

use crate::chain::store::big;
use crate::db::{self, TenantTx};
use crate::foundation::Amount;

/// Base units of a token that a wallet of the transaction's tenant holds, as the chain said at a block after its newest
/// movement; `None` when that is not known and the chain has to be asked.
///
/// It is not known while the indexer is behind (its head was the chain's more than five seconds ago), while a movement
/// waits to be asked about, when an operation of the wallet has succeeded in a block that the indexer has not seen (who
/// was told of a payment sees it), and after an hour, because some tokens can change a balance without a transfer.
pub async fn indexed_balance(
    tx: &mut TenantTx,
    chain_id: u64,
    token: Address,
    wallet: Address,
) -> db::Result<Option<Amount>> {
    let tenant = tx.tenant();
    sqlx::query_scalar!(
        r#"select b.amount as "amount!: Amount" from wallet_balance b join indexer i on i.chain_id = b.chain_id
           where b.tenant_id = $1 and b.chain_id = $2 and b.token = $3 and b.account = $4 and b.amount is not null
               and i.current_at > clock_timestamp() - interval '5 seconds'
               and b.asked_at > clock_timestamp() - interval '1 hour'
               and not exists (
                   select from chain_op o where o.tenant_id = $1 and o.mode = 'live' and o.state = 'succeeded'
                       and o.block_number > i.head_number and (o.account = $4 or o.recipient = $4))"#,
        tenant.0,
        big(chain_id),
        token.as_slice(),
        wallet.as_slice(),
    )
    .fetch_optional(&mut **tx)
    .await
}
