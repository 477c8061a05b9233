//! `/admin/tenants/{id}/badges/{badge_id}/rules`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::book::{RuleBook, Status, Version};
use super::expression::Expression;
use super::store::written::NewVersion;
use crate::auth::Operator;
use crate::foundation::Mode;
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, Path, Posted, Result};
use crate::product::App;
use crate::product::badges::{self, Badge, Kind};

/// How far ahead a rule may begin and end.
const HORIZON: TimeDelta = TimeDelta::days(36_500);
/// Who writes rules.
const OPERATOR: &str = "operator";

#[derive(Deserialize, Validate, ToSchema)]
pub struct NewRule {
    /// What is true of a movement that is allowed, in the Common Expression Language.
    #[validate(length(min = 1, max = 1000))]
    #[schema(example = "kind != \"deposit\" || deposits_month < 10", min_length = 1, max_length = 1000)]
    expression: String,
    /// What a refusal says to programs: UL, two capitals, four digits.
    #[schema(example = "ULDT2005", pattern = "^UL[A-Z]{2}[0-9]{4}$")]
    error_code: String,
    /// What a refusal is about; `rule-violated` when absent.
    #[validate(length(min = 1, max = 100))]
    #[schema(example = "deposit-tier2-failed", min_length = 1, max_length = 100)]
    error_type: Option<String>,
    /// What a refusal says to people.
    #[validate(length(min = 1, max = 500))]
    #[schema(
        example = "Maximum allowed number of deposit transactions per month for a user per wallet criteria not met",
        min_length = 1,
        max_length = 500
    )]
    message: String,
    /// From when it counts; from now on when absent.
    starts_at: Option<DateTime<Utc>>,
    /// Until when it counts; for good when absent.
    ends_at: Option<DateTime<Utc>>,
}

/// A version of a rule.
#[derive(Serialize, ToSchema)]
pub struct RuleView {
    id: Uuid,
    /// From 1.
    version: i32,
    badge_id: Uuid,
    status: Status,
    #[schema(example = "kind != \"deposit\" || deposits_month < 10")]
    expression: String,
    #[schema(example = "ULDT2005")]
    error_code: String,
    #[schema(example = "deposit-tier2-failed")]
    error_type: String,
    message: String,
    /// Whether the tenant started with it.
    is_default: bool,
    created_by: Option<String>,
    starts_at: DateTime<Utc>,
    ends_at: Option<DateTime<Utc>>,
    inactive_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

/// Every version of every rule of a badge.
#[derive(Serialize, ToSchema)]
pub struct RuleList {
    /// The newest rules first, of each the newest version first.
    data: Vec<RuleView>,
}

/// Lists the rules of a tenant's badge with all their versions.
#[utoipa::path(get, path = "/admin/tenants/{id}/badges/{badge_id}/rules", operation_id = "list_rules", tag = "Admin",
    security(("operator" = [])), params(("id" = Uuid, Path), ("badge_id" = Uuid, Path)),
    responses((status = 200, description = "The rules", body = RuleList),
        (status = 404, description = "There is no such tenant, or it has no such badge", body = CaasError), CaasErrors))]
pub async fn list(
    _: Operator,
    State(app): State<App>,
    Path((tenant, badge)): Path<(String, String)>,
) -> Result<Json<RuleList>> {
    let (mut tx, badge) = badges::badge_of_tenant(&app, &tenant, &badge).await?;
    let now = app.clock.now();
    let versions = RuleBook::of_badge(&mut tx, badge.id, now).await?;
    tx.commit().await?;
    Ok(Json(RuleList { data: versions.into_iter().map(|version| RuleView::of(version, now)).collect() }))
}

/// Writes a rule of a tenant's badge. It is checked whole before it is taken.
#[utoipa::path(post, path = "/admin/tenants/{id}/badges/{badge_id}/rules", operation_id = "write_rule", tag = "Admin",
    security(("operator" = [])), params(("id" = Uuid, Path), ("badge_id" = Uuid, Path)), request_body = NewRule,
    responses((status = 201, description = "The rule's first version", body = RuleView),
        (status = 404, description = "There is no such tenant, or it has no such badge", body = CaasError),
        CaasErrors, CaasPostErrors))]
pub async fn write(
    _: Operator,
    State(app): State<App>,
    Path((tenant, badge)): Path<(String, String)>,
    posted: Posted<NewRule>,
) -> Result<Response> {
    put(&app, &tenant, &badge, None, posted).await
}

/// Writes the version of a rule that follows the others. From its beginning on it counts in their place.
#[utoipa::path(post, path = "/admin/tenants/{id}/badges/{badge_id}/rules/{rule_id}", operation_id = "revise_rule",
    tag = "Admin", security(("operator" = [])),
    params(("id" = Uuid, Path), ("badge_id" = Uuid, Path), ("rule_id" = Uuid, Path)), request_body = NewRule,
    responses((status = 201, description = "The rule's new version", body = RuleView),
        (status = 404, description = "There is no such tenant, badge or rule", body = CaasError),
        CaasErrors, CaasPostErrors))]
