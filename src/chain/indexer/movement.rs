//! What transfers mean for accounts of ours. Pure: logs in, movements out.

use std::collections::{BTreeMap, HashMap};

use alloy::primitives::{Address, B256};
use alloy::rpc::types::Log;
use alloy::sol_types::SolEvent;
use chrono::{DateTime, Utc};
use uuid::{NoContext, Timestamp, Uuid};

use super::Mark;
use crate::chain::contracts::IERC20::Transfer;
use crate::foundation::{Amount, TenantId};

/// Which way tokens went, seen from an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// The account received.
    In,
    /// The account sent.
    Out,
}

impl Direction {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }

    /// Reads [`Direction::as_str`]'s word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::In, Self::Out].into_iter().find(|direction| direction.as_str() == word)
    }
}

/// An account whose transfers are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whose it is; the nil tenant's is the treasury.
    pub tenant: TenantId,
    /// What it is to us.
    pub kind: String,
}

/// A transfer of one of the configured tokens, as a block has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenTransfer {
    /// The block.
    pub block: Mark,
    /// Its place among the block's logs.
    pub log_index: u64,
    /// The transaction.
    pub tx_hash: B256,
    /// The contract.
    pub token: Address,
    /// Who sent.
    pub from: Address,
    /// Who received.
    pub to: Address,
    /// How much; never nothing.
    pub amount: Amount,
}

/// Why a log cannot be used: the node contradicts itself or what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It lacks its block, its transaction or its place.
    #[error("a log does not say where it is")]
    Nowhere,
    /// It was asked for logs of other blocks.
    #[error("a log is of block {0}, for which the node was not asked")]
    Elsewhere(u64),
    /// Two logs of one height name different blocks.
    #[error("logs of block {0} are of two branches")]
    TwoBranches(u64),
}

/// Reads a node's logs of blocks `from` to `to`: transfers of these tokens that move something, each once, in order.
///
/// Transfers of nothing are left out: anybody can make a token log one in anybody's name.
pub fn read(logs: &[Log], tokens: &[Address], from: u64, to: u64) -> Result<Vec<SeenTransfer>, Unusable> {
    let mut hashes: HashMap<u64, B256> = HashMap::new();
    let mut seen = BTreeMap::new();
    for log in logs {
        if log.removed || !tokens.contains(&log.address()) || log.topic0() != Some(&Transfer::SIGNATURE_HASH) {
            continue;
        }
        let (Some(number), Some(hash), Some(tx_hash), Some(log_index)) =
            (log.block_number, log.block_hash, log.transaction_hash, log.log_index)
        else {
            return Err(Unusable::Nowhere);
        };
        if !(from..=to).contains(&number) {
            return Err(Unusable::Elsewhere(number));
        }
        if *hashes.entry(number).or_insert(hash) != hash {
            return Err(Unusable::TwoBranches(number));
        }
        let Ok(event) = Transfer::decode_log(&log.inner) else { continue };
        let amount = u128::try_from(event.value).ok().and_then(Amount::from_base_units);
        let Some(amount) = amount else {
            tracing::error!(token = %log.address(), %tx_hash, "a token logs a transfer beyond all bounds");
            continue;
        };
        if amount.is_zero() {
            continue;
        }
        let block = Mark { number, hash };
        let token = log.address();
        let transfer = SeenTransfer { block, log_index, tx_hash, token, from: event.from, to: event.to, amount };
        seen.insert((number, log_index), transfer);
    }
    Ok(seen.into_values().collect())
}

/// One side of a transfer that touches an account of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Sorts by the block's time.
    pub id: Uuid,
    /// Whose account.
    pub account_of: Account,
    /// The account.
    pub account: Address,
    /// Which way.
    pub direction: Direction,
    /// The transfer.
    pub transfer: SeenTransfer,
    /// When its block was made.
    pub at: DateTime<Utc>,
}

impl Movement {
    /// The other side.
    pub const fn counterparty(&self) -> Address {
        match self.direction {
            Direction::In => self.transfer.from,
            Direction::Out => self.transfer.to,
        }
    }
}

