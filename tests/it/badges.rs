//! Badges: tenants read them, operators make them and give them to customers.

mod given;

use insta::{allow_duplicates, assert_snapshot};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::customers;
use crate::harness::actor::Actor;
use crate::harness::app::TestApp;
use crate::harness::tenant::phone;
use crate::harness::until;

const LIST: &str = "/tenant/badge?page=1&pagesize=100";

fn words(list: &Value, field: &str) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|badge| badge[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_tenant_starts_with_bronze_silver_and_gold() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let listed = acme.live.get(LIST).await.expect(200).json;
    assert_eq!((&listed["pageNumber"], &listed["pagesize"]), (&json!(1), &json!(100)));
    let mut badges: Vec<String> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|badge| format!("{} {} {}", badge["userGroup"], badge["badgeName"], badge["badgeType"]))
        .collect();
    badges.sort();
    assert_snapshot!(badges.join("\n"), @r#"
    "BUSINESS-USER" "Bronze" "FINANCIAL"
    "BUSINESS-USER" "Bronze" "IDENTIFICATION"
    "BUSINESS-USER" "Gold" "FINANCIAL"
    "BUSINESS-USER" "Gold" "IDENTIFICATION"
    "BUSINESS-USER" "Silver" "FINANCIAL"
    "BUSINESS-USER" "Silver" "IDENTIFICATION"
    "WALLET-USER" "Bronze" "FINANCIAL"
    "WALLET-USER" "Bronze" "IDENTIFICATION"
    "WALLET-USER" "Gold" "FINANCIAL"
    "WALLET-USER" "Gold" "IDENTIFICATION"
    "WALLET-USER" "Silver" "FINANCIAL"
    "WALLET-USER" "Silver" "IDENTIFICATION"
    "#);
    let one = acme.test.get("/tenant/badge?page=1&pagesize=1&search=bronze&filters=IDENTIFICATION,WALLET_USER").await;
    assert_snapshot!(one.redacted(), @r#"200 {"data":[{"badgeId":"[uuid]","badgeName":"Bronze","badgeType":"IDENTIFICATION","badgeDescription":"bronze identification badge","userGroup":"WALLET-USER","badgeSymbolRef":null,"createdBy":null,"createdAt":"[time]","updatedAt":"[time]"}],"pageNumber":1,"pagesize":1}"#);
}

#[tokio::test]
async fn badges_are_searched_filtered_and_paged() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let ask = async |query: &str| acme.live.get(&format!("{LIST}&{query}")).await.expect(200).json;
    assert_eq!(words(&ask("search=SILV").await, "badgeName"), ["Silver"; 4]);
    assert_eq!(words(&ask("search=financial").await, "badgeType"), ["FINANCIAL"; 6]);
    assert_eq!(words(&ask("search=%25").await, "badgeName"), [""; 0]);
    assert_eq!(
        words(&ask("filters=%7B%22userGroup%22%3A%22BUSINESS_USER%22%7D").await, "userGroup"),
        ["BUSINESS-USER"; 6]
    );
    assert_eq!(words(&ask("search=gold&filters=FINANCIAL,wallet-user").await, "badgeName"), ["Gold"]);

    let mut seen = Vec::new();
    for page in 1..=3 {
        let answer = acme.live.get(&format!("/tenant/badge?page={page}&pagesize=5")).await.expect(200).json;
        assert_eq!(answer["pageNumber"], page);
        seen.extend(words(&answer, "badgeId"));
    }
    let mut distinct = seen.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!((seen.len(), distinct.len()), (12, 12));
    let beyond = acme.live.get("/tenant/badge?page=4294967295&pagesize=100").await.expect(200).json;
    assert_eq!(beyond["data"], json!([]));
}

