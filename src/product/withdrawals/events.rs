//! What tenants are told of withdrawals.

use alloy::primitives::{Address, B256};
use chrono::{DateTime, Utc};
use serde_json::json;

use super::store::Row;
use super::{KIND, PREFIX, Status};
use crate::db::{self, Error};
use crate::foundation::{Mode, PublicId, TenantId, Token};
use crate::webhooks::{EventType, NewEvent, Resource};

/// That a withdrawal has come to a state.
pub fn told(row: &Row, status: Status, at: DateTime<Utc>, token: Option<&Token>) -> db::Result<NewEvent> {
    tell(row, event(status), status, at, token)
}

/// That the tokens of a refused payout are back in the wallet.
pub fn refunded(row: &Row, at: DateTime<Utc>, token: Option<&Token>) -> db::Result<NewEvent> {
    tell(row, EventType::WithdrawalRefunded, Status::PayoutFailed, at, token)
}

fn tell(row: &Row, event: EventType, status: Status, at: DateTime<Utc>, token: Option<&Token>) -> db::Result<NewEvent> {
    let wallet = Address::try_from(row.wallet.as_slice()).ok();
    let hash = |bytes: &Option<Vec<u8>>| bytes.as_deref().and_then(|hash| B256::try_from(hash).ok());
    Ok(NewEvent {
        tenant: TenantId(row.tenant_id),
        event,
        resource: Resource::new(KIND, row.id),
        mode: Mode::from_word(&row.mode).ok_or_else(|| Error::Decode(format!("{} is no mode", row.mode).into()))?,
        at,
        data: json!({
            "withdrawal_id": PublicId::format(PREFIX, row.id),
            "status": status,
            "token": row.token,
            // Null for a token that is not configured any more: money matters more than its news.
            "amount": token.map(|token| token.format(row.amount)),
            "fiat_amount": row.fiat_amount.to_string(),
            "currency": row.currency,
            "rate": row.rate.to_string(),
            "payout_network": row.network,
            "payout_mobile": row.mobile_hint,
            "payout_reference": row.payout_reference,
            "wallet_address": wallet.map(|wallet| wallet.to_checksum(None)),
            "idempotency_key": row.idempotency_key,
            "tx_hash": hash(&row.tx_hash),
            "block_number": row.block_number,
            "failure_reason": row.failure,
            "refund": row.refund,
            "refund_tx_hash": hash(&row.refund_tx_hash),
            "created_at": row.created_at,
        }),
    })
}

const fn event(status: Status) -> EventType {
    match status {
        Status::Pending => EventType::WithdrawalPending,
        Status::Submitted => EventType::WithdrawalSubmitted,
        Status::CryptoReceived => EventType::WithdrawalCryptoReceived,
        Status::Completed => EventType::WithdrawalCompleted,
        Status::Failed => EventType::WithdrawalFailed,
        Status::PayoutFailed => EventType::WithdrawalPayoutFailed,
    }
}