pub async fn revise(
    _: Operator,
    State(app): State<App>,
    Path((tenant, badge, rule)): Path<(String, String, String)>,
    posted: Posted<NewRule>,
) -> Result<Response> {
    let rule = Uuid::try_parse(&rule).map_err(|_| unknown())?;
    put(&app, &tenant, &badge, Some(rule), posted).await
}

/// Puts a rule out of use, whatever versions it has. Movements under way go on.
#[utoipa::path(delete, path = "/admin/tenants/{id}/badges/{badge_id}/rules/{rule_id}", operation_id = "retire_rule",
    tag = "Admin", security(("operator" = [])),
    params(("id" = Uuid, Path), ("badge_id" = Uuid, Path), ("rule_id" = Uuid, Path)),
    responses((status = 204, description = "It counts no more"),
        (status = 404, description = "There is no such tenant, badge or rule in use", body = CaasError), CaasErrors))]
pub async fn retire(
    _: Operator,
    State(app): State<App>,
    Path((tenant, badge, rule)): Path<(String, String, String)>,
) -> Result<StatusCode> {
    let rule = Uuid::try_parse(&rule).map_err(|_| unknown())?;
    let (mut tx, badge) = badges::badge_to_change(&app, &tenant, &badge).await?;
    if !RuleBook::retire(&mut tx, badge.id, rule, app.clock.now().trunc_subsecs(6)).await? {
        return Err(unknown());
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn put(app: &App, tenant: &str, badge: &str, rule: Option<Uuid>, posted: Posted<NewRule>) -> Result<Response> {
    let now = app.clock.now().trunc_subsecs(6);
    let Posted { body, once } = posted;
    let body = body.checked(now).await?;
    let (mut tx, badge) = badges::badge_to_change(app, tenant, badge).await?;
    if let Some(first) = once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    if badge.kind == Kind::Information {
        return Err(Error::conflict("badge_without_rules", "an information badge has no rules"));
    }
    // No earlier than what was decided while others were waited for.
    let now = app.clock.now().trunc_subsecs(6);
    let version = RuleBook::write(&mut tx, &body.version(&badge, rule, now)).await?.ok_or_else(unknown)?;
    once.commit(tx, StatusCode::CREATED, &RuleView::of(version, now)).await
}

impl NewRule {
    /// The same, if it is a rule; 400 that names the field otherwise.
    async fn checked(mut self, now: DateTime<Utc>) -> Result<Self> {
        // As precise as the database, which would not find an end after a beginning of the same microsecond.
        self.starts_at = self.starts_at.map(|start| start.trunc_subsecs(6));
        self.ends_at = self.ends_at.map(|end| end.trunc_subsecs(6));
        let read = Expression::read(self.expression.clone()).await;
        read.map_err(|why| Error::invalid_field("expression", why))?;
        if !is_error_code(&self.error_code) {
            return Err(Error::invalid_field("error_code", "must be UL, two capitals and four digits"));
        }
        for (field, text) in [("message", Some(&self.message)), ("error_type", self.error_type.as_ref())] {
            if text.is_some_and(|text| text.chars().any(char::is_control)) {
                return Err(Error::invalid_field(field, "must be plain text"));
            }
        }
        let horizon = now + HORIZON;
        if self.starts_at.is_some_and(|start| start > horizon) {
            return Err(Error::invalid_field("starts_at", "is too far away"));
        }
        if self.ends_at.is_some_and(|end| end <= self.starts_at.unwrap_or(now).max(now) || end > horizon) {
            return Err(Error::invalid_field("ends_at", "must come after the beginning and after now"));
        }
        Ok(self)
    }

    /// A rule cannot begin before it was written: what was decided until then was decided without it.
    fn version(self, badge: &Badge, rule: Option<Uuid>, now: DateTime<Utc>) -> NewVersion {
        NewVersion {
            badge: badge.id,
            kind: badge.kind,
            rule: rule.unwrap_or_else(Uuid::now_v7),
            is_first: rule.is_none(),
            expression: self.expression,
            error_code: self.error_code,
            error_type: self.error_type.unwrap_or_else(|| "rule-violated".to_owned()),
            message: self.message,
            created_by: OPERATOR.to_owned(),
            starts_at: self.starts_at.unwrap_or(now).max(now),
            ends_at: self.ends_at,
            at: now,
        }
    }
}

fn is_error_code(code: &str) -> bool {
    let bytes = code.as_bytes();
    bytes.len() == 8
        && code.starts_with("UL")
        && bytes.iter().skip(2).take(2).all(u8::is_ascii_uppercase)
        && bytes.iter().skip(4).all(u8::is_ascii_digit)
}

#[track_caller]
fn unknown() -> Error {
    Error::not_found("rule_not_found", "the badge has no such rule")
}

impl RuleView {
    fn of(version: Version, now: DateTime<Utc>) -> Self {
        Self {
            status: version.status(now),
            id: version.id,
            version: version.version,
            badge_id: version.badge_id,
            expression: version.expression,
            error_code: version.error_code,
            error_type: version.error_type,
            message: version.message,
            is_default: version.is_default,
            created_by: version.created_by,
            starts_at: version.starts_at,
            ends_at: version.ends_at,
            inactive_at: version.inactive_at,
            created_at: version.created_at,
        }
    }
}
