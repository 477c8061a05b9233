//! Ending reservations.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Error, Result};
use crate::db::TenantTx;
use crate::foundation::TenantId;

/// How a pending transfer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It happens: reserved amounts become posted ones.
    Post,
    /// It never happens: what was reserved is available again.
    Void,
}

impl End {
    const fn state(self) -> &'static str {
        match self {
            Self::Post => "posted",
            Self::Void => "voided",
        }
    }
}

/// What [`end`] found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The transfer was pending and has ended as asked.
    Now,
    /// It had ended this way already; nothing changed.
    Already,
    /// It has ended the other way, and that stays.
    Otherwise,
    /// The tenant has no such transfer.
    Unknown,
}

/// Ends reservations of any number of tenants; says for each in order what became of it.
///
/// Asking again changes nothing. Of several requests for one transfer the first decides.
pub async fn end(tx: &mut TenantTx, items: &[(TenantId, Uuid, End)]) -> Result<Vec<Ended>> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let mut first: HashMap<(TenantId, Uuid), End> = HashMap::with_capacity(items.len());
    for (tenant, id, end) in items {
        first.entry((*tenant, *id)).or_insert(*end);
    }
    let mut asked: Vec<(TenantId, Uuid, End)> =
        first.into_iter().map(|((tenant, id), end)| (tenant, id, end)).collect();
    asked.sort_unstable_by_key(|(tenant, id, _)| (*tenant, *id));
    let tenants: Vec<Uuid> = asked.iter().map(|(tenant, _, _)| tenant.0).collect();
    let ids: Vec<Uuid> = asked.iter().map(|(_, id, _)| *id).collect();
    let states: Vec<&str> = asked.iter().map(|(_, _, end)| end.state()).collect();

    lock_accounts(tx, &tenants, &ids).await?;
    let mut ended = HashMap::with_capacity(asked.len());
    for (tenant, id) in move_reserved(tx, &tenants, &ids, &states).await? {
        ended.insert((tenant, id), None);
    }
    if ended.len() < asked.len() {
        for (key, state) in states_of(tx, &tenants, &ids).await? {
            ended.entry(key).or_insert(Some(state));
        }
    }
    let mut seen = HashMap::with_capacity(asked.len());
    items
        .iter()
        .map(|(tenant, id, end)| {
            let key = (*tenant, *id);
            Ok(match (seen.get(&key), ended.get(&key)) {
                (Some(earlier), _) if earlier == end => Ended::Already,
                (Some(_), _) => Ended::Otherwise,
                (None, None) => Ended::Unknown,
                (None, Some(None)) => {
                    seen.insert(key, *end);
                    Ended::Now
                }
                (None, Some(Some(state))) if state == end.state() => Ended::Already,
                (None, Some(Some(state))) if state == "pending" => {
                    return Err(Error::Corrupt("a transfer stays pending"));
                }
                (None, Some(Some(_))) => Ended::Otherwise,
            })
        })
        .collect()
}

/// Ends reservations that must end so, because what they were for has: an error when one has ended otherwise.
pub async fn end_all(tx: &mut TenantTx, items: &[(TenantId, Uuid, End)]) -> Result<()> {
    for (ended, (_, id, _)) in end(tx, items).await?.into_iter().zip(items) {
        match ended {
            Ended::Now | Ended::Already => {}
            Ended::Otherwise | Ended::Unknown => return Err(Error::Reservation(*id, ended)),
        }
    }
    Ok(())
}

/// Locks the accounts of these transfers in the ledger's order.
async fn lock_accounts(tx: &mut TenantTx, tenants: &[Uuid], ids: &[Uuid]) -> Result<()> {
    sqlx::query_scalar!(
        "with item as (
            select t.tenant_id, t.debit, t.credit
            from unnest($1::uuid[], $2::uuid[]) as i (tenant_id, id)
            join ledger_transfer t on t.tenant_id = i.tenant_id and t.id = i.id
        )
        select a.id from ledger_account a
        where (a.tenant_id, a.id) in (select tenant_id, debit from item union select tenant_id, credit from item)
        order by a.tenant_id, a.id
        for no key update of a",
        tenants,
        ids,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(())
}

/// Ends those that are pending and moves their amounts; returns which.
async fn move_reserved(
    tx: &mut TenantTx,
    tenants: &[Uuid],
    ids: &[Uuid],
    states: &[&str],
) -> Result<Vec<(TenantId, Uuid)>> {
    let rows = sqlx::query!(
        "with ended as (
            update ledger_transfer t set state = i.state, ended_at = now()
            from unnest($1::uuid[], $2::uuid[], $3::text[]) as i (tenant_id, id, state)
            where t.tenant_id = i.tenant_id and t.id = i.id and coalesce(t.state = 'pending', false)
            returning t.tenant_id, t.id, t.debit, t.credit, t.amount, t.state
        ), moved as (
            select tenant_id, account,
                sum(debits) as debits, sum(debits) filter (where state = 'posted') as posted_debits,
                sum(credits) as credits, sum(credits) filter (where state = 'posted') as posted_credits
            from (
                select tenant_id, debit as account, amount as debits, 0 as credits, state from ended
                union all
                select tenant_id, credit, 0, amount, state from ended
            ) as side
            group by tenant_id, account
        ), counted as (
            update ledger_account a set
                pending_debits = a.pending_debits - m.debits,
                pending_credits = a.pending_credits - m.credits,
                posted_debits = a.posted_debits + coalesce(m.posted_debits, 0),
                posted_credits = a.posted_credits + coalesce(m.posted_credits, 0)
            from moved m
            where a.tenant_id = m.tenant_id and a.id = m.account
        )
        select tenant_id, id from ended",
        tenants,
        ids,
        states as &[&str],
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (TenantId(row.tenant_id), row.id)).collect())
}

async fn states_of(tx: &mut TenantTx, tenants: &[Uuid], ids: &[Uuid]) -> Result<Vec<((TenantId, Uuid), String)>> {
    let rows = sqlx::query!(
        "select t.tenant_id, t.id, t.state
        from unnest($1::uuid[], $2::uuid[]) as i (tenant_id, id)
        join ledger_transfer t on t.tenant_id = i.tenant_id and t.id = i.id",
        tenants,
        ids,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| ((TenantId(row.tenant_id), row.id), row.state)).collect())
}
