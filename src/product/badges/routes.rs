//! `/tenant/badge`, `/tenant/badge/{badgeId}`, `/tenant/badge/assign/fetch-all/{identificationBadgeId}`
//! (`spec/wallet-api-4.0.0.md`)

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::filter::{Filter, Pages};
use super::link::Link;
use super::{Badge, Kind, UserGroup, store};
use crate::auth::Tenant;
use crate::foundation::TenantId;
use crate::http::openapi::{WalletError, WalletErrors};
use crate::http::{Error, Path, Query, Result, Shape};
use crate::product::App;
use crate::product::rules::{RuleBook, Version};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WantedBadges {
    /// Which page, from 1.
    #[param(value_type = u32, minimum = 1, required = true, example = 1)]
    page: Option<String>,
    /// How many badges a page has, 1 to 100.
    #[param(value_type = u32, minimum = 1, maximum = 100, required = true, example = 10)]
    pagesize: Option<String>,
    /// Part of a badge's name (`silver`) or of its type (`financial`), in whatever case.
    #[param(example = "silver")]
    search: Option<String>,
    /// Only badges of a type and of a user group: `{"badgeType":"FINANCIAL","userGroup":"WALLET_USER"}`, or the words
    /// alone, `FINANCIAL,WALLET_USER`.
    #[param(example = "FINANCIAL,WALLET_USER")]
    filters: Option<String>,
}

/// A badge in a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListedBadge {
    badge_id: Uuid,
    #[schema(example = "Bronze")]
    badge_name: String,
    badge_type: Kind,
    badge_description: Option<String>,
    /// `WALLET-USER` or `BUSINESS-USER` in a list; with an underscore where the badge is shown.
    #[schema(example = "WALLET-USER")]
    user_group: &'static str,
    badge_symbol_ref: Option<String>,
    created_by: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A page of badges.
#[derive(Serialize, ToSchema)]
pub struct BadgePage {
    data: Vec<ListedBadge>,
    #[serde(rename = "pageNumber")]
    page_number: u32,
    pagesize: u32,
}

/// Lists badges, newest first.
#[utoipa::path(get, path = "/tenant/badge", operation_id = "list_badges", tag = "Badges",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])), params(WantedBadges),
    responses((status = 200, description = "A page of badges", body = BadgePage), WalletErrors))]
pub async fn list(
    caller: Tenant,
    State(app): State<App>,
    Query(wanted): Query<WantedBadges>,
) -> Result<Json<BadgePage>> {
    let pages = Pages::read(wanted.page.as_deref(), wanted.pagesize.as_deref())?;
    let filter = Filter::read(wanted.search, wanted.filters.as_deref())?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let badges = store::list(&mut tx, &filter, pages.offset(), i64::from(pages.size)).await?;
    tx.commit().await?;
    let data = badges.into_iter().map(|badge| ListedBadge::of(badge, UserGroup::as_listed)).collect();
    Ok(Json(BadgePage { data, page_number: pages.number, pagesize: pages.size }))
}

