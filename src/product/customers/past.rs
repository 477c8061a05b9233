//! What a customer was before each change of what is known of them.
//!
//! A change is kept as what differs. What it was among is found by going back from what is known now, change by change.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::change::{Names, Snapshot};
use super::directory::NamedWallet;
use super::profile::{self, Profile};
use super::request::Object;
use super::seen::Seen;
use super::store::{self, Change};
use crate::db::{Cursor, TenantTx};
use crate::foundation::TenantId;
use crate::http::{Error, Result};

/// Changes that one answer tells of at most.
const MOST_CHANGES: usize = 100;

/// Bytes after which an answer tells of no further change.
const MOST_BYTES: usize = 4 << 20;

/// Changes that are read at once.
const PORTION: i64 = 10;

/// A change: everything that was known before, and everything after.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastChange {
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    old_details: Object,
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    new_details: Object,
    remarks: Value,
    /// The name of the API key by which it was made, or who made it at the dashboard, or `identity check`.
    updated_by: String,
    created_at: DateTime<Utc>,
}

/// Some of a customer's changes, newest first.
#[derive(Default)]
pub struct Past {
    /// The changes.
    pub changes: Vec<PastChange>,
    /// Where to go on; none when there are no older ones.
    pub next: Option<Cursor>,
}

impl Past {
    /// The newest changes, or those before the last one that was told of.
    pub async fn read(tx: &mut TenantTx, seen: &Seen, wallets: &[NamedWallet], after: Option<Cursor>) -> Result<Self> {
        let tenant = tx.tenant();
        let (mut past, mut bytes) = (Self::default(), 0);
        let (mut known, mut last, mut told_last) = (known_now(seen, wallets), None, None);
        loop {
            let changes = store::changes_of(tx, seen.id, last, PORTION).await?;
            if changes.is_empty() {
                return Ok(past);
            }
            for change in changes {
                last = Some(change.id);
                let told_before = after.is_some_and(|Cursor(after)| change.id >= after);
                let is_full = past.changes.len() >= MOST_CHANGES || bytes >= MOST_BYTES;
                if is_full && !told_before {
                    past.next = told_last.map(Cursor);
                    return Ok(past);
                }
                let opened = Opened::of(tenant, seen, &change)?;
                becomes(&mut known, &opened.old, &opened.new);
                let new = (!told_before).then(|| known.clone());
                becomes(&mut known, &opened.new, &opened.old);
                let Some(new) = new else { continue };
                let change_told = opened.told(seen.id, (&known, new), &change);
                bytes += size_of(&change_told)?;
                told_last = Some(change.id);
                past.changes.push(change_told);
            }
        }
    }
}

/// What is known now, as changes tell it.
fn known_now(seen: &Seen, wallets: &[NamedWallet]) -> Object {
    let snapshot = Snapshot { profile: seen.profile.clone(), phone: seen.phone.clone(), kyc: seen.standing.kyc };
    let mut known = snapshot.fields().0;
    known.extend(Names::of(wallets).fields().0);
    known
}

/// Makes what is known on one side of a change what is known on the other.
fn becomes(known: &mut Object, from: &Profile, to: &Profile) {
    known.retain(|name, _| !from.0.contains_key(name) || to.0.contains_key(name));
    known.extend(to.0.clone());
}

fn size_of(change: &PastChange) -> Result<usize> {
    Ok(serde_json::to_vec(change).map_err(Error::internal)?.len())
}

/// A change that was unsealed: what differs.
struct Opened {
    old: Profile,
    new: Profile,
    remarks: Value,
}

impl Opened {
    fn of(tenant: TenantId, seen: &Seen, change: &Change) -> Result<Self> {
        let remarks = match &change.remarks {
            Some(sealed) => profile::open(&seen.key, tenant, seen.id, "remarks", sealed)?,
            None => Value::Null,
        };
        Ok(Self {
            old: profile::open(&seen.key, tenant, seen.id, "change from", &change.old)?,
            new: profile::open(&seen.key, tenant, seen.id, "change to", &change.new)?,
            remarks,
        })
    }

    fn told(&self, customer: Uuid, (old, new): (&Object, Object), change: &Change) -> PastChange {
        let told = |known: Object| {
            let mut told: Object = TOLD.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
            told.insert("customerAccountId".to_owned(), customer.to_string().into());
            told.insert("remarks".to_owned(), self.remarks.clone());
            told.extend(known);
            told
        };
        PastChange {
            old_details: told(old.clone()),
            new_details: told(new),
            remarks: self.remarks.clone(),
            updated_by: change.by.clone().unwrap_or_else(|| "identity check".to_owned()),
            created_at: change.at,
        }
    }
}

/// What a change is documented to tell; null where it was never told.
const TOLD: [&str; 29] = [
    "firstName",
    "middleName",
    "dateOfBirth",
    "address",
    "maritalStatus",
    "email",
    "gender",
    "ssn",
    "selfieContent",
    "tax",
    "governmentDocuments",
    "proofOfAddress",
    "bankAccountDetails",
    "verifiedName",
    "verifiedDOB",
    "verifiedPhoto",
    "verifiedIDNumber",
    "verifiedCountry",
    "verifiedState",
    "verifiedIDIssueDate",
    "verifiedIDExpirationDate",
    "verifiedAddress",
    "verifiedGender",
    "occupation",
    "annualSalary",
    "accountPurpose",
    "expectedMonthlyVolume",
    "remarks",
    "customNamespace",
];
