//! What went into and out of a customer's wallet.
//!
//! One statement reads the tables of three other features and what came from outside, and only reads them: put together here it is ordered and cut
//! by the database, which walks one index a kind and stops. Their ids are all UUIDv7, so that they sort by time across
//! the kinds.

use alloy::primitives::B256;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::db::{self, TenantTx};
use crate::foundation::{Amount, PublicId, Tokens};
use crate::http::{Error, Result};
use crate::product::{funding, transfers, withdrawals};

#[derive(Debug, Serialize, ToSchema)]
pub struct Movement {
    kind: MovementKind,
    /// The deposit's, the transfer's or the withdrawal's id, or the movement's own.
    #[schema(example = "txn_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    id: String,
    #[schema(example = "10.500000")]
    amount: String,
    #[schema(example = "USDC")]
    token: String,
    status: MovementStatus,
    /// The transaction that carried it.
    tx_hash: Option<String>,
    created_at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    /// From the treasury into the wallet.
    Deposit,
    /// From another customer into the wallet.
    TransferIn,
    /// Out of the wallet to another customer.
    TransferOut,
    /// Out of the wallet, for local money.
    Withdrawal,
    /// Into the wallet, from somebody else.
    Received,
    /// Out of the wallet, by nothing that was asked of this server.
    Sent,
}

/// Where it stands, in the words of its kind.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum MovementStatus {
    Deposit(funding::Status),
    Transfer(transfers::Status),
    Withdrawal(withdrawals::Status),
    Outside(OutsideStatus),
}

/// Where a movement from outside stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OutsideStatus {
    /// Final.
    Settled,
    /// The chain dropped it after it had counted as final.
    Reversed,
}

/// A movement as the database has it.
pub struct Row {
    kind: String,
    id: Uuid,
    deposit_id: Option<String>,
    amount: Amount,
    token: String,
    status: String,
    tx_hash: Option<Vec<u8>>,
    created_at: DateTime<Utc>,
}

/// The newest movements of a customer's wallet, `limit` at most.
pub async fn newest(tx: &mut TenantTx, customer: Uuid, limit: i64) -> db::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select kind as "kind!", id as "id!", deposit_id, amount as "amount!: Amount", token as "token!",
            status as "status!", tx_hash, created_at as "created_at!"
        from (
            (select 'deposit' as kind, id, deposit_id, amount, token, status, tx_hash, created_at
            from deposit where tenant_id = $1 and customer_id = $2 order by id desc limit $3)
            union all
            (select 'transfer_in', id, null, amount, token, status, tx_hash, created_at
            from transfer where tenant_id = $1 and recipient_id = $2 order by id desc limit $3)
            union all
            (select 'transfer_out', id, null, amount, token, status, tx_hash, created_at
            from transfer where tenant_id = $1 and sender_id = $2 order by id desc limit $3)
            union all
            (select 'withdrawal', id, null, amount, token, status, tx_hash, created_at
            from withdrawal where tenant_id = $1 and customer_id = $2 order by id desc limit $3)
            union all
            (select case direction when 'in' then 'received' else 'sent' end, id, null, amount, token, status, tx_hash,
                created_at
            from outside_movement where tenant_id = $1 and customer_id = $2 order by id desc limit $3)
        ) movement
        order by id desc limit $3"#,
        tx.tenant().0,
        customer,
        limit,
    )
    .fetch_all(&mut **tx)
    .await
}

impl Movement {
    pub(super) fn of(tokens: &Tokens, row: Row) -> Result<Self> {
        let unknown = |what: &str| Error::internal(format!("a movement's {what} is not known"));
        let token = tokens.by_symbol(&row.token).ok_or_else(|| unknown("token"))?;
        let kind = MovementKind::from_word(&row.kind).ok_or_else(|| unknown("kind"))?;
        let tx_hash = row.tx_hash.as_deref().map(B256::try_from).transpose().map_err(Error::internal)?;
        let id = match kind {
            MovementKind::Deposit => row.deposit_id.ok_or_else(|| unknown("deposit_id"))?,
            MovementKind::TransferIn | MovementKind::TransferOut => PublicId::format("txn", row.id),
            MovementKind::Withdrawal => PublicId::format("wdrl", row.id),
            MovementKind::Received | MovementKind::Sent => PublicId::format("mov", row.id),
        };
        Ok(Self {
            kind,
            id,
            amount: token.format(row.amount),
            status: MovementStatus::of(kind, &row.status).ok_or_else(|| unknown("status"))?,
            token: row.token,
            tx_hash: tx_hash.map(|hash| hash.to_string()),
            created_at: row.created_at,
        })
    }
}

impl MovementKind {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "deposit" => Some(Self::Deposit),
            "transfer_in" => Some(Self::TransferIn),
            "transfer_out" => Some(Self::TransferOut),
            "withdrawal" => Some(Self::Withdrawal),
            "received" => Some(Self::Received),
            "sent" => Some(Self::Sent),
            _ => None,
        }
    }
}

impl MovementStatus {
    fn of(kind: MovementKind, word: &str) -> Option<Self> {
        match kind {
            MovementKind::Deposit => funding::Status::from_word(word).map(Self::Deposit),
            MovementKind::TransferIn | MovementKind::TransferOut => {
                transfers::Status::from_word(word).map(Self::Transfer)
            }
            MovementKind::Withdrawal => withdrawals::Status::from_word(word).map(Self::Withdrawal),
            MovementKind::Received | MovementKind::Sent => OutsideStatus::from_word(word).map(Self::Outside),
        }
    }
}

impl OutsideStatus {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "SETTLED" => Some(Self::Settled),
            "REVERSED" => Some(Self::Reversed),
            _ => None,
        }
    }
}
