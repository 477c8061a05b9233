//! What tenants are told of transfers.

use alloy::primitives::{Address, B256};
use chrono::{DateTime, Utc};
use serde_json::json;

use super::store::Row;
use super::{KIND, PREFIX, Status};
use crate::foundation::{Mode, PublicId, TenantId, Token, Tokens};
use crate::http::{Error, Result};
use crate::webhooks::{EventType, NewEvent, Resource};

/// That a transfer was accepted.
pub fn accepted(row: &Row, token: &Token) -> Result<NewEvent> {
    let told = tell(row, Status::Queued, row.created_at, Some(token));
    told.ok_or_else(|| Error::internal("a transfer was stored with an unknown mode"))
}

/// That transfers moved on: each step that was not told before, also one that nobody noticed while it lasted.
pub fn moved(rows: &[Row], tokens: &Tokens) -> Vec<NewEvent> {
    let steps =
        |row| new_steps(row).filter_map(move |(status, at)| tell(row, status, at, tokens.by_symbol(&row.token)));
    rows.iter().flat_map(steps).collect()
}

fn new_steps(row: &Row) -> impl Iterator<Item = (Status, DateTime<Utc>)> {
    let submitted = row.submitted_at.filter(|_| !row.was_submitted).map(|at| (Status::Submitted, at));
    let ended = row.ended_at.filter(|_| !row.was_ended);
    submitted.into_iter().chain(Status::from_word(&row.status).zip(ended))
}

fn tell(row: &Row, status: Status, at: DateTime<Utc>, token: Option<&Token>) -> Option<NewEvent> {
    let address = |bytes: &[u8]| Address::try_from(bytes).ok().map(|address| address.to_checksum(None));
    let tx_hash = row.tx_hash.as_deref().and_then(|hash| B256::try_from(hash).ok());
    Some(NewEvent {
        tenant: TenantId(row.tenant_id),
        event: event(status),
        resource: Resource::new(KIND, row.id),
        mode: Mode::from_word(&row.mode)?,
        at,
        data: json!({
            "transfer_id": PublicId::format(PREFIX, row.id),
            "status": status,
            "token": row.token,
            // Null for a token that is not configured any more: money matters more than its news.
            "amount": token.map(|token| token.format(row.amount)),
            "sender_wallet_address": address(&row.sender_wallet),
            "recipient_wallet_address": address(&row.recipient_wallet),
            "quote_id": row.quote_id.map(|id| PublicId::format("fx", id)),
            "idempotency_key": row.idempotency_key,
            "tx_hash": tx_hash,
            "block_number": row.block_number,
            "failure_reason": row.failure,
            "created_at": row.created_at,
        }),
    })
}

const fn event(status: Status) -> EventType {
    match status {
        Status::Queued => EventType::TransferQueued,
        Status::Submitted => EventType::TransferSubmitted,
        Status::Settled => EventType::TransferSettled,
        Status::Failed => EventType::TransferFailed,
    }
}
