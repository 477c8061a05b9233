//! The documents that are exchanged with PawaPay. Fields that we do not use are not read; new ones may appear.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::providers::payout::PayoutRequest;

/// The body of `POST /v2/payouts`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Creation<'a> {
    payout_id: Uuid,
    recipient: Recipient<'a>,
    amount: String,
    currency: &'static str,
    metadata: [Note; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recipient<'a> {
    r#type: &'static str,
    account_details: Account<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Account<'a> {
    phone_number: &'a str,
    provider: &'static str,
}

/// Kept with the payout, for whoever compares books.
#[derive(Serialize)]
struct Note {
    withdrawal_id: Uuid,
}

impl<'a> Creation<'a> {
    /// A payout of this amount, written as PawaPay reads it.
    pub fn new(payout: &'a PayoutRequest, provider: &'static str, amount: String) -> Self {
        let phone_number = payout.mobile.e164().trim_start_matches('+');
        Self {
            payout_id: payout.id,
            recipient: Recipient { r#type: "MMO", account_details: Account { phone_number, provider } },
            amount,
            currency: payout.currency.code(),
            metadata: [Note { withdrawal_id: payout.withdrawal_id }],
        }
    }
}

/// The answer to it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Initiation {
    pub payout_id: Option<Uuid>,
    pub status: Initiated,
    pub failure_reason: Option<Failure>,
}

/// What became of a request to pay.
#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Initiated {
    Accepted,
    /// Accepted, and waiting for the network. Version 1 says so at once, version 2 only by the status.
    Enqueued,
    Rejected,
    DuplicateIgnored,
    #[serde(other)]
    Other,
}

/// The answer of `GET /v2/payouts/{id}`.
#[derive(Deserialize)]
pub struct Standing {
    pub status: Envelope,
    pub data: Option<Data>,
}

/// Whether the id is known.
#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Envelope {
    Found,
    NotFound,
    #[serde(other)]
    Other,
}

/// A known payout.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Data {
    pub payout_id: Option<Uuid>,
    pub status: State,
    pub provider_transaction_id: Option<String>,
    pub failure_reason: Option<Failure>,
}

/// Where a known payout stands.
#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    Accepted,
    Enqueued,
    /// As the sandbox says of a network that does not answer.
    Submitted,
    Processing,
    InReconciliation,
    Completed,
    Failed,
    #[serde(other)]
    Other,
}

/// Why something was refused. The message is not read: it may quote the number.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    failure_code: Option<String>,
}

impl Failure {
    /// The code, if it is one: capitals and underscores, as `RECIPIENT_NOT_FOUND`.
    pub fn code(self) -> Option<String> {
        let is_code =
            |text: &String| (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        self.failure_code.filter(is_code)
    }
}

/// The body of an answer of another status than 200.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    pub failure_reason: Option<Failure>,
}

/// What is read of a call-back.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallBack {
    pub payout_id: Uuid,
}
