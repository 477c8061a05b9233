//! Floor 1: values with no I/O.

mod address;
mod amount;
mod blind_index;
mod client_key;
mod clock;
pub mod day;
mod digester;
mod envelope;
mod failpoint;
mod id;
mod loopback;
mod master_key;
mod mode;
mod phone;
pub mod place;
mod rehearsal;
mod request_digest;
mod token;

pub use address::{ChecksumAddress, InvalidAddress};
pub use amount::{Amount, InvalidAmount};
pub use blind_index::{BlindIndex, BlindIndexer};
pub use client_key::{ClientKey, InvalidClientKey};
pub use clock::Clock;
pub use digester::Digester;
pub use envelope::{Broken, DataKey, Sealed, WrappedKey};
pub use failpoint::FailPoint;
pub use id::{InvalidId, PublicId, TenantId};
pub use loopback::is_loopback;
pub use master_key::MasterKey;
pub use mode::Mode;
pub use phone::{Country, InvalidPhone, Phone};
pub use rehearsal::Rehearsal;
pub use request_digest::RequestDigest;
pub use token::{InvalidToken, Token, Tokens};
