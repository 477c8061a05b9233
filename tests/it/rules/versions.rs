//! Versions of rules, and names that rules quote.

use chrono::{TimeDelta, Utc};
use insta::assert_snapshot;
use serde_json::json;

use super::{Scene, scene};
use crate::harness::badges::rule_body;
use crate::harness::tenant::phone;
use crate::harness::until;

#[tokio::test]
async fn a_rule_can_be_revised_as_often_as_anybody_likes() {
    let Scene { app, acme, badges, plain, .. } = scene().await;
    let older = badges.rule(&plain, "amount > 0", "ULTT0001").await;
    let newer = badges.rule(&plain, "amount > 0", "ULTT0002").await;
    sqlx::query(
        "insert into badge_rule (tenant_id, id, version, badge_id, kind, expression, error_code, error_type, message,
            is_default, starts_at)
        select tenant_id, id, n, badge_id, kind, expression, error_code, error_type, message, false, starts_at
        from badge_rule, generate_series(2, 1200) n where id = $1::uuid",
    )
    .bind(&newer)
    .execute(&mut app.sql().await)
    .await
    .unwrap();
    for (rule, version) in [(&newer, 1201), (&older, 2)] {
        let revised = badges.post(&format!("/{plain}/rules/{rule}"), rule_body("false", "ULTT0003")).await.expect(201);
        assert_eq!((&revised.json["version"], &revised.json["status"]), (&json!(version), &json!("active")));
    }
    assert_eq!(acme.fund(&phone(1), "dep-1", "1").await.expect(403).json["error_code"], "ULTT0003");
}

#[tokio::test]
async fn a_badge_is_not_renamed_behind_the_back_of_a_rule() {
    let Scene { app: _app, acme, badges, plain, jane } = scene().await;
    let staff = badges.of_kind("Staff", "INFORMATION").await;
    badges.assign(&staff, jane).await;
    let rule = badges.rule(&plain, "badge == \"Plain\" && \"Staff\" in information_badges", "ULTT0001").await;
    let rename = async |badge: &str, name: &str| badges.post(&format!("/{badge}"), json!({"name": name})).await;
    assert_snapshot!(rename(&plain, "Simple").await, @r#"409 {"error":"badge_named_by_rule","message":"a rule asks for the badge by its name; have the rule ask for both names first"}"#);
    assert_eq!(rename(&staff, "Crew").await.expect(409).error(), "badge_named_by_rule");
    rename(&plain, "Plain").await.expect(200);
    // What nobody asks for by its name may be called otherwise.
    let financial = badges.of_kind("Plain", "FINANCIAL").await;
    rename(&financial, "Simple").await.expect(200);

    let both = "badge in [\"Plain\", \"Simple\"] && \"Staff\" in information_badges";
    let mut passing = rule_body(both, "ULTT0001");
    passing["ends_at"] = json!(Utc::now() + TimeDelta::days(9));
    badges.post(&format!("/{plain}/rules/{rule}"), passing).await.expect(201);
    // The version before will count again.
    rename(&plain, "Simple").await.expect(409);
    badges.post(&format!("/{plain}/rules/{rule}"), rule_body(both, "ULTT0001")).await.expect(201);
    rename(&plain, "Simple").await.expect(200);
    acme.fund(&phone(1), "dep-1", "1").await.expect(202);
    rename(&staff, "Crew").await.expect(409);
}

#[tokio::test]
async fn a_badge_is_not_renamed_while_a_rule_that_names_it_is_being_written() {
    let Scene { app, badges, plain, .. } = scene().await;
    let staff = badges.of_kind("Staff", "INFORMATION").await;
    let waiting = async |many: i64| {
        until(&format!("{many} wait for locks"), || async {
            let query = "select count(*) from pg_stat_activity
                where datname = current_database() and wait_event_type = 'Lock'";
            let count: i64 = sqlx::query_scalar(query).fetch_one(&mut app.sql().await).await.unwrap();
            (count == many).then_some(())
        })
        .await;
    };
    // Whoever writes the rule is stopped on the way, and has not looked for names yet or has done so.
    let mut sql = app.sql().await;
    sqlx::query("begin").execute(&mut sql).await.unwrap();
    sqlx::query("select from badge where id = $1::uuid for update").bind(&plain).execute(&mut sql).await.unwrap();
    let path = format!("/{plain}/rules");
    let writing = badges.post(&path, rule_body("!(\"Staff\" in information_badges)", "ULTT0001"));
    let staff = format!("/{staff}");
    let renaming = async {
        waiting(1).await;
        badges.post(&staff, json!({"name": "Crew"})).await
    };
    let letting_go = async {
        waiting(2).await;
        sqlx::query("rollback").execute(&mut sql).await.unwrap();
    };
    let (written, renamed, ()) = tokio::join!(writing, renaming, letting_go);
    written.expect(201);
    assert_eq!(renamed.expect(409).error(), "badge_named_by_rule");
}