/// Where an identification badge's customers keep a financial badge's rules.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BadgeToken {
    financial_badge_id: Option<Uuid>,
    #[schema(example = "USDC")]
    token_symbol: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A version of a rule, as the wallet API tells it: numbers and truth values are texts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BadgeRule {
    rule_id: Uuid,
    badge_id: Uuid,
    tenant_id: TenantId,
    #[schema(example = "true")]
    is_active: String,
    start_date: DateTime<Utc>,
    end_date: Option<DateTime<Utc>>,
    #[schema(example = "wallet-user")]
    rule_group: &'static str,
    #[schema(example = "1")]
    rule_version: String,
    #[schema(example = "false")]
    is_default_rule: String,
    created_by: Option<String>,
    /// `pending`, `active`, `superseded`, `expired` or `inactive`.
    #[schema(example = "active")]
    status: &'static str,
    inactive_date: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A badge with its tokens and rules.
#[derive(Serialize, ToSchema)]
pub struct ShownBadge {
    #[serde(flatten)]
    badge: ListedBadge,
    #[serde(rename = "storageProvider")]
    storage_provider: Option<String>,
    financial_badge_token: Vec<BadgeToken>,
    badge_rules: Vec<BadgeRule>,
}

/// One badge, in a list.
#[derive(Serialize, ToSchema)]
pub struct BadgeDetails {
    data: Vec<ShownBadge>,
    #[schema(example = "Badge details fetched successfully")]
    message: &'static str,
}

/// What is answered when a badge cannot be shown.
#[derive(Serialize, ToSchema)]
pub struct BadgeUnknown {
    /// Empty.
    #[serde(rename = "CatchError")]
    #[schema(value_type = Object)]
    pub catch_error: serde_json::Value,
}

/// Shows a badge with its tokens and the rules of its customers' movements of money.
#[utoipa::path(get, path = "/tenant/badge/{badgeId}", operation_id = "show_badge", tag = "Badges",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])), params(("badgeId" = Uuid, Path)),
    responses(WalletErrors, (status = 200, description = "The badge", body = BadgeDetails),
        (status = 400, description = "There is no such badge", body = BadgeUnknown),
        (status = 404, description = "The path leads nowhere", body = WalletError)))]
pub async fn show(caller: Tenant, State(app): State<App>, Path(id): Path<String>) -> Result<Json<BadgeDetails>> {
    let id = Uuid::try_parse(&id).map_err(|_| no_details())?;
    let now = app.clock.now();
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let badge = store::find(&mut tx, id).await?.ok_or_else(no_details)?;
    let links = store::links_of(&mut tx, id).await?;
    let rules = RuleBook::of_badge(&mut tx, id, now).await?;
    tx.commit().await?;
    let group = badge.user_group;
    let shown = ShownBadge {
        storage_provider: badge.storage_provider.clone(),
        financial_badge_token: links.iter().map(|link| BadgeToken::of(link, &badge)).collect(),
        badge: ListedBadge::of(badge, UserGroup::as_str),
        badge_rules: rules.into_iter().map(|rule| BadgeRule::of(rule, caller.tenant, group, now)).collect(),
    };
    Ok(Json(BadgeDetails { data: vec![shown], message: "Badge details fetched successfully" }))
}

/// 400 with the documented empty `CatchError`, and nothing else.
fn no_details() -> Error {
    Error::bad_request("badge_not_found", "There is no such badge")
        .with("CatchError", json!({}))
        .shaped(Shape::Wordless)
}

/// An identification badge.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentificationBadge {
    identification_badge_id: Uuid,
    #[schema(example = "Bronze")]
    badge_name: String,
    badge_type: Kind,
}

/// A financial badge; without fields where there is none.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FinancialBadge {
    #[serde(skip_serializing_if = "Option::is_none")]
    financial_badge_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    badge_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    badge_type: Option<Kind>,
}

/// A financial badge that stands in for the other; without fields where there is none.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomFinancialBadge {
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_financial_badge_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    badge_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    badge_type: Option<Kind>,
}

/// An information badge; without fields where there is none.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InformationBadge {
    #[serde(skip_serializing_if = "Option::is_none")]
    information_badge_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    badge_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    badge_type: Option<Kind>,
}

/// What an identification badge is linked to for a token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssignedToken {
    /// The link's id.
    public_id: Uuid,
    #[schema(example = "USDC")]
    token: String,
    identification_badge_details: IdentificationBadge,
    financial_badge_details: FinancialBadge,
    custom_finance_badge_details: CustomFinancialBadge,
    information_badge_details: InformationBadge,
}

/// Everything that an identification badge is linked to.
#[derive(Serialize, ToSchema)]
pub struct AssignedTokens {
    data: Vec<AssignedToken>,
    #[schema(example = "badges with token linked fetched successfully.")]
    message: &'static str,
}

/// Lists what an identification badge is linked to: tokens with their financial and information badges.
#[utoipa::path(get, path = "/tenant/badge/assign/fetch-all/{identificationBadgeId}", operation_id = "list_badge_tokens",
    tag = "Badges", security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])),
    params(("identificationBadgeId" = Uuid, Path)),
    responses((status = 200, description = "The badge's links", body = AssignedTokens),
        (status = 404, description = "The path leads nowhere", body = WalletError), WalletErrors))]
