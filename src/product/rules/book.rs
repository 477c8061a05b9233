//! What is written of rules: their versions, and which of them counts.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::expression::Expression;
use super::store::written::{self, NewVersion};
use crate::db::TenantTx;
use crate::http::Result;
use crate::product::badges::Kind;

/// Where a version of a rule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RuleStatus)]
pub enum Status {
    /// It has not begun.
    Pending,
    /// It counts.
    Active,
    /// A later version counts.
    Superseded,
    /// It has ended.
    Expired,
    /// It was put out of use.
    Inactive,
}

impl Status {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
            Self::Inactive => "inactive",
        }
    }
}

/// A version of a rule, as it was written.
#[derive(Clone, Debug)]
pub struct Version {
    /// The rule.
    pub id: Uuid,
    /// Which version, from 1.
    pub version: i32,
    /// The badge whose customers' movements it decides.
    pub badge_id: Uuid,
    /// True of what is allowed.
    pub expression: String,
    /// What a refusal says to programs.
    pub error_code: String,
    /// What a refusal is about.
    pub error_type: String,
    /// What a refusal says to people.
    pub message: String,
    /// Whether the tenant started with it.
    pub is_default: bool,
    /// Who wrote it; none of those that a tenant starts with.
    pub created_by: Option<String>,
    /// From when it counts,
    pub starts_at: DateTime<Utc>,
    /// and until when, if that is known.
    pub ends_at: Option<DateTime<Utc>>,
    /// When it was put out of use.
    pub inactive_at: Option<DateTime<Utc>>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
    /// Whether a later version has begun, has not ended and was not put out of use.
    pub is_superseded: bool,
}

impl Version {
    /// Where it stands at a moment.
    pub fn status(&self, at: DateTime<Utc>) -> Status {
        match self {
            Self { inactive_at: Some(inactive), .. } if *inactive <= at => Status::Inactive,
            Self { starts_at, .. } if *starts_at > at => Status::Pending,
            Self { is_superseded: true, .. } => Status::Superseded,
            Self { ends_at: Some(end), .. } if *end <= at => Status::Expired,
            _ => Status::Active,
        }
    }
}

/// The rules of a tenant's badges, as they are written.
pub struct RuleBook;

impl RuleBook {
    /// Every version of every rule of a badge of the transaction's tenant: newest rules first, of each the newest version
    /// first.
    pub async fn of_badge(tx: &mut TenantTx, badge: Uuid, at: DateTime<Utc>) -> Result<Vec<Version>> {
        Ok(written::of_badge(tx, badge, at).await?)
    }

    /// Writes a version: the first of a new rule, or the one that follows what is there. `None` when the badge has no such
    /// rule.
    pub(super) async fn write(tx: &mut TenantTx, new: &NewVersion) -> Result<Option<Version>> {
        match written::insert(tx, new).await? {
            Some(version) => Ok(written::find(tx, new.rule, version, new.at).await?),
            None => Ok(None),
        }
    }

    /// Whether a rule of the transaction's tenant, one that counts or may count later, would no longer say the same of
    /// customers with a badge once that is called otherwise.
    pub async fn depends_on_name(
        tx: &mut TenantTx,
        kind: Kind,
        old: &str,
        new: &str,
        at: DateTime<Utc>,
    ) -> Result<bool> {
        let variable = match kind {
            Kind::Identification => "badge",
            Kind::Information => "information_badges",
            // No rule is told what it is called.
            Kind::Financial => return Ok(false),
        };
        for text in written::expressions_with(tx, variable, at).await? {
            // What cannot be read is never met, by whatever name.
            let Ok(expression) = Expression::read(text).await else { continue };
            if expression.depends_on_name(variable, old, new) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts a rule out of use, all its versions; `false` when the badge has no such rule that is in use.
    pub(super) async fn retire(tx: &mut TenantTx, badge: Uuid, rule: Uuid, at: DateTime<Utc>) -> Result<bool> {
        Ok(written::retire(tx, badge, rule, at).await?)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_version_counts_from_its_beginning_to_its_end() {
        let now = Utc::now();
        let version = Version {
            id: Uuid::nil(),
            version: 1,
            badge_id: Uuid::nil(),
            expression: "true".to_owned(),
            error_code: "ULTT0001".to_owned(),
            error_type: "transfer-failed".to_owned(),
            message: "no".to_owned(),
            is_default: false,
            created_by: None,
            starts_at: now,
            ends_at: Some(now + TimeDelta::days(1)),
            inactive_at: None,
            created_at: now,
            updated_at: now,
            is_superseded: false,
        };
        assert_eq!(version.status(now - TimeDelta::seconds(1)), Status::Pending);
        assert_eq!(version.status(now), Status::Active);
        assert_eq!(version.status(now + TimeDelta::days(1)), Status::Expired);
        let superseded = Version { is_superseded: true, ..version.clone() };
        assert_eq!(superseded.status(now), Status::Superseded);
        let inactive = Version { inactive_at: Some(now), ..superseded };
        assert_eq!(inactive.status(now), Status::Inactive);
    }
}
