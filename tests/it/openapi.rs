//! The API's description: complete, published, and the same as the committed one.

use std::collections::HashSet;

use diolkos::http::openapi;
use diolkos::product;

use crate::harness::app::TestApp;
use crate::harness::document::{document, operations};

#[test]
fn the_committed_description_is_the_codes() {
    let path = format!("{}/openapi/diolkos.json", env!("CARGO_MANIFEST_DIR"));
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let current = openapi::describe(product::router()).1.to_pretty_json().unwrap();
    assert!(
        committed.trim_end() == current,
        "openapi/diolkos.json is stale: run script/prepare and commit what it writes"
    );
}

#[tokio::test]
async fn the_served_description_is_the_committed_one_and_there_is_a_page_to_read_it() {
    let app = TestApp::new().await;
    let served = app.nobody().get("/openapi.json").await.expect(200);
    assert_eq!(served.header("content-type"), "application/json");
    assert_eq!(served.json, document());
    let page = app.nobody().get("/docs/").await.expect(200);
    assert!(page.header("content-type").starts_with("text/html") && page.text.contains("swagger"), "{page}");
    assert!(page.header("content-security-policy").starts_with("default-src 'self'"));
    app.nobody().get("/docs/swagger-ui-bundle.js").await.expect(200);
}

/// Operations that are documented to answer 400 where there is nothing of that name.
const UNKNOWN_IS_400: [&str; 5] =
    ["set_custom_namespace", "set_primary_wallet", "forget_customer", "decide_agreement", "decide_platform_agreement"];

#[test]
fn every_operation_says_what_it_is_who_may_call_it_and_what_it_answers() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    let known = |list: &str| document.pointer(list).unwrap().clone();
    let (tags, schemes) = (known("/tags"), known("/components/securitySchemes"));
    let mut ids = HashSet::new();
    for operation in operations() {
        let (name, described) = (operation.name(), &operation.described);
        let id = described["operationId"].as_str().unwrap_or_else(|| panic!("{name} has no operationId"));
        assert!(ids.insert(id.to_owned()), "{name}: operationId {id} is not unique");
        assert!(described["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{name} has no summary");
        let tag = &described["tags"][0];
        assert!(
            tags.as_array().unwrap().iter().any(|known| known["name"] == *tag),
            "{name}: tag {tag} is not described"
        );
        assert!(described["security"].is_array(), "{name} does not say who may call it");
        for scheme in operation.schemes() {
            assert!(schemes.get(scheme).is_some(), "{name}: security scheme {scheme} is not described");
        }
        let responses = described["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{name} documents no success");
        for (status, response) in responses {
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{name} {status}");
            let has_body = response["content"].is_object();
            assert!(has_body || status == "204", "{name} {status} does not say what it answers");
        }
        if !operation.schemes().is_empty() {
            for status in ["400", "401", "429", "500", "503"] {
                assert!(responses.contains_key(status), "{name} does not document {status}");
            }
        }
        if operation.path.contains('{') && !UNKNOWN_IS_400.contains(&id) {
            assert!(responses.contains_key("404"), "{name} does not document 404");
        }
        if operation.schemes().contains(&"bearer") {
            assert!(responses.contains_key("403"), "{name} does not document 403");
        }
    }
    assert!(ids.len() >= 20);
}

#[test]
fn every_field_of_every_body_is_described_by_a_type() {
    for operation in operations() {
        for (field, schema) in &operation.body {
            let is_typed = ["type", "$ref", "oneOf", "allOf"].iter().any(|key| schema.get(key).is_some());
            assert!(is_typed, "{} {field}: {schema}", operation.name());
        }
        for parameter in operation.described["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["schema"].is_object(), "{} {}", operation.name(), parameter["name"]);
        }
    }
}
