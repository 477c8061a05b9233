//! What a database error means to a caller.

use std::time::Duration;

use sqlx::error::DatabaseError;

use super::{Error, Result};
use crate::foundation::Broken;

const SOON: Duration = Duration::from_secs(1);

impl From<sqlx::Error> for Error {
    /// 503 when the database cannot be reached, is overloaded or asks for another try; 400 for text that Postgres
    /// cannot hold; otherwise 500.
    #[track_caller]
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_) => Self::unavailable(error, SOON),
            sqlx::Error::Database(refused) => match refused.code().as_deref() {
                Some("22021" | "22P05") => {
                    Self::bad_request("invalid_text", "a text has characters that cannot be stored").because(error)
                }
                Some(state) if is_transient(state) => Self::unavailable(error, SOON),
                Some(_) | None => Self::internal(error),
            },
            _ => Self::internal(error),
        }
    }
}

impl From<Broken> for Error {
    #[track_caller]
    fn from(broken: Broken) -> Self {
        Self::internal(broken)
    }
}

/// SQLSTATEs (PostgreSQL, appendix A) that another try may not meet: connection trouble, serialisation failure and
/// deadlock, lack of resources, lock or statement timeout, a server that is starting, stopping or a read-only replica.
fn is_transient(state: &str) -> bool {
    state.starts_with("08")
        || state.starts_with("40")
        || state.starts_with("53")
        || state.starts_with("57P")
        || matches!(state, "55P03" | "57014" | "25006" | "25P03")
}

/// Answers a broken database constraint by its name.
pub trait OnConstraint<T> {
    /// Replaces the error by `answer`'s when it is a violation of the constraint (or unique index) `name`.
    fn on_constraint(self, name: &str, answer: impl FnOnce(&dyn DatabaseError) -> Error) -> Result<T>;
}

impl<T> OnConstraint<T> for std::result::Result<T, sqlx::Error> {
    #[track_caller]
    fn on_constraint(self, name: &str, answer: impl FnOnce(&dyn DatabaseError) -> Error) -> Result<T> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(Error::from(error)).on_constraint(name, answer),
        }
    }
}

/// So that several constraints can be answered one after the other.
impl<T> OnConstraint<T> for Result<T> {
    fn on_constraint(self, name: &str, answer: impl FnOnce(&dyn DatabaseError) -> Error) -> Result<T> {
        self.map_err(|error| match error.source_as::<sqlx::Error>() {
            Some(sqlx::Error::Database(refused)) if refused.constraint() == Some(name) => answer(refused.as_ref()),
            _ => error,
        })
    }
}
