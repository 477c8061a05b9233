//! The chain of test keys: nobody but the clock makes their operations happen, within seconds.
//!
//! ```text
//! waiting ──half a second──▶ submitted ──one second──▶ succeeded | failed, if that was rehearsed
//! ```

use std::time::Duration;

use alloy::primitives::Address;
use tokio_util::sync::CancellationToken;

use super::Chain;
use crate::db::{self, TenantTx};
use crate::foundation::{Amount, Mode, Rehearsal, Token};

/// How often the simulated chain makes a block.
const BLOCK_TIME: Duration = Duration::from_millis(250);

/// Why an operation of this mode and amount is to fail, if the amount asks for it.
pub fn rehearsed_failure(mode: Mode, token: &Token, amount: Amount) -> Option<&'static str> {
    rehearsed_failure_of(mode, token, amount, Rehearsal::Reverts)
}

/// The same for an operation that another fraction makes fail.
pub fn rehearsed_failure_of(mode: Mode, token: &Token, amount: Amount, fails: Rehearsal) -> Option<&'static str> {
    let reverts = mode == Mode::Test && Rehearsal::of(token, amount) == Some(fails);
    reverts.then_some("reverted, as the fraction of the amount asked for")
}

/// Makes test keys' operations happen until told to stop. Any number of processes may do so at once.
pub async fn simulate(chain: Chain, shutdown: CancellationToken) {
    loop {
        match block(&chain).await {
            Ok(0) => {}
            Ok(_) => chain.announce(),
            Err(error) => tracing::warn!(%error, "the simulated chain made no block"),
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(BLOCK_TIME) => {}
        }
    }
}

async fn block(chain: &Chain) -> db::Result<u64> {
    let mut tx = chain.db().engine().await?;
    let moved = sqlx::query!(
        "with due as (
             select tenant_id, id from chain_op
             where mode = 'test' and (state = 'waiting' and created_at < now() - interval '0.5 seconds'
                 or state = 'submitted' and submitted_at < now() - interval '1 second')
             order by id limit 1000 for update skip locked
         ), moved as (
             update chain_op op set
                 state = case when op.state = 'waiting' then 'submitted'
                              when op.rehearsed_failure is null then 'succeeded' else 'failed' end,
                 failure = case when op.state = 'submitted' then op.rehearsed_failure end,
                 submitted_at = coalesce(op.submitted_at, now()),
                 ended_at = case when op.state = 'submitted' then now() end
             from due where op.tenant_id = due.tenant_id and op.id = due.id
             returning op.tenant_id, op.id, op.kind, op.state
         )
         insert into chain_news (kind, operation, tenant_id, state) select kind, id, tenant_id, state from moved
         on conflict (tenant_id, operation) do update set state = excluded.state, since = excluded.since"
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(moved.rows_affected())
}

/// Base units of a token that an account of the transaction's tenant holds on the simulated chain; nothing when more
/// has left it than ever came in, which nobody checks there.
pub async fn simulated_balance(tx: &mut TenantTx, token: Address, holder: Address) -> db::Result<Amount> {
    let tenant = tx.tenant();
    sqlx::query_scalar!(
        r#"select greatest(
               (select coalesce(sum(amount), 0) from chain_op
                where tenant_id = $1 and recipient = $3 and token = $2 and mode = 'test' and state = 'succeeded')
               - (select coalesce(sum(amount), 0) from chain_op
                  where tenant_id = $1 and account = $3 and owner is not null and token = $2 and mode = 'test'
                      and state = 'succeeded'), 0) as "held!: Amount""#,
        tenant.0,
        token.as_slice(),
        holder.as_slice(),
    )
    .fetch_one(&mut **tx)
    .await
}
