//! SQL of what identification badges are linked to.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{self, TenantTx};
use crate::product::badges::LinkedToken;
use crate::product::badges::link::{Link, NewLink};

/// The links of these identification badges, each with its badge's id, in the order of tokens.
pub async fn linked_tokens(tx: &mut TenantTx, badges: &[Uuid]) -> db::Result<Vec<(Uuid, LinkedToken)>> {
    let rows = sqlx::query!(
        r#"select l.identification_badge_id as badge, l.id, l.token, f.id as "financial_id?", f.name as "financial_name?"
        from badge_link l
        left join badge f on f.tenant_id = l.tenant_id
            and f.id = coalesce(l.custom_financial_badge_id, l.financial_badge_id)
        where l.tenant_id = $1 and l.identification_badge_id = any($2)
        order by l.token"#,
        tx.tenant().0,
        badges,
    )
    .fetch_all(&mut **tx)
    .await?;
    let links = rows.into_iter().map(|row| {
        let link = LinkedToken {
            id: row.id,
            token: row.token,
            financial_badge_id: row.financial_id,
            financial_badge_name: row.financial_name,
        };
        (row.badge, link)
    });
    Ok(links.collect())
}

/// The links of a badge, or to it, in the order of tokens.
pub async fn links_of(tx: &mut TenantTx, badge: Uuid) -> db::Result<Vec<Link>> {
    let rows = sqlx::query!(
        r#"select l.id, l.token, l.created_at, l.updated_at,
            f.id as "financial_id?", f.name as "financial_name?", c.id as "custom_id?", c.name as "custom_name?",
            i.id as "information_id?", i.name as "information_name?"
        from badge_link l
        left join badge f on f.tenant_id = l.tenant_id and f.id = l.financial_badge_id
        left join badge c on c.tenant_id = l.tenant_id and c.id = l.custom_financial_badge_id
        left join badge i on i.tenant_id = l.tenant_id and i.id = l.information_badge_id
        where l.tenant_id = $1 and $2 in (l.identification_badge_id, l.financial_badge_id, l.custom_financial_badge_id,
            l.information_badge_id)
        order by l.token, l.id limit 1000"#,
        tx.tenant().0,
        badge,
    )
    .fetch_all(&mut **tx)
    .await?;
    let links = rows.into_iter().map(|row| Link {
        id: row.id,
        token: row.token,
        financial: row.financial_id.zip(row.financial_name),
        custom_financial: row.custom_id.zip(row.custom_name),
        information: row.information_id.zip(row.information_name),
        created_at: row.created_at,
        updated_at: row.updated_at,
    });
    Ok(links.collect())
}

/// Links an identification badge to others for a token, in place of what it was linked to; the link's id.
pub async fn link(tx: &mut TenantTx, new: &NewLink, now: DateTime<Utc>) -> db::Result<Uuid> {
    let id = sqlx::query_scalar!(
        "insert into badge_link (tenant_id, id, identification_badge_id, token, financial_badge_id,
            custom_financial_badge_id, information_badge_id, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
        on conflict on constraint badge_link_unique do update set financial_badge_id = excluded.financial_badge_id,
            custom_financial_badge_id = excluded.custom_financial_badge_id,
            information_badge_id = excluded.information_badge_id, updated_at = excluded.updated_at
        returning id",
        tx.tenant().0,
        Uuid::now_v7(),
        new.identification,
        new.token,
        new.financial,
        new.custom_financial,
        new.information,
        now,
    );
    id.fetch_one(&mut **tx).await
}

/// Takes a link of an identification badge away; `false` when it has no such link.
pub async fn unlink(tx: &mut TenantTx, badge: Uuid, id: Uuid) -> db::Result<bool> {
    let gone = sqlx::query!(
        "delete from badge_link where tenant_id = $1 and identification_badge_id = $2 and id = $3",
        tx.tenant().0,
        badge,
        id,
    );
    Ok(gone.execute(&mut **tx).await?.rows_affected() == 1)
}
