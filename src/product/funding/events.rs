//! What tenants are told of deposits.

use alloy::primitives::{Address, B256};
use chrono::{DateTime, Utc};
use serde_json::json;

use super::deposit::{KIND, NewDeposit, Status};
use super::store::Moved;
use crate::foundation::{Mode, TenantId, Tokens};
use crate::webhooks::{EventType, NewEvent, Resource};

/// That deposits were accepted.
pub fn accepted<'a>(deposits: impl IntoIterator<Item = &'a NewDeposit>) -> Vec<NewEvent> {
    deposits.into_iter().map(tell_accepted).collect()
}

fn tell_accepted(deposit: &NewDeposit) -> NewEvent {
    NewEvent {
        tenant: deposit.tenant,
        event: event(Status::Queued),
        resource: Resource::new(KIND, deposit.id),
        mode: deposit.mode,
        at: deposit.created_at,
        data: json!({
            "deposit_id": deposit.deposit_id.as_str(),
            "status": Status::Queued,
            "target_token": &*deposit.token.symbol,
            "stablecoin_amount": deposit.token.format(deposit.amount),
            "local_fiat_amount": deposit.local_fiat_amount.to_string(),
            "wallet_address": deposit.wallet.to_checksum(None),
            "tx_hash": null,
            "block_number": null,
            "failure_reason": null,
            "created_at": deposit.created_at,
        }),
    }
}

/// That deposits moved on: each step that was not told before, also one that nobody noticed while it lasted.
pub fn moved(deposits: &[Moved], tokens: &Tokens) -> Vec<NewEvent> {
    let tell = |deposit| new_steps(deposit).filter_map(move |(status, at)| tell_step(deposit, status, at, tokens));
    deposits.iter().flat_map(tell).collect()
}

fn new_steps(deposit: &Moved) -> impl Iterator<Item = (Status, DateTime<Utc>)> {
    let submitted = deposit.submitted_at.filter(|_| !deposit.was_submitted).map(|at| (Status::Submitted, at));
    let ended = deposit.ended_at.filter(|_| !deposit.was_ended);
    submitted.into_iter().chain(Status::from_word(&deposit.status).zip(ended))
}

fn tell_step(deposit: &Moved, status: Status, at: DateTime<Utc>, tokens: &Tokens) -> Option<NewEvent> {
    let token = tokens.by_symbol(&deposit.token);
    let wallet = Address::try_from(deposit.wallet.as_slice()).ok();
    let tx_hash = deposit.tx_hash.as_deref().and_then(|hash| B256::try_from(hash).ok());
    Some(NewEvent {
        tenant: TenantId(deposit.tenant_id),
        event: event(status),
        resource: Resource::new(KIND, deposit.id),
        mode: Mode::from_word(&deposit.mode)?,
        at,
        data: json!({
            "deposit_id": deposit.deposit_id,
            "status": status,
            "target_token": deposit.token,
            // Null for a token that is not configured any more: money matters more than its news.
            "stablecoin_amount": token.map(|token| token.format(deposit.amount)),
            "local_fiat_amount": deposit.local_fiat_amount.to_string(),
            "wallet_address": wallet.map(|wallet| wallet.to_checksum(None)),
            "tx_hash": tx_hash,
            "block_number": deposit.block_number,
            "failure_reason": deposit.failure,
            "created_at": deposit.created_at,
        }),
    })
}

const fn event(status: Status) -> EventType {
    match status {
        Status::Queued => EventType::DepositQueued,
        Status::Submitted => EventType::DepositSubmitted,
        Status::Settled => EventType::DepositSettled,
        Status::Failed => EventType::DepositFailed,
    }
}
