//! What identity checks say of customers.

use chrono::{DateTime, NaiveDate, SubsecRound, Utc};
use uuid::Uuid;

use super::change::{Snapshot, remember};
use super::kind::Kind;
use super::profile::{Profile, plain};
use super::status::{Decision, Standing};
use super::store::{self, ChangedBy};
use crate::db::TenantTx;
use crate::foundation::Mode;
use crate::http::Result;
use crate::product::App;
use crate::product::users::Identities;

/// Who an identity check has proven somebody to be. It has no `Debug`.
pub struct ProvenIdentity<'a> {
    /// The check.
    pub check: Uuid,
    /// The number that they hold, as E.164 has it.
    pub phone: &'a str,
    /// Their first name.
    pub first_name: &'a str,
    /// Their last name.
    pub last_name: &'a str,
    /// Their day of birth.
    pub born: Option<NaiveDate>,
    /// Their social security number.
    pub ssn: Option<&'a str>,
}

/// How far customers are known.
pub struct Kyc;

impl Kyc {
    /// Accepts a customer whose own words agree with what was proven, and keeps the change in the history. `false` when
    /// there is no such customer, or the two do not agree: then nothing happens.
    pub async fn accept(
        app: &App,
        tx: &mut TenantTx,
        mode: Mode,
        customer: Uuid,
        proven: &ProvenIdentity<'_>,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let now = now.trunc_subsecs(6);
        let identities = Identities::new(&app.keys, &app.blind_indexer, mode);
        let Some(known) = identities.hold(tx, customer).await? else { return Ok(false) };
        let row = store::find_profile(tx, mode, known.id).await?;
        let Some(row) = row.filter(|row| row.kind == Kind::Person) else { return Ok(false) };
        let (profile, phone) = (Profile::open(&known.key, tx, known.id, &row.document)?, known.phone(tx)?);
        if !agrees(&profile, &phone, proven) {
            return Ok(false);
        }
        if row.standing.kyc == Decision::Accepted {
            return Ok(true);
        }
        let old = Snapshot { profile: profile.clone(), phone: phone.clone(), kyc: row.standing.kyc };
        let new = Snapshot { profile, phone, kyc: Decision::Accepted };
        let by = ChangedBy::IdentityCheck(proven.check);
        remember(tx, mode, &known, (&old, &new), (by, None), now).await?;
        let standing = Standing { kyc: Decision::Accepted, ..row.standing };
        store::set_standing(tx, known.id, &standing, row.denial.as_ref(), now).await?;
        Ok(true)
    }
}

/// Whether number, name and day of birth are the same, and the social security number where the customer has told one.
fn agrees(profile: &Profile, phone: &str, proven: &ProvenIdentity<'_>) -> bool {
    let name = plain(&format!("{} {}", proven.first_name, proven.last_name));
    let told = match (profile.text("firstName"), profile.text("lastName"), profile.text("fullName")) {
        (Some(first), Some(last), _) => plain(&format!("{first} {last}")),
        (_, _, Some(full)) => plain(full),
        _ => return false,
    };
    let is_born = proven.born.is_some_and(|born| profile.text("dateOfBirth") == Some(&born.to_string()));
    phone == proven.phone && name == told && is_born && is_same_number(profile.text("ssn"), proven.ssn)
}

/// Whether two numbers end alike, as far as both are known; what a customer has told that is no number says nothing.
fn is_same_number(told: Option<&str>, proven: Option<&str>) -> bool {
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).collect::<Vec<_>>();
    let Some(told) = told.map(digits).filter(|told| told.len() >= 4) else { return true };
    let Some(proven) = proven.map(digits).filter(|proven| proven.len() >= 4) else { return false };
    told.ends_with(&proven) || proven.ends_with(&told)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PHONE: &str = "+2250700000001";

    fn agree(change: &str, to: &str) -> bool {
        let mut profile = Profile::default();
        let told =
            [("firstName", "Zoë  ANN"), ("lastName", "Doe"), ("dateOfBirth", "1997-02-02"), ("ssn", "565-22-8370")];
        for (field, text) in told {
            profile.0.insert(field.to_owned(), json!(if field == change { to } else { text }));
        }
        let phone = if change == "phone" { to } else { PHONE };
        let proven = ProvenIdentity {
            check: Uuid::now_v7(),
            phone: PHONE,
            first_name: "zoë",
            last_name: "ann doe",
            born: NaiveDate::from_ymd_opt(1997, 2, 2),
            ssn: Some("565228370"),
        };
        agrees(&profile, phone, &proven)
    }

    #[test]
    fn whoever_is_proven_is_the_customer_only_when_all_agrees() {
        assert!(agree("", ""));
        for (field, same) in [("ssn", "8370"), ("ssn", "string"), ("ssn", ""), ("firstName", "ZOË Ann ")] {
            assert!(agree(field, same), "{field} {same}");
        }
        for (field, other) in [
            ("ssn", "565-22-8371"),
            ("ssn", "8371"),
            ("firstName", "Zoe Ann"),
            ("firstName", ""),
            ("lastName", "Doe-Smith"),
            ("dateOfBirth", "1997-02-03"),
            ("phone", "+2250700000002"),
        ] {
            assert!(!agree(field, other), "{field} {other}");
        }
    }
}
