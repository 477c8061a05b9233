//! The indexer: every transfer of the configured tokens that touches an account of ours, as the chain has it.
//!
//! ```text
//!                 ┌────────────── undo: back to the last block that the chain still has ◀── another branch
//!                 ▼                                                                              │
//! checkpoint ──▶ range of final blocks, by eth_getLogs ──▶ newest blocks one by one, by hash ────┴──▶ head
//! (number, hash)        (halved when refused)
//! ```
//!
//! What a round has read and the checkpoint commit together, under the fencing number of the one process that is at
//! work; another takes over when its lease has lapsed. Movements of dropped blocks are kept as `undone`, and are
//! `present` again should the chain come back to them. Features are told of movements that are deep enough, and of
//! those among them that a deeper reorg undid after all ([`MovementFollower`]).
//!
//! What nodes say is not taken on trust: each block must name its parent, near the head its logs are asked for by its
//! hash and further back theirs must be of it, and an answer without logs must agree with the block's bloom filter, or
//! else with all of its receipts. A balance is never summed up: it is asked for
//! once a movement has touched the wallet ([`Indexer`] only tells when).

mod balances;
mod blocks;
mod follow;
mod header;
mod held;
mod movement;
mod progress;
mod range;
mod run;
mod store;
mod undo;

pub use balances::at as balances_at;
pub use follow::{MovementFollower, MovementNews, follow_movements, take_note_of_movements};
pub use header::{Header, Mark};
pub use held::indexed_balance;
pub use movement::Direction;
pub use progress::{Progress, progress};
pub use run::{Indexer, IndexerError, IndexerSettings};