#[tokio::test]
async fn a_page_that_is_none_is_refused_in_the_documented_words() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    for query in ["", "?page=1", "?pagesize=1", "?page=0&pagesize=1", "?page=1&pagesize=-1", "?page=x&pagesize=1"] {
        let answer = acme.live.get(&format!("/tenant/badge{query}")).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"errors":[{"message":"Page or pagesize should be positive value or atleast 1","type":"page"}]}"#); }
    }
    let large = acme.live.get("/tenant/badge?page=1&pagesize=101").await;
    assert_snapshot!(large, @r#"400 {"errors":[{"message":"pagesize should be at most 100","type":"page"}]}"#);
    let filters = acme.live.get(&format!("{LIST}&filters=shiny")).await;
    assert_snapshot!(filters, @r#"400 {"errors":[{"message":"filters should name a badgeType (IDENTIFICATION, FINANCIAL, INFORMATION) or a userGroup (WALLET_USER, BUSINESS_USER)","type":"filters"}]}"#);
}

#[tokio::test]
async fn a_badge_is_shown_with_its_tokens_and_rules() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let badges = app.badges_of(&acme);
    let (bronze, limits) =
        (badges.starting("Bronze", "IDENTIFICATION").await, badges.starting("Bronze", "FINANCIAL").await);

    let shown = acme.live.get(&format!("/tenant/badge/{bronze}")).await.expect(200);
    assert_eq!(shown.json["data"][0]["financial_badge_token"][0]["financialBadgeId"], json!(limits));
    assert_snapshot!(shown.redacted(), @r#"200 {"data":[{"badgeId":"[uuid]","badgeName":"Bronze","badgeType":"IDENTIFICATION","badgeDescription":"bronze identification badge","userGroup":"WALLET_USER","badgeSymbolRef":null,"createdBy":null,"createdAt":"[time]","updatedAt":"[time]","storageProvider":null,"financial_badge_token":[{"financialBadgeId":"[uuid]","tokenSymbol":"USDC","createdAt":"[time]","updatedAt":"[time]"},{"financialBadgeId":"[uuid]","tokenSymbol":"USDT","createdAt":"[time]","updatedAt":"[time]"}],"badge_rules":[{"ruleId":"[uuid]","badgeId":"[uuid]","tenantId":"[uuid]","isActive":"true","startDate":"[time]","endDate":null,"ruleGroup":"wallet-user","ruleVersion":"1","isDefaultRule":"true","createdBy":null,"status":"active","inactiveDate":null,"createdAt":"[time]","updatedAt":"[time]"},{"ruleId":"[uuid]","badgeId":"[uuid]","tenantId":"[uuid]","isActive":"true","startDate":"[time]","endDate":null,"ruleGroup":"wallet-user","ruleVersion":"1","isDefaultRule":"true","createdBy":null,"status":"active","inactiveDate":null,"createdAt":"[time]","updatedAt":"[time]"},{"ruleId":"[uuid]","badgeId":"[uuid]","tenantId":"[uuid]","isActive":"true","startDate":"[time]","endDate":null,"ruleGroup":"wallet-user","ruleVersion":"1","isDefaultRule":"true","createdBy":null,"status":"active","inactiveDate":null,"createdAt":"[time]","updatedAt":"[time]"}]}],"message":"Badge details fetched successfully"}"#);

    // A financial badge names itself, whatever stands in for it, and its own rules.
    let link = json!({"token": "USDT", "financial_badge_id": limits, "custom_financial_badge_id": badges.starting("Gold", "FINANCIAL").await});
    badges.post(&format!("/{bronze}/links"), link).await.expect(200);
    let financial = acme.live.get(&format!("/tenant/badge/{limits}")).await.expect(200).json;
    for (place, token) in ["USDC", "USDT"].into_iter().enumerate() {
        let link = &financial["data"][0]["financial_badge_token"][place];
        assert_eq!((&link["tokenSymbol"], &link["financialBadgeId"]), (&json!(token), &json!(limits)));
    }
    assert_eq!(financial["data"][0]["badge_rules"], json!([]));

    let shown = shown.json;
    let rules = shown["data"][0]["badge_rules"].as_array().unwrap();
    assert_eq!(rules.len(), 3);
    let rule = rules[0].as_object().unwrap();
    let documented = [
        "badgeId",
        "createdAt",
        "createdBy",
        "endDate",
        "inactiveDate",
        "isActive",
        "isDefaultRule",
        "ruleGroup",
        "ruleId",
        "ruleVersion",
        "startDate",
        "status",
        "tenantId",
        "updatedAt",
    ];
    let mut keys: Vec<&str> = rule.keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, documented);
    let told =
        ["isActive", "isDefaultRule", "ruleGroup", "ruleVersion", "status"].map(|key| rule[key].as_str().unwrap());
    assert_eq!(told, ["true", "true", "wallet-user", "1", "active"]);
    assert_eq!((rule["badgeId"].as_str(), rule["tenantId"].as_str()), (Some(&*bronze), Some(&*acme.id.to_string())));
    assert_eq!(rule["endDate"], Value::Null);
}

