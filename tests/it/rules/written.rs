//! Rules as operators write them: what is taken, and what is refused.

use super::*;

#[tokio::test]
async fn hostile_and_senseless_rules_are_refused() {
    let Scene { app: _app, badges, plain, .. } = scene().await;
    let path = format!("/{plain}/rules");
    let long = format!("{}true", "true || ".repeat(200));
    let nested = format!("{}true{}", "(".repeat(60), ")".repeat(60));
    let loops = "[1,2,3].all(a, [1,2,3].all(b, [1,2,3].all(c, a + b + c > 0)))";
    for expression in [
        "amount",
        "1 +",
        "password == \"x\"",
        "amount < 1.5",
        loops,
        &nested,
        &long,
        "kind.matches(\"(a+)+$\")",
        "tokens(\"-1\") < amount",
        "{\"a\": amount}.a > 0",
        "\u{1}",
        "amount < 10; drop table badge",
        "kind == \"deposit\" ? 5 : true",
        &"!".repeat(999),
        &"-".repeat(999),
        &"[".repeat(999),
        &"a?".repeat(499),
    ] {
        let refused = badges.post(&path, rule_body(expression, "ULTT0001")).await;
        assert_eq!((refused.status, refused.error()), (400, "invalid_expression"), "{expression}: {refused}");
        assert!(refused.text.len() < 1000, "{refused}");
    }
    for code in ["", "X", "ULTT001", "ULtt0010", "ULTT00100", "ABTT0010", "ULTT001٠"] {
        let refused = badges.post(&path, rule_body("true", code)).await;
        allow_duplicates! { assert_snapshot!(refused, @r#"400 {"error":"invalid_error_code","message":"error_code must be UL, two capitals and four digits"}"#); }
    }
    let mut body = rule_body("true", "ULTT0001");
    body["ends_at"] = json!(Utc::now() - TimeDelta::days(1));
    assert_snapshot!(badges.post(&path, body.clone()).await, @r#"400 {"error":"invalid_ends_at","message":"ends_at must come after the beginning and after now"}"#);
    body["starts_at"] = json!(Utc::now() + TimeDelta::days(40_000));
    assert_snapshot!(badges.post(&path, body.clone()).await, @r#"400 {"error":"invalid_starts_at","message":"starts_at is too far away"}"#);
    let year = Utc::now().year() + 1;
    body["starts_at"] = json!(format!("{year}-01-01T00:00:00.0000001Z"));
    body["ends_at"] = json!(format!("{year}-01-01T00:00:00.0000009Z"));
    assert_snapshot!(badges.post(&path, body).await, @r#"400 {"error":"invalid_ends_at","message":"ends_at must come after the beginning and after now"}"#);
    assert_eq!(badges.get(&path).await.json["data"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_reckoned_is_refused_and_breaks_nothing() {
    let Scene { app: _app, acme, badges, plain, .. } = scene().await;
    let rule = badges.rule(&plain, "9223372036854775807 + amount > 0", "ULTT0001").await;
    assert_eq!(acme.fund(&phone(1), "dep-1", "1").await.expect(403).error(), "rule_violated");
    badges.delete(&format!("/{plain}/rules/{rule}")).await.expect(204);
    badges.rule(&plain, "amount / (amount - amount) > 0", "ULTT0001").await;
    assert_eq!(acme.fund(&phone(1), "dep-1", "1").await.expect(403).error(), "rule_violated");
}

#[tokio::test]
async fn rules_are_written_for_badges_that_are_there() {
    let Scene { app, badges, plain, .. } = scene().await;
    let globex = app.tenant("globex").await;
    let strangers = app.badges_of(&globex).starting("Gold", "FINANCIAL").await;
    let unknown = Uuid::now_v7().to_string();
    for badge in [&*strangers, &*unknown, "x"] {
        let refused = badges.post(&format!("/{badge}/rules"), rule_body("true", "ULTT0001")).await;
        allow_duplicates! { assert_snapshot!(refused, @r#"404 {"error":"badge_not_found","message":"the tenant has no such badge"}"#); }
        assert_eq!(badges.get(&format!("/{badge}/rules")).await.status, 404);
    }
    for rule in [&*unknown, "x"] {
        let refused = badges.post(&format!("/{plain}/rules/{rule}"), rule_body("true", "ULTT0001")).await;
        allow_duplicates! { assert_snapshot!(refused, @r#"404 {"error":"rule_not_found","message":"the badge has no such rule"}"#); }
        assert_eq!(badges.delete(&format!("/{plain}/rules/{rule}")).await.status, 404);
    }
    let staff = badges.of_kind("Staff", "INFORMATION").await;
    let refused = badges.post(&format!("/{staff}/rules"), rule_body("true", "ULTT0001")).await;
    assert_snapshot!(refused, @r#"409 {"error":"badge_without_rules","message":"an information badge has no rules"}"#);
    let written =
        badges.post(&format!("/{plain}/rules"), rule_body("kind != \"deposit\"", "ULTT0001")).await.expect(201);
    assert_snapshot!(written.redacted(), @r#"201 {"id":"[uuid]","version":1,"badge_id":"[uuid]","status":"active","expression":"kind != \"deposit\"","error_code":"ULTT0001","error_type":"transfer-failed","message":"ULTT0001 not met","is_default":false,"created_by":"operator","starts_at":"[time]","ends_at":null,"inactive_at":null,"created_at":"[time]"}"#);
}
