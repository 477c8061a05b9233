//! What withdrawals went through.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Row;
use crate::db::{self, TenantTx};

/// Something that happened to a withdrawal.
pub struct Step {
    pub tenant: Uuid,
    pub withdrawal: Uuid,
    pub state: String,
    pub at: DateTime<Utc>,
    pub tx_hash: Option<Vec<u8>>,
    pub reference: Option<String>,
    pub note: Option<String>,
}

impl Step {
    /// A step of a withdrawal, of which there is nothing more to say.
    pub fn of(row: &Row, state: &str, at: DateTime<Utc>) -> Self {
        let (tenant, withdrawal, state) = (row.tenant_id, row.id, state.to_owned());
        Self { tenant, withdrawal, state, at, tx_hash: None, reference: None, note: None }
    }

    /// With a transaction's hash.
    pub fn in_transaction(self, tx_hash: Option<Vec<u8>>) -> Self {
        Self { tx_hash, ..self }
    }

    /// With the id or the reference of a payment.
    pub fn known_as(self, reference: impl Into<Option<String>>) -> Self {
        Self { reference: reference.into(), ..self }
    }

    /// With what there is to say.
    pub fn saying(self, note: impl Into<Option<String>>) -> Self {
        Self { note: note.into(), ..self }
    }
}

/// Adds steps after those that are there, in the order given. The withdrawals' rows are locked.
pub async fn add(tx: &mut TenantTx, steps: &[Step]) -> db::Result<()> {
    sqlx::query!(
        "insert into withdrawal_step (tenant_id, withdrawal_id, seq, state, at, tx_hash, reference, note)
        select i.tenant_id, i.withdrawal_id,
            coalesce((select max(s.seq) from withdrawal_step s
                      where s.tenant_id = i.tenant_id and s.withdrawal_id = i.withdrawal_id), 0)
                + row_number() over (partition by i.tenant_id, i.withdrawal_id order by i.ord)::int,
            i.state, i.at, i.tx_hash, i.reference, i.note
        from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::bytea[], $6::text[], $7::text[])
            with ordinality as i (tenant_id, withdrawal_id, state, at, tx_hash, reference, note, ord)",
        &steps.iter().map(|s| s.tenant).collect::<Vec<_>>(),
        &steps.iter().map(|s| s.withdrawal).collect::<Vec<_>>(),
        &steps.iter().map(|s| s.state.clone()).collect::<Vec<_>>(),
        &steps.iter().map(|s| s.at).collect::<Vec<_>>(),
        &steps.iter().map(|s| s.tx_hash.clone()).collect::<Vec<_>>() as &[Option<Vec<u8>>],
        &steps.iter().map(|s| s.reference.clone()).collect::<Vec<_>>() as &[Option<String>],
        &steps.iter().map(|s| s.note.clone()).collect::<Vec<_>>() as &[Option<String>],
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}
