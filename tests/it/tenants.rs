//! `/admin/tenants`

use insta::{allow_duplicates, assert_snapshot};
use serde_json::json;

use crate::harness::app::TestApp;

const TENANTS: &str = "/admin/tenants";

#[tokio::test]
async fn an_operator_makes_a_tenant_and_finds_it_in_the_list() {
    let app = TestApp::new().await;
    let made = app.operator().post(TENANTS, json!({"namespace": "acme.ul", "name": "Acme"})).await;
    assert_snapshot!(made.redacted(), @r#"201 {"id":"[uuid]","namespace":"acme.ul","name":"Acme","created_at":"[time]"}"#);
    let listed = app.operator().get(TENANTS).await;
    assert_snapshot!(listed.redacted(), @r#"200 {"data":[{"id":"[uuid]","namespace":"acme.ul","name":"Acme","created_at":"[time]"}]}"#);
    assert_eq!(listed.json["data"][0], made.json);
}

#[tokio::test]
async fn a_namespace_is_one_tenants() {
    let app = TestApp::new().await;
    app.tenant("acme").await;
    let again = app.operator().post(TENANTS, json!({"namespace": "acme.ul", "name": "Other"})).await;
    assert_snapshot!(again, @r#"409 {"error":"duplicate_namespace","message":"a tenant of this namespace exists"}"#);
}

#[tokio::test]
async fn a_tenant_that_makes_no_sense_is_refused() {
    let app = TestApp::new().await;
    let long = format!("{}.ul", "a".repeat(64));
    for namespace in ["", "acme", "Acme.ul", "a.b.ul", "-a.ul", "acme.ul ", "аcme.ul", &long] {
        let answer = app.operator().post(TENANTS, json!({"namespace": namespace, "name": "Acme"})).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"error":"invalid_namespace","message":"namespace must be 1 to 63 lower-case letters, digits or dashes before .ul, such as acme.ul"}"#); }
    }
    for name in ["", &"x".repeat(201)] {
        let answer = app.operator().post(TENANTS, json!({"namespace": "acme.ul", "name": name})).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"error":"invalid_name","message":"name must have 1 to 200 characters"}"#); }
    }
    assert_eq!(app.operator().get(TENANTS).await.json["data"], json!([]));
}

#[tokio::test]
async fn tenants_are_listed_newest_first_in_pages() {
    let app = TestApp::new().await;
    for name in ["a", "b", "c"] {
        app.tenant(name).await;
    }
    let first = app.operator().get(&format!("{TENANTS}?limit=2")).await.expect(200).json;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app.operator().get(&format!("{TENANTS}?limit=2&cursor={cursor}")).await.expect(200).json;
    let names = |page: &serde_json::Value| {
        page["data"].as_array().unwrap().iter().map(|tenant| tenant["namespace"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!((names(&first), names(&second)), (vec!["\"c.ul\"".into(), "\"b.ul\"".into()], vec!["\"a.ul\"".into()]));
    assert!(second["next_cursor"].is_null());
    let answer = app.operator().get(&format!("{TENANTS}?limit=0")).await;
    assert_snapshot!(answer, @r#"400 {"error":"invalid_limit","message":"limit must be from 1 to 100"}"#);
    let answer = app.operator().get(&format!("{TENANTS}?cursor=x")).await;
    assert_snapshot!(answer, @r#"400 {"error":"invalid_cursor","message":"cursor is not a next_cursor of ours"}"#);
}
