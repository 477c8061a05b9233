//! What a withdrawal went through.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::store::StepRow;
use crate::http::Result;
use crate::product::shown;

#[derive(Serialize, ToSchema)]
pub struct WithdrawalStep {
    /// A status; or `PAYOUT_RETRIED`, `REFUND_DUE`, `REFUND_SENT`, `REFUND_RETURNED`, `REFUND_FAILED`: what became
    /// of refused local money.
    #[schema(example = "CRYPTO_RECEIVED")]
    state: String,
    at: DateTime<Utc>,
    /// The transaction that moved the tokens, when this step is about one.
    tx_hash: Option<String>,
    /// The payment's reference, or the id of what was begun.
    reference: Option<String>,
    /// What else there is to say: who confirmed, why it was refused.
    note: Option<String>,
}

impl WithdrawalStep {
    /// A step as the dashboard shows it.
    pub fn of(row: StepRow) -> Result<Self> {
        let tx_hash = shown::hash(row.tx_hash.as_deref())?;
        Ok(Self { state: row.state, at: row.at, tx_hash, reference: row.reference, note: row.note })
    }
}
