//! SQL of rules, as movements of money ask for them. Every statement takes any number of customers.

mod counts;
mod hold;
mod stored;
pub mod written;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::check::Operation;
use crate::db::{self, TenantTx};
use crate::foundation::TenantId;

pub use counts::{Asked, Moved, Since, forget, moved, write_down_month};
pub use hold::{Held, hold, hold_briefly};
pub use stored::{Purse, stored, write_down};

/// By which badges an operation is ruled, and what they are called.
pub struct Standing {
    pub identification: Option<Uuid>,
    pub badge: Option<String>,
    pub user_group: Option<String>,
    pub financial: Option<Uuid>,
    pub information_badges: Vec<String>,
    pub kyc: String,
    pub compliance: String,
    pub onboarding: String,
    pub account: String,
}

impl Standing {
    /// The badges whose rules count, in the order in which they do.
    pub fn ruling(&self) -> impl Iterator<Item = Uuid> + use<> {
        [self.identification, self.financial].into_iter().flatten()
    }
}

/// The badges of these operations' customers, in their order. A wallet's own financial badge comes first, then the link's custom one.
pub async fn standings(tx: &mut TenantTx, operations: &[&Operation]) -> db::Result<Vec<Standing>> {
    sqlx::query_as!(
        Standing,
        r#"select a.badge_id as "identification?", b.name as "badge?", b.user_group as "user_group?",
            coalesce(w.financial_badge_id, l.custom_financial_badge_id, l.financial_badge_id) as "financial?",
            array(
                select n.name from badge_assignment m
                join badge n on n.tenant_id = m.tenant_id and n.id = m.badge_id
                where m.tenant_id = i.tenant_id and m.customer_id = i.customer_id and m.kind = 'INFORMATION'
                    and m.ended_at is null
                order by n.name
            ) as "information_badges!",
            coalesce(s.kyc, 'NONE') as "kyc!", coalesce(s.compliance, 'NONE') as "compliance!",
            coalesce(s.onboarding, 'NONE') as "onboarding!", coalesce(s.account, 'NONE') as "account!"
        from unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::text[]) with ordinality
            as i (tenant_id, customer_id, wallet, token, ord)
        left join customer_standing s on s.tenant_id = i.tenant_id and s.customer_id = i.customer_id
        left join badge_assignment a on a.tenant_id = i.tenant_id and a.customer_id = i.customer_id
            and a.kind = 'IDENTIFICATION' and a.ended_at is null
        left join badge b on b.tenant_id = a.tenant_id and b.id = a.badge_id
        left join badge_link l on l.tenant_id = a.tenant_id and l.identification_badge_id = a.badge_id
            and l.token = i.token
        left join wallet_badge w on w.tenant_id = i.tenant_id and w.customer_id = i.customer_id
            and w.wallet = i.wallet and w.token = i.token
        order by i.ord"#,
        &operations.iter().map(|o| o.tenant.0).collect::<Vec<_>>(),
        &operations.iter().map(|o| o.customer).collect::<Vec<_>>(),
        &operations.iter().map(|o| o.wallet.to_vec()).collect::<Vec<_>>(),
        &operations.iter().map(|o| &*o.token.symbol).collect::<Vec<_>>() as &[&str],
    )
    .fetch_all(&mut **tx)
    .await
}

/// A rule that counts.
pub struct Rule {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub badge_id: Uuid,
    pub expression: String,
    pub error_code: String,
    pub error_type: String,
    pub message: String,
}

/// The rules of these badges that count at a moment: of each rule the newest version that has begun, has not ended and was
/// not put out of use.
pub async fn rules(tx: &mut TenantTx, badges: &[(TenantId, Uuid)], at: DateTime<Utc>) -> db::Result<Vec<Rule>> {
    sqlx::query_as!(
        Rule,
        r#"select r.tenant_id, r.id, r.badge_id, r.expression, r.error_code, r.error_type, r.message
        from unnest($1::uuid[], $2::uuid[]) as i (tenant_id, badge_id)
        cross join lateral (
            select distinct on (r.id) r.* from badge_rule r
            where r.tenant_id = i.tenant_id and r.badge_id = i.badge_id and r.starts_at <= $3
                and (r.ends_at is null or r.ends_at > $3) and (r.inactive_at is null or r.inactive_at > $3)
            order by r.id, r.version desc
        ) r
        order by r.error_code, r.id"#,
        &badges.iter().map(|(tenant, _)| tenant.0).collect::<Vec<_>>(),
        &badges.iter().map(|(_, badge)| *badge).collect::<Vec<_>>(),
        at,
    )
    .fetch_all(&mut **tx)
    .await
}