#[tokio::test]
async fn a_badge_that_is_not_there_is_a_catch_error() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let strangers = app.badges_of(&globex).starting("Gold", "IDENTIFICATION").await;
    for id in [&*strangers, "x", "01990000-0000-7000-8000-000000000001", "%27%3B--"] {
        let answer = acme.live.get(&format!("/tenant/badge/{id}")).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"CatchError":{}}"#); }
    }
    assert!(!acme.live.get(LIST).await.text.contains(&strangers));
}

#[tokio::test]
async fn what_an_identification_badge_is_linked_to_is_fetched() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let badges = app.badges_of(&acme);
    let (bronze, gold) =
        (badges.starting("Bronze", "IDENTIFICATION").await, badges.starting("Gold", "FINANCIAL").await);
    let (limits, staff) = (badges.starting("Bronze", "FINANCIAL").await, badges.of_kind("Staff", "INFORMATION").await);
    let body = json!({
        "token": "USDC", "financial_badge_id": limits, "custom_financial_badge_id": gold, "information_badge_id": staff,
    });
    badges.post(&format!("/{bronze}/links"), body).await.expect(200);

    let fetched = acme.live.get(&format!("/tenant/badge/assign/fetch-all/{bronze}")).await.expect(200);
    assert_snapshot!(fetched.redacted(), @r#"200 {"data":[{"publicId":"[uuid]","token":"USDC","identificationBadgeDetails":{"identificationBadgeId":"[uuid]","badgeName":"Bronze","badgeType":"IDENTIFICATION"},"financialBadgeDetails":{"financialBadgeId":"[uuid]","badgeName":"Bronze","badgeType":"FINANCIAL"},"customFinanceBadgeDetails":{"customFinancialBadgeId":"[uuid]","badgeName":"Gold","badgeType":"FINANCIAL"},"informationBadgeDetails":{"informationBadgeId":"[uuid]","badgeName":"Staff","badgeType":"INFORMATION"}},{"publicId":"[uuid]","token":"USDT","identificationBadgeDetails":{"identificationBadgeId":"[uuid]","badgeName":"Bronze","badgeType":"IDENTIFICATION"},"financialBadgeDetails":{"financialBadgeId":"[uuid]","badgeName":"Bronze","badgeType":"FINANCIAL"},"customFinanceBadgeDetails":{},"informationBadgeDetails":{}}],"message":"badges with token linked fetched successfully."}"#);

    // Of somebody else, of another kind, of nobody.
    let strangers = app.badges_of(&globex).starting("Bronze", "IDENTIFICATION").await;
    for id in [&*strangers, &*limits, "x", "01990000-0000-7000-8000-000000000001"] {
        let answer = acme.live.get(&format!("/tenant/badge/assign/fetch-all/{id}")).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"errors":[{"message":"something went wrong, please try again","type":"list-assign-badges"}]}"#); }
    }
}

#[tokio::test]
async fn badges_are_shown_to_their_tenant_alone() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let bronze = app.badges_of(&acme).starting("Bronze", "IDENTIFICATION").await;
    let pair = |tenant: String| Actor::new(&app.base_url, &[("tenant-id", &*tenant), ("api-key", &acme.live_key)]);
    for path in [LIST.to_owned(), format!("/tenant/badge/{bronze}"), format!("/tenant/badge/assign/fetch-all/{bronze}")]
    {
        pair(acme.id.to_string()).get(&path).await.expect(200);
        for caller in [app.nobody(), pair(globex.id.to_string()), acme.dashboard.clone(), app.operator()] {
            let answer = caller.get(&path).await.expect(401);
            assert!(answer.json["errors"][0]["type"].is_string(), "{answer}");
        }
    }
}

