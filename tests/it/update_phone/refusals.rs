//! What is no number, and whose customers are not there.

use insta::assert_snapshot;
use serde_json::json;

use super::{UPDATE, changes, index_of, phone, provision, update, update_of};
use crate::harness::app::TestApp;

/// FAULTS 23.
#[tokio::test]
async fn both_numbers_are_phone_numbers() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = provision(&acme.live, &phone(1)).await;

    for text in
        ["", "2250700000001", "+225 0700000002", "+1", "+２２５0700000002", "'; drop table customer; --", "{{1}}"]
    {
        for answer in [
            update(&acme.live, text, &phone(2)).await,
            update(&acme.live, &phone(1), text).await,
            update_of(&acme.dashboard, index_of(&jane), text).await,
        ] {
            assert_eq!((answer.status, answer.error()), (400, "invalid_phone"), "{text:?}: {answer}");
        }
    }
    let refused = update(&acme.live, &phone(1), "0700000002").await;
    assert_snapshot!(refused, @r#"400 {"error":"invalid_phone","message":"new_phone_number must be a phone number in E.164 form, such as +2250700000001"}"#);
    let missing = acme.live.post(UPDATE, json!({"old_phone_number": phone(1)})).await;
    assert_snapshot!(missing, @r#"400 {"error":"missing_field","message":"new_phone_number is required"}"#);
    assert_eq!(acme.live.post(UPDATE, json!({"old_phone_number": 1, "new_phone_number": phone(2)})).await.status, 400);
    assert_eq!(acme.live.post_bytes(UPDATE, "text/plain", b"{}".to_vec()).await.status, 415);
    assert_eq!(acme.live.post_bytes(UPDATE, "application/json", b"{\"old".to_vec()).await.status, 400);
    assert_eq!(acme.live.post_bytes(UPDATE, "application/json", vec![b' '; 2 << 20]).await.status, 413);
    for index in ["0", "%00", "..%2f", &"0".repeat(64), &index_of(&jane).to_uppercase(), "'%20or%20true%20--"] {
        assert_eq!(update_of(&acme.dashboard, index, &phone(2)).await.status, 404, "{index}");
    }
    assert_eq!(changes(&app).await, 0);
}

/// FAULTS 22.
#[tokio::test]
async fn another_tenants_and_another_modes_customers_are_not_there() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let jane = provision(&acme.live, &phone(1)).await;

    for caller in [&globex.live, &globex.test, &acme.test] {
        assert_eq!(update(caller, &phone(1), &phone(2)).await.status, 404);
    }
    assert_eq!(update_of(&globex.dashboard, index_of(&jane), &phone(2)).await.status, 404);
    // A number that another tenant's customer has is free here.
    provision(&globex.live, &phone(5)).await;
    provision(&acme.test, &phone(5)).await;
    update(&acme.live, &phone(1), &phone(5)).await.expect(200);
}
