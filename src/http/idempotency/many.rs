//! The same for many requests of many tenants in one transaction.

use std::collections::{HashMap, HashSet};

use axum::http::StatusCode;
use axum::response::Response;

use super::store::{self, Record};
use super::{First, Key, Once, context, json_response, lock_number, still_running};
use crate::db::TenantTx;
use crate::foundation::{Mode, TenantId};
use crate::http::{Error, Result};

/// A request that may have been sent before.
#[derive(Clone, Copy, Debug)]
pub struct Repeated<'a> {
    /// Whose.
    pub tenant: TenantId,
    /// Live or test.
    pub mode: Mode,
    /// What it is known by.
    pub once: &'a Once,
}

/// The first answer to a request.
#[derive(Debug)]
pub struct Accepted {
    /// Its status.
    pub status: StatusCode,
    /// Its body: JSON.
    pub body: Vec<u8>,
}

impl Accepted {
    /// The answer.
    pub fn response(self) -> Response {
        json_response(self.status, self.body)
    }
}

impl<'a> Repeated<'a> {
    fn key(&self) -> Option<&'a Key> {
        self.once.key.as_ref()
    }
}

/// What [`Once::replay`] says of each of these requests: the first answer, a refusal, or nothing for those that are to be
/// done now. Of several with one key among them the first is done, and runs still as far as the others are concerned.
pub async fn replay_all(tx: &mut TenantTx, asked: &[Repeated<'_>]) -> Result<Vec<Option<Result<Response>>>> {
    let mut said: Vec<Option<Result<Response>>> = asked.iter().map(|_| None).collect();
    let keyed: Vec<(usize, &Repeated<'_>, &Key)> =
        asked.iter().enumerate().filter_map(|(place, one)| Some((place, one, one.key()?))).collect();
    if keyed.is_empty() {
        return Ok(said);
    }
    let mut records = find(tx, keyed.iter().map(|(_, one, key)| (*one, *key))).await?;

    // Whoever finds an answer needs no lock, and so keeps none from others until its transaction ends.
    let mut mine = HashSet::new();
    let fresh: Vec<_> = keyed.iter().filter(|(_, one, key)| !records.contains_key(&name(one, key))).collect();
    let wanted: Vec<_> = fresh.iter().filter(|(_, one, key)| mine.insert(name(one, key))).collect();
    if !wanted.is_empty() {
        let numbers: Vec<i64> = wanted.iter().map(|(_, o, key)| lock_number(o.tenant, o.mode, &key.text)).collect();
        let locked = store::lock_all(tx, &numbers).await?;
        let first: HashSet<usize> =
            wanted.iter().zip(locked).filter_map(|((place, ..), locked)| locked.then_some(*place)).collect();
        for (place, ..) in fresh {
            if !first.contains(place) {
                answer(&mut said, *place, Err(still_running()));
            }
        }
        let held = keyed.iter().filter(|(place, ..)| first.contains(place));
        records.extend(find(tx, held.map(|(_, one, key)| (*one, *key))).await?);
    }
    for (place, one, key) in keyed {
        if let Some(record) = records.get(&name(one, key)).filter(|_| said.get(place).is_some_and(Option::is_none)) {
            answer(&mut said, place, one.once.again(key, one.tenant, one.mode, record.clone()).map(First::response));
        }
    }
    Ok(said)
}

/// Keeps the answers of those that were sent with a key, in the transaction in which [`replay_all`] had nothing to say of
/// them.
pub async fn keep_all(tx: &mut TenantTx, answers: &[(Repeated<'_>, &Accepted)]) -> Result<()> {
    let mut kept = Vec::new();
    for (one, accepted) in answers {
        let Some(key) = one.key() else { continue };
        let sealed = one.once.seal.0.0.seal(&context(one.tenant, one.mode, &key.text), &accepted.body)?;
        kept.push(store::New {
            tenant: one.tenant,
            mode: one.mode,
            key: &key.text,
            digest: key.request,
            status: i16::try_from(accepted.status.as_u16()).map_err(Error::internal)?,
            answer: sealed.0,
        });
    }
    if kept.is_empty() { Ok(()) } else { store::insert_all(tx, &kept).await }
}

type Name<'a> = (TenantId, Mode, &'a str);

fn name<'a>(one: &Repeated<'_>, key: &'a Key) -> Name<'a> {
    (one.tenant, one.mode, &key.text)
}

async fn find<'a>(
    tx: &mut TenantTx,
    keyed: impl Iterator<Item = (&'a Repeated<'a>, &'a Key)>,
) -> Result<HashMap<Name<'a>, Record>> {
    let names: Vec<Name<'a>> = keyed.map(|(one, key)| name(one, key)).collect();
    let mut found = store::find_all(tx, &names).await?;
    Ok(names.into_iter().filter_map(|name| Some((name, found.remove(&owned(name))?))).collect())
}

fn owned((tenant, mode, key): Name<'_>) -> (TenantId, Mode, String) {
    (tenant, mode, key.to_owned())
}

fn answer(said: &mut [Option<Result<Response>>], place: usize, answer: Result<Response>) {
    if let Some(said) = said.get_mut(place) {
        *said = Some(answer);
    }
}
