//! Transfers: what is asked for and what is decided.

use alloy::primitives::Address;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{KIND, PREFIX, Status, events, store};
use crate::chain::{self, NewOperation, Payer, SmartWallet};
use crate::db::TenantTx;
use crate::foundation::{Amount, ClientKey, Mode, PublicId, TenantId, Token};
use crate::http::{Error, Result};
use crate::product::rules::Passed;
use crate::webhooks;

/// A transfer that somebody asks for.
#[derive(Clone, Debug)]
pub struct NewTransfer {
    /// Whose.
    pub tenant: TenantId,
    /// Live or test.
    pub mode: Mode,
    /// Its id, a fresh UUIDv7, which its operation bears as well.
    pub id: Uuid,
    /// Who pays, and from which wallet.
    pub sender: (Uuid, SmartWallet),
    /// Who receives, and where.
    pub recipient: (Uuid, Address),
    /// What is sent.
    pub token: Token,
    /// How much, in the token's base units.
    pub amount: Amount,
    /// The quote that it takes.
    pub quote: Option<Uuid>,
    /// The tenant's own name for it.
    pub idempotency_key: Option<ClientKey>,
    /// What was asked for under that name.
    pub digest: [u8; 32],
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

/// A stored transfer, as an answer tells it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its id.
    pub id: Uuid,
    /// Where it stands.
    pub status: Status,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

impl Known {
    /// The id as callers see it: `txn_0197…`.
    pub fn public_id(&self) -> String {
        PublicId::format(PREFIX, self.id)
    }
}

/// A tenant's transfers.
pub struct Transfers;

impl Transfers {
    /// The transfer that was asked for under this name before; 409 when something else was.
    pub async fn repeated(tx: &mut TenantTx, mode: Mode, key: &ClientKey, digest: [u8; 32]) -> Result<Option<Known>> {
        match store::find_by_key(tx, mode, key).await? {
            None => Ok(None),
            Some((known, asked)) if asked == digest => Ok(Some(known)),
            Some(_) => Err(key_reused()),
        }
    }

    /// Stores a transfer that its sender's wallet covers, with its operation and its event. Of several at once with one
    /// name the first wins: 409 for the others.
    pub async fn accept(tx: &mut TenantTx, transfer: &NewTransfer, _: Passed) -> Result<Known> {
        chain::enqueue(tx, &[operation(transfer)]).await?;
        let row = store::insert(tx, transfer).await?;
        webhooks::emit(tx, &[events::accepted(&row, &transfer.token)?]).await?;
        Ok(Known { id: transfer.id, status: Status::Queued, created_at: transfer.created_at })
    }
}

/// 409: the name stands for another transfer.
#[track_caller]
pub fn key_reused() -> Error {
    Error::conflict("idempotency_key_reused", "this idempotency_key was sent with another transfer")
}

fn operation(transfer: &NewTransfer) -> NewOperation {
    NewOperation {
        tenant: transfer.tenant,
        mode: transfer.mode,
        id: transfer.id,
        kind: KIND,
        reference: PublicId::format(PREFIX, transfer.id),
        payer: Payer::Wallet(transfer.sender.1),
        token: transfer.token.contract,
        recipient: transfer.recipient.1,
        amount: transfer.amount,
        rehearsed_failure: chain::rehearsed_failure(transfer.mode, &transfer.token, transfer.amount),
    }
}
