//! SQL of webhook endpoints, their secrets and their logs.

mod endpoint;
mod log;

pub use endpoint::{Row, delete, ever_existed, insert, insert_secret, list, lock, retire_secrets};
pub use log::{Filter, LogRow, attempts, logs};