/// The sides of transfers that accounts of ours are on. A transfer to oneself has both.
pub fn sides(
    transfers: &[SeenTransfer],
    accounts: &HashMap<Address, Vec<Account>>,
    times: &HashMap<B256, DateTime<Utc>>,
) -> Vec<Movement> {
    let mut movements = Vec::new();
    for transfer in transfers {
        let at = times.get(&transfer.block.hash).copied().unwrap_or_default();
        for (account, direction) in [(transfer.from, Direction::Out), (transfer.to, Direction::In)] {
            for account_of in accounts.get(&account).into_iter().flatten() {
                let (account_of, transfer) = (account_of.clone(), transfer.clone());
                movements.push(Movement { id: id_at(at), account_of, account, direction, transfer, at });
            }
        }
    }
    movements
}

fn id_at(time: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(time.timestamp()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, time.timestamp_subsec_nanos()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use alloy::primitives::U256;

    use super::*;

    const TOKEN: Address = Address::repeat_byte(1);
    const OTHER: Address = Address::repeat_byte(2);

    fn log(token: Address, block: u64, hash: u8, index: u64, value: u64) -> Log {
        let event = Transfer { from: Address::repeat_byte(7), to: Address::repeat_byte(8), value: U256::from(value) };
        Log {
            inner: alloy::primitives::Log { address: token, data: event.encode_log_data() },
            block_hash: Some(B256::repeat_byte(hash)),
            block_number: Some(block),
            transaction_hash: Some(B256::repeat_byte(9)),
            log_index: Some(index),
            ..Log::default()
        }
    }

    fn places(logs: &[Log]) -> Vec<(u64, u64)> {
        let read = read(logs, &[TOKEN], 5, 6).unwrap();
        read.iter().map(|transfer| (transfer.block.number, transfer.log_index)).collect()
    }

    #[test]
    fn transfers_are_read_once_and_in_order() {
        let logs = [log(TOKEN, 6, 6, 0, 5), log(TOKEN, 5, 5, 3, 5), log(TOKEN, 5, 5, 1, 5), log(TOKEN, 5, 5, 3, 5)];
        assert_eq!(places(&logs), [(5, 1), (5, 3), (6, 0)]);
    }

    #[test]
    fn other_contracts_and_transfers_of_nothing_are_left_out() {
        let mut removed = log(TOKEN, 5, 5, 4, 5);
        removed.removed = true;
        assert_eq!(places(&[log(OTHER, 5, 5, 1, 5), log(TOKEN, 5, 5, 2, 0), removed]), []);
    }

    #[test]
    fn logs_that_contradict_each_other_or_the_question_are_not_used() {
        let two = [log(TOKEN, 5, 5, 1, 5), log(TOKEN, 5, 6, 2, 5)];
        assert_eq!(read(&two, &[TOKEN], 5, 6), Err(Unusable::TwoBranches(5)));
        assert_eq!(read(&[log(TOKEN, 7, 7, 1, 5)], &[TOKEN], 5, 6), Err(Unusable::Elsewhere(7)));
        let mut lost = log(TOKEN, 5, 5, 1, 5);
        lost.block_hash = None;
        assert_eq!(read(&[lost], &[TOKEN], 5, 6), Err(Unusable::Nowhere));
    }

    #[test]
    fn each_account_of_ours_has_its_side_and_strangers_have_none() {
        let transfers = read(&[log(TOKEN, 5, 5, 1, 5)], &[TOKEN], 5, 6).unwrap();
        let wallet = |tenant: u128| Account { tenant: TenantId(Uuid::from_u128(tenant)), kind: "wallet".into() };
        let accounts = HashMap::from([
            (Address::repeat_byte(7), vec![wallet(1)]),
            (Address::repeat_byte(8), vec![wallet(1), wallet(2)]),
        ]);
        let sides = sides(&transfers, &accounts, &HashMap::new());
        let told: Vec<_> = sides.iter().map(|side| (side.account_of.tenant.0.as_u128(), side.direction)).collect();
        assert_eq!(told, [(1, Direction::Out), (1, Direction::In), (2, Direction::In)]);
        assert_eq!(sides[0].counterparty(), Address::repeat_byte(8));
        assert_eq!(super::sides(&transfers, &HashMap::new(), &HashMap::new()), []);
    }
}