pub async fn fetch_all(caller: Tenant, State(app): State<App>, Path(id): Path<String>) -> Result<Json<AssignedTokens>> {
    let id = Uuid::try_parse(&id).map_err(|_| no_links())?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let badge = store::find(&mut tx, id).await?.filter(|badge| badge.kind == Kind::Identification);
    let badge = badge.ok_or_else(no_links)?;
    let links = store::links_of(&mut tx, id).await?;
    tx.commit().await?;
    let data = links.into_iter().map(|link| AssignedToken::of(&badge, link)).collect();
    Ok(Json(AssignedTokens { data, message: "badges with token linked fetched successfully." }))
}

/// 400 in the documented words.
fn no_links() -> Error {
    Error::new(StatusCode::BAD_REQUEST, "badge_not_found", "something went wrong, please try again")
        .of_type("list-assign-badges")
}

impl ListedBadge {
    fn of(badge: Badge, group: impl Fn(UserGroup) -> &'static str) -> Self {
        Self {
            badge_id: badge.id,
            badge_name: badge.name,
            badge_type: badge.kind,
            badge_description: badge.description,
            user_group: group(badge.user_group),
            badge_symbol_ref: badge.symbol_ref,
            created_by: badge.created_by,
            created_at: badge.created_at,
            updated_at: badge.updated_at,
        }
    }
}

impl BadgeToken {
    /// A link of the badge that is shown, or to it: of a financial badge that one is named, whatever stands in for it.
    fn of(link: &Link, shown: &Badge) -> Self {
        let financial_badge_id = match shown.kind {
            Kind::Financial => Some(shown.id),
            Kind::Identification | Kind::Information => link.ruling().map(|(id, _)| *id),
        };
        Self {
            financial_badge_id,
            token_symbol: link.token.clone(),
            created_at: link.created_at,
            updated_at: link.updated_at,
        }
    }
}

impl BadgeRule {
    fn of(rule: Version, tenant: TenantId, group: UserGroup, now: DateTime<Utc>) -> Self {
        let status = rule.status(now);
        Self {
            is_active: (status == crate::product::rules::Status::Active).to_string(),
            status: status.as_str(),
            rule_id: rule.id,
            badge_id: rule.badge_id,
            tenant_id: tenant,
            start_date: rule.starts_at,
            end_date: rule.ends_at,
            rule_group: match group {
                UserGroup::WalletUser => "wallet-user",
                UserGroup::BusinessUser => "business-user",
            },
            rule_version: rule.version.to_string(),
            is_default_rule: rule.is_default.to_string(),
            created_by: rule.created_by,
            inactive_date: rule.inactive_at,
            created_at: rule.created_at,
            updated_at: rule.updated_at,
        }
    }
}

impl AssignedToken {
    fn of(badge: &Badge, link: Link) -> Self {
        let part = |linked: Option<(Uuid, String)>| linked.unzip();
        let (financial_badge_id, financial) = part(link.financial);
        let (custom_financial_badge_id, custom) = part(link.custom_financial);
        let (information_badge_id, information) = part(link.information);
        let kind_of = |name: &Option<String>, kind| name.as_ref().map(|_| kind);
        Self {
            public_id: link.id,
            token: link.token,
            identification_badge_details: IdentificationBadge {
                identification_badge_id: badge.id,
                badge_name: badge.name.clone(),
                badge_type: badge.kind,
            },
            financial_badge_details: FinancialBadge {
                financial_badge_id,
                badge_type: kind_of(&financial, Kind::Financial),
                badge_name: financial,
            },
            custom_finance_badge_details: CustomFinancialBadge {
                custom_financial_badge_id,
                badge_type: kind_of(&custom, Kind::Financial),
                badge_name: custom,
            },
            information_badge_details: InformationBadge {
                information_badge_id,
                badge_type: kind_of(&information, Kind::Information),
                badge_name: information,
            },
        }
    }
}
