//! Comparing what is in the database, at one moment of it.

use alloy::primitives::{Address, B256, Bytes};

use super::books::{self, Books, Parted};
use super::difference::Difference;
use super::run::{Depth, Holdings};
use super::store;
use crate::db::{self, EngineTx};
use crate::product::App;

/// What was compared, and what of it does not agree.
#[derive(Debug)]
pub struct Compared {
    /// Operations and transfers after this block,
    pub from: u64,
    /// and up to this one: it is final, and nothing up to it is under way.
    pub to: u64,
    /// The hash of that one.
    pub hash: B256,
    /// The treasury at that one, token by token.
    pub books: Vec<Books>,
    /// Tokens whose movements do not add up to what the treasury holds.
    pub parted: Vec<Parted>,
    /// Everything else that does not agree.
    pub differences: Vec<Difference>,
}

/// Blocks for which what has not ended may hold the comparison back before that is a difference in itself.
const MOST_HELD_BACK: u64 = 1_800;

/// Compares all that is known with what the treasury held at a block; when nothing can be compared, what is known all the
/// same: nothing while the indexer has begun so lately that nothing of what it has is final.
pub async fn at(app: &App, held: &Holdings, depth: Depth) -> db::Result<Result<Compared, Vec<Difference>>> {
    let (chain_id, treasury) = (app.chain.settings().chain_id, app.chain.treasury());
    let mut tx = store::snapshot(&app.db).await?;
    let indexed = store::indexed(&mut tx, chain_id, held.at.number, held.at.hash).await?;
    let newest = indexed.final_number.min(held.at.number);
    let mut to = newest;
    if let Some(unended) = store::first_unended(&mut tx).await? {
        to = to.min(unended.saturating_sub(1));
    }
    let mut starts = books::starts(&mut tx, chain_id, held, depth).await?;
    let mut differences = std::mem::take(&mut starts.differences);
    let from = starts.from.unwrap_or(to);

    let unasked = store::unasked(&mut tx, chain_id, treasury, from, to).await?;
    // What an operation that has not ended asks for is that operation's: it ends shortly.
    if let Some(open) = unasked.iter().find(|transfer| transfer.is_open) {
        to = to.min(open.block.saturating_sub(1));
    }
    differences.extend(operations(&mut tx, chain_id, from, to).await?);
    differences.extend(unasked.iter().filter(|transfer| transfer.block <= to).map(nobody_asked));

    let has_begun = starts.from.is_some();
    if has_begun && newest.saturating_sub(to) > MOST_HELD_BACK {
        let what = format!("nothing up to block {newest} is compared: what is under way there has not ended");
        differences.push(Difference::of(what).at(to + 1));
    }
    // What lies before the block at which the indexer began is nobody's to compare.
    let Some(hash) = store::hash_of(&mut tx, chain_id, to).await? else {
        if has_begun {
            differences.push(Difference::of(format!("nothing can be compared: block {to} is not known any more")));
        }
        return Ok(Err(differences));
    };
    let (mut books, mut parted) = (Vec::new(), Vec::new());
    for (contract, amount) in &held.amounts {
        let Some(token) = app.tokens.by_contract(*contract) else { continue };
        let start = starts.of(*contract);
        if let Some(start) = start {
            let net = store::net(&mut tx, chain_id, (treasury, *contract), start.block, held.at.number).await?;
            let expected = books::units(start.amount) + net;
            if expected != books::units(*amount) {
                parted.push(Parted {
                    contract: *contract,
                    start: start.clone(),
                    expected,
                    held: books::units(*amount),
                });
            }
        }
        let since = store::net(&mut tx, chain_id, (treasury, *contract), to, held.at.number).await?;
        let owed =
            store::owed(&mut tx, &token.symbol).await? + store::unposted(&mut tx, treasury, *contract, to).await?;
        let of_token = Books {
            contract: *contract,
            on_chain: books::units(*amount) - since,
            owed,
            is_first: start.is_none() && !starts.has_any(*contract),
        };
        differences.extend(of_token.shortfall(&token.symbol, to));
        books.push(of_token);
    }
    tx.commit().await?;
    Ok(Ok(Compared { from, to, hash, books, parted, differences }))
}

/// Operations that are not the transfers that they say they are.
async fn operations(tx: &mut EngineTx, chain_id: u64, from: u64, to: u64) -> db::Result<Vec<Difference>> {
    let mut differences = Vec::new();
    for operation in store::unfounded(tx, chain_id, from, to).await? {
        let tx_hash = operation.tx_hash.map(Bytes::from).unwrap_or_default();
        let now = match operation.elsewhere {
            Some(block) if block == operation.block => "there is another transfer or none at its place".to_owned(),
            Some(block) => format!("the chain has that in block {block}"),
            None => "the chain does not have it".to_owned(),
        };
        let what = format!(
            "the {} {} of {} succeeded by transaction {tx_hash}, and {now}",
            operation.kind, operation.reference, operation.amount
        );
        let difference = Difference::of(what).at(operation.block).about(format!("operation {}", operation.id));
        differences.push(Difference { tenant: Some(operation.tenant), ..difference });
    }
    for (block, tx_hash, log_index, ids) in store::doubled(tx, from, to).await? {
        let what = format!("{} operations name this one transfer: {ids:?}", ids.len());
        differences.push(Difference::of(what).at(block).about(place(&tx_hash, log_index)));
    }
    Ok(differences)
}

fn nobody_asked(transfer: &store::Unasked) -> Difference {
    let address = |bytes: &[u8]| Address::try_from(bytes).unwrap_or_default();
    let (recipient, token) = (address(&transfer.recipient), address(&transfer.token));
    let what =
        format!("{} of {token} left the treasury for {recipient}, and no operation asked for it", transfer.amount);
    Difference::of(what).at(transfer.block).about(place(&transfer.tx_hash, transfer.log_index))
}

fn place(tx_hash: &[u8], log_index: i64) -> String {
    format!("transaction {} log {log_index}", Bytes::copy_from_slice(tx_hash))
}
