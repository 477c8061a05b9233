//! Finding one user operation that was out before a start, or that somebody else carried, in the EntryPoint's state and
//! logs.

use alloy::primitives::U256;
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent;

use super::Chain;
use super::bundler::Rest;
use super::contracts::IEntryPoint::{UserOperationEvent, getNonceCall};
use super::engine::Result;
use super::entry_point::ENTRY_POINT;
use super::rpc_error::RpcError;
use super::scan::{ByHash, sighting};
use super::store::{self, OpenUserOp};

/// Blocks that one `eth_getLogs` covers.
const LOG_RANGE: u64 = 1_000;

/// How far before a user operation's birth its block may lie: the node that told the height may have been ahead.
const REORG_MARGIN: u64 = 64;

impl Chain {
    /// Asks the EntryPoint whether the nonce is used up, and if so finds and notes where; `false` when it is not, or when
    /// the node does not know where yet. The bundler is asked for a hint, which may take its time, unless it rests or
    /// nobody says whether it does.
    pub(super) async fn locate(&self, user_op: &OpenUserOp, rest: Option<&Rest>) -> Result<bool> {
        let rpc = self.rpc();
        let call = getNonceCall { sender: user_op.account, key: user_op.nonce_key() };
        let next = rpc.view(ENTRY_POINT, &call).await?;
        if next & U256::from(u64::MAX) == U256::ZERO {
            return Ok(false);
        }
        let hashes: Vec<_> =
            store::hashes_of(self.db(), &[user_op.id]).await?.into_iter().map(|(hash, _)| hash).collect();
        let ours: ByHash = hashes.iter().map(|hash| (*hash, user_op.clone())).collect();
        if let (Some(rest), Some(newest)) = (rest, hashes.first())
            && self.follow_hint(&ours, *newest, rest).await?
        {
            return Ok(true);
        }
        let head = rpc.head().await?.number;
        let mut from = user_op.born_block.saturating_sub(REORG_MARGIN);
        let mut range = LOG_RANGE;
        while from <= head {
            let to = (from + range - 1).min(head);
            let filter = Filter::new()
                .address(ENTRY_POINT)
                .event_signature(UserOperationEvent::SIGNATURE_HASH)
                .topic1(hashes.clone())
                .from_block(from)
                .to_block(to);
            match rpc.logs(&filter).await {
                Ok(logs) => {
                    if let Some(seen) = logs.iter().find_map(|log| sighting(&ours, log)) {
                        self.note_mined(&[seen]).await?;
                        return Ok(true);
                    }
                    from = to + 1;
                }
                // Providers differ in how many blocks they search at once.
                Err(RpcError::Refused { .. }) if range > 1 => range /= 2,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }
}
