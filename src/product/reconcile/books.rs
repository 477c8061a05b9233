//! The treasury's books, token by token.

use std::collections::HashMap;

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::Address;

use super::difference::Difference;
use super::run::{Depth, Holdings, ReconcileError};
use super::store::{self, Checkpoint};
use crate::chain::RpcError;
use crate::chain::indexer::balances_at;
use crate::db::{self, EngineTx};
use crate::foundation::Amount;
use crate::product::App;

/// Checkpoints that are looked at to find one that stands: more than any reorg drops at one an hour.
const LOOKED_AT: i64 = 1_000;

/// What the treasury holds of a token and has to hold, at the end of a block.
#[derive(Clone, Debug)]
pub struct Books {
    /// The token.
    pub contract: Address,
    /// What it holds.
    pub on_chain: i128,
    /// What the ledger says.
    pub owed: i128,
    /// Whether the token's reconciliation begins here.
    pub is_first: bool,
}

impl Books {
    /// What the treasury owes and does not have.
    pub fn shortfall(&self, symbol: &str, block: u64) -> Option<Difference> {
        let missing = self.owed - self.on_chain;
        let what = format!(
            "the ledger says that the treasury has {} {symbol}, and it holds {}: {missing} are missing",
            self.owed, self.on_chain
        );
        (missing > 0).then(|| Difference::of(what).at(block))
    }
}

/// A token whose movements do not add up.
#[derive(Clone, Debug)]
pub struct Parted {
    /// The token.
    pub contract: Address,
    /// Where it last did.
    pub start: Checkpoint,
    /// What the treasury should hold.
    pub expected: i128,
    /// What it holds.
    pub held: i128,
}

/// From where tokens are compared.
#[derive(Debug)]
pub struct Starts {
    by_token: HashMap<Address, Option<Checkpoint>>,
    /// The lowest of them; none when no token has one.
    pub from: Option<u64>,
    /// Tokens that have none any more.
    pub differences: Vec<Difference>,
}

impl Starts {
    /// The token's.
    pub fn of(&self, token: Address) -> Option<&Checkpoint> {
        self.by_token.get(&token).and_then(Option::as_ref)
    }

    /// Whether the token ever had one.
    pub fn has_any(&self, token: Address) -> bool {
        self.by_token.contains_key(&token)
    }
}

/// The highest checkpoint of each token that the chain still has, or the first one in a full run.
pub async fn starts(tx: &mut EngineTx, chain_id: u64, held: &Holdings, depth: Depth) -> db::Result<Starts> {
    let mut starts = Starts { by_token: HashMap::new(), from: None, differences: Vec::new() };
    for (token, _) in &held.amounts {
        let Some(baseline) = store::baseline(tx, chain_id, *token).await? else { continue };
        let candidates = match depth {
            Depth::Full => vec![baseline.clone()],
            Depth::SinceAgreed => {
                store::checkpoints(tx, chain_id, *token, held.at.number.saturating_add(1), LOOKED_AT).await?
            }
        };
        let mut standing = None;
        for candidate in candidates {
            // One whose hash is not remembered any more is older than any reorg.
            let hash = store::hash_of(tx, chain_id, candidate.block).await?;
            if hash.is_none_or(|hash| hash == candidate.hash) {
                standing = Some(candidate);
                break;
            }
        }
        let lowest = standing.as_ref().map_or(baseline.block, |checkpoint| checkpoint.block);
        starts.from = Some(starts.from.map_or(lowest, |from| from.min(lowest)));
        if standing.is_none() {
            let what = "a reorg has replaced the block at which reconciliation began: what the treasury holds cannot be \
                        compared with what it held then";
            starts.differences.push(Difference::of(what).at(baseline.block));
        }
        starts.by_token.insert(*token, standing);
    }
    Ok(starts)
}

/// Says since which block a token's movements do not add up, as far as the node remembers states.
pub async fn locate(app: &App, parted: &Parted, held_at: u64) -> Result<Difference, ReconcileError> {
    let symbol = app.tokens.by_contract(parted.contract).map_or("?", |token| &*token.symbol);
    let what = format!(
        "the treasury held {} {symbol} in block {}, and with its transfers since it should hold {} in block {held_at}; it \
         holds {}",
        parted.start.amount, parted.start.block, parted.expected, parted.held
    );
    // The last block known to agree, the first known not to.
    let (mut agrees, mut parts) = (parted.start.block, held_at);
    while parts - agrees > 1 {
        let middle = agrees + (parts - agrees) / 2;
        match adds_up(app, parted, middle).await? {
            Some(true) => agrees = middle,
            Some(false) => parts = middle,
            None => {
                let what = format!("{what} (they part after block {agrees}; the node remembers no older states)");
                return Ok(Difference::of(what).at(parts));
            }
        }
    }
    Ok(Difference::of(what).at(parts))
}

/// Whether movements up to a block add up to what the treasury held then; `None` when the node does not remember.
async fn adds_up(app: &App, parted: &Parted, block: u64) -> Result<Option<bool>, ReconcileError> {
    let (chain, token) = (&app.chain, parted.contract);
    let Some(header) = chain.rpc().header(BlockNumberOrTag::Number(block)).await? else { return Ok(None) };
    let held = match balances_at(chain.rpc(), token, &[chain.treasury()], header.hash).await {
        Ok(held) => held.first().copied().unwrap_or_default(),
        Err(RpcError::Refused { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut tx = app.db.engine().await?;
    let account = (chain.treasury(), token);
    let net = store::net(&mut tx, chain.settings().chain_id, account, parted.start.block, block).await?;
    tx.commit().await?;
    Ok(Some(units(parted.start.amount) + net == units(held)))
}

/// Base units with a sign.
pub fn units(amount: Amount) -> i128 {
    i128::try_from(amount.base_units()).unwrap_or(i128::MAX)
}

/// Base units without one; `None` below zero.
pub fn amount(units: i128) -> Option<Amount> {
    u128::try_from(units).ok().and_then(Amount::from_base_units)
}
