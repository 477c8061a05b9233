//! How far the indexer is, for operators.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Mark;
use crate::chain::Chain;
use crate::chain::store::{big, hash, small};
use crate::db;

/// How far the indexer is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Up to where everything is known; none before the first look.
    pub head: Option<Mark>,
    /// Up to where it is final.
    pub final_number: u64,
    /// Seconds since the chain had nothing newer than the head; none if it never was so.
    pub behind_seconds: Option<f64>,
    /// Who is at work.
    pub holder: Option<Uuid>,
    /// Until when, unless the lease is renewed.
    pub lease_until: Option<DateTime<Utc>>,
    /// What hinders it.
    pub note: Option<String>,
}

/// How far the indexer of the configured chain is; `None` when none has ever run.
pub async fn progress(chain: &Chain) -> db::Result<Option<Progress>> {
    let mut tx = chain.db().engine().await?;
    let row = sqlx::query!(
        r#"select head_number, head_hash, final_number, note,
               extract(epoch from clock_timestamp() - current_at)::float8 as behind_seconds,
               case when lease_until > clock_timestamp() then holder end as holder,
               case when lease_until > clock_timestamp() then lease_until end as lease_until
           from indexer where chain_id = $1"#,
        big(chain.settings().chain_id),
    )
    .fetch_optional(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(row.map(|row| Progress {
        head: row
            .head_number
            .zip(row.head_hash)
            .map(|(number, bytes)| Mark { number: small(number), hash: hash(&bytes) }),
        final_number: small(row.final_number),
        behind_seconds: row.behind_seconds,
        holder: row.holder,
        lease_until: row.lease_until,
        note: row.note,
    }))
}