#[tokio::test]
async fn an_operator_makes_changes_and_puts_badges_out_of_use() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let badges = app.badges_of(&acme);
    let body = json!({
        "name": "Platinum", "kind": "IDENTIFICATION", "user_group": "WALLET_USER", "description": "the best",
        "symbol_ref": "https://pictures.invalid/p.png", "storage_provider": "pictures",
    });
    let made = badges.post("", body.clone()).await.expect(201);
    assert_snapshot!(made.redacted(), @r#"201 {"id":"[uuid]","name":"Platinum","kind":"IDENTIFICATION","user_group":"WALLET_USER","description":"the best","symbol_ref":"https://pictures.invalid/p.png","storage_provider":"pictures","created_by":"operator","is_active":true,"created_at":"[time]","updated_at":"[time]"}"#);
    let mut again = body.clone();
    again["name"] = json!("PLATINUM");
    assert_snapshot!(badges.post("", again).await, @r#"409 {"error":"duplicate_badge","message":"a badge of this name, kind and group is in use"}"#);

    let id = made.json["id"].as_str().unwrap();
    let changed = badges.post(&format!("/{id}"), json!({"name": "Palladium", "is_active": false})).await.expect(200);
    assert_eq!((&changed.json["name"], &changed.json["description"]), (&json!("Palladium"), &json!("the best")));
    assert!(!acme.live.get(LIST).await.text.contains("Palladium"));
    assert!(badges.get("?limit=100").await.text.contains("Palladium"));
    let refused = badges.post(&format!("/{id}"), json!({"name": "tab\there"})).await;
    assert_snapshot!(refused, @r#"400 {"error":"invalid_name","message":"name must be plain text"}"#);

    for page in ["?limit=5", "?limit=0"] {
        let listed = badges.get(page).await;
        assert_eq!(listed.status, if page == "?limit=5" { 200 } else { 400 });
    }
    let nowhere = app.operator().get(&format!("/admin/tenants/{}/badges", Uuid::now_v7())).await;
    assert_snapshot!(nowhere, @r#"404 {"error":"tenant_not_found","message":"there is no such tenant"}"#);
    let unknown = badges.post(&format!("/{}", Uuid::now_v7()), json!({})).await;
    assert_snapshot!(unknown, @r#"404 {"error":"badge_not_found","message":"the tenant has no such badge"}"#);
    assert_eq!(acme.dashboard.get(&format!("/admin/tenants/{}/badges", acme.id)).await.status, 401);
}

#[tokio::test]
async fn a_repeated_order_of_an_operator_is_answered_with_the_first_answer() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator().with("idempotency-key", "once");
    let path = format!("/admin/tenants/{}/badges", acme.id);
    let body = json!({"name": "Platinum", "kind": "FINANCIAL", "user_group": "BUSINESS_USER"});
    let first = operator.post(&path, body.clone()).await.expect(201);
    let second = operator.post(&path, body).await.expect(201);
    assert_eq!((second.header("idempotency-replayed"), &second.json), ("true", &first.json));
}

#[tokio::test]
async fn only_badges_that_fit_are_linked() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let badges = app.badges_of(&acme);
    let (plain, limits) = (badges.plain("Plain").await, badges.of_kind("Limits", "FINANCIAL").await);
    let link = async |badge: &str, body: Value| badges.post(&format!("/{badge}/links"), body).await;

    let strangers = app.badges_of(&globex).starting("Gold", "FINANCIAL").await;
    for wrong in [&*plain, &*strangers, "01990000-0000-7000-8000-000000000001"] {
        let refused = link(&plain, json!({"token": "USDC", "financial_badge_id": wrong})).await;
        allow_duplicates! { assert_snapshot!(refused, @r#"400 {"error":"invalid_financial_badge_id","message":"financial_badge_id names no financial badge in use of the same user group"}"#); }
    }
    let refused = link(&plain, json!({"token": "EURX", "financial_badge_id": limits})).await;
    assert_snapshot!(refused, @r#"400 {"error":"invalid_token","message":"token is not a token of this server"}"#);
    assert_snapshot!(link(&plain, json!({"token": "USDC"})).await, @r#"400 {"error":"missing_field","message":"financial_badge_id is required"}"#);
    let refused = link(&limits, json!({"token": "USDC", "financial_badge_id": limits})).await;
    assert_snapshot!(refused, @r#"409 {"error":"badge_not_linkable","message":"only an identification badge is linked to others"}"#);

    let linked = link(&plain, json!({"token": "USDC", "financial_badge_id": limits})).await.expect(200).json;
    let listed = badges.get(&format!("/{plain}/links")).await.expect(200).json;
    assert_eq!(listed["data"], json!([linked]));
    let path = format!("/{plain}/links/{}", linked["id"].as_str().unwrap());
    badges.delete(&path).await.expect(204);
    assert_snapshot!(badges.delete(&path).await, @r#"404 {"error":"link_not_found","message":"the badge has no such link"}"#);
}
