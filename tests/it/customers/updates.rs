//! `POST /tenant/customer/update`, and what is remembered of it.

use insta::{allow_duplicates, assert_snapshot};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{REQUIRED_AGAIN, accepted, acme, at_once, badge as new_badge, details, onboard, person, update_of};
use crate::harness::app::TestApp;
use crate::harness::tenant::{TestTenant, phone};

async fn history(tenant: &TestTenant, customer: Uuid) -> Vec<Value> {
    let answer = tenant.live.get(&format!("/tenant/customer/pii-customer-details/{customer}")).await.expect(200);
    answer.json["data"]["historyData"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_whole_history_is_kept_newest_first() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let silver = new_badge(&app, &acme, "Silverone").await;
    let customer = accepted(&acme, badge, 1).await;
    assert!(history(&acme, customer).await.is_empty());
    let mut update = update_of(&acme, silver, customer, 1);
    for (name, remarks) in [("Amber", Some("first")), ("Wenny", None)] {
        update["firstName"] = json!(name);
        update["remarks"] = json!(remarks);
        let answer = acme.live.post("/tenant/customer/update", update.clone()).await.expect(202);
        assert_eq!(answer.json["assignedIdentificationBadge"], json!(silver));
    }
    let history = history(&acme, customer).await;
    let told = |change: &Value| {
        let name = |side: &str| change[side]["firstName"].as_str().unwrap().to_owned();
        (name("oldDetails"), name("newDetails"), change["remarks"].clone())
    };
    assert_eq!(
        history.iter().map(told).collect::<Vec<_>>(),
        [
            ("Amber".to_owned(), "Wenny".to_owned(), Value::Null),
            ("Jone1".to_owned(), "Amber".to_owned(), json!("first")),
        ]
    );
    let details = details(&acme.live, customer).await;
    assert_eq!(details["customerAccountCategory"], "Silverone");
    assert_eq!(details["idBadgeLogs"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_cannot_be_updated_is_refused_in_the_documented_words() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    accepted(&acme, badge, 2).await;
    acme.customer(&phone(3)).await;
    let with = async |changes: &[(&str, Value)]| {
        let mut body = update_of(&acme, badge, customer, 1);
        body["reRunComplianceCheck"] = json!(false);
        for (field, value) in changes {
            body[*field] = value.clone();
        }
        body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        acme.live.post("/tenant/customer/update", body).await
    };
    for nobodys in [json!(Uuid::now_v7()), json!("x")] {
        let answer = with(&[("customerAccountId", nobodys)]).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"errors":[{"message":"There is no account for the given customer Id","type":"Customer"}]}"#); }
    }
    for wrong in [json!("string"), json!(Uuid::now_v7())] {
        let answer = with(&[("identificationBadgeId", wrong)]).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"errors":[{"error_code":"ULUP0001","message":"Failed to update badge for user request.","type":"Customer"}]}"#); }
    }
    for (field, value) in [
        ("email", json!("person2@mail.example")),
        ("phoneNumber", json!(phone(2))),
        ("phoneNumber", json!(phone(3))),
        ("firstName", json!("Jone2")),
    ] {
        let answer = with(&[(field, value)]).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"errors":[{"message":"Customer already exists with provided unique identifier parameters","type":"Missing data"}]}"#); }
    }
    for required in REQUIRED_AGAIN {
        let answer = with(&[(required, json!(null))]).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"errors":[{"message":"Mandatory fields are missing","type":"Missing data"}]}"#); }
    }
    assert_snapshot!(with(&[("governmentDocuments", json!([]))]).await, @r#"400 {"errors":[{"message":"There are no sufficient documents","type":"Documents"}]}"#);
    let globex = app.tenant("globex").await;
    assert_eq!(with(&[("tenantId", json!(globex.id))]).await.status, 403);
    let of_globex = globex.live.post("/tenant/customer/update", update_of(&acme, badge, customer, 1)).await;
    assert_snapshot!(of_globex, @r#"400 {"errors":[{"message":"There is no account for the given customer Id","type":"Customer"}]}"#);
    // Nothing of all this has changed anything.
    assert!(history(&acme, customer).await.is_empty());
}

#[tokio::test]
async fn a_new_phone_number_moves_the_customer_with_the_wallet() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let wallet = acme.customer(&phone(1)).await;
    let customer = accepted(&acme, badge, 1).await;
    let mut update = update_of(&acme, badge, customer, 1);
    update["phoneNumber"] = json!(phone(7));
    acme.live.post("/tenant/customer/update", update).await.expect(202);
    assert_eq!(acme.customer(&phone(7)).await, wallet);
    assert_ne!(acme.customer(&phone(1)).await, wallet);
    let change = history(&acme, customer).await[0].clone();
    assert_eq!(change["oldDetails"]["phoneNumber"], phone(1));
    assert_eq!(change["newDetails"]["phoneNumber"], phone(7));

    // And the other way: the wallet's side moves the number, and the details tell.
    let body = json!({"old_phone_number": phone(7), "new_phone_number": phone(8)});
    acme.live.post("/v1/users/update-phone", body).await.expect(200);
    assert_eq!(details(&acme.live, customer).await["phoneNumber"], phone(8));
}

#[tokio::test]
async fn updates_at_once_leave_an_unbroken_history() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    let answers = at_once(8, |index| {
        let (caller, mut body) = (acme.live.clone(), update_of(&acme, badge, customer, 1));
        body["firstName"] = json!(format!("Name{index}"));
        body["reRunComplianceCheck"] = json!(false);
        async move { caller.post("/tenant/customer/update", body).await }
    })
    .await;
    assert!(answers.iter().all(|answer| answer.status == 202), "{}", answers[0]);
    let history = history(&acme, customer).await;
    assert_eq!(history.len(), 8);
    for (newer, older) in history.iter().zip(&history[1..]) {
        assert_eq!(newer["oldDetails"]["firstName"], older["newDetails"]["firstName"]);
    }
    assert_eq!(history[7]["oldDetails"]["firstName"], "Jone1");
}

#[tokio::test]
async fn a_name_or_an_address_that_is_left_is_free() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    let mut update = update_of(&acme, badge, customer, 1);
    update["email"] = json!("moved@mail.example");
    update["firstName"] = json!("Moved");
    acme.live.post("/tenant/customer/update", update).await.expect(202);
    let mut body = person(&acme, badge, 2);
    body["email"] = json!("person1@mail.example");
    body["firstName"] = json!("Jone1");
    onboard(&acme.live, &body).await.expect(201);
}

#[tokio::test]
async fn who_is_not_there_is_not_found() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let full = async |id: &str| acme.live.get(&format!("/tenant/customer/customer-full-details/{id}")).await;
    let pii = async |id: &str| acme.live.get(&format!("/tenant/customer/pii-customer-details/{id}")).await;
    let nobody = Uuid::now_v7().to_string();
    assert_snapshot!(full(&nobody).await, @r#"404 {"errors":[{"message":"No data found for tenant","type":"No data found"}]}"#);
    assert_snapshot!(pii(&nobody).await, @r#"404 {"errors":[{"message":"Please provide valid tenant id","type":"No data found"}]}"#);
    accepted(&acme, badge, 1).await;
    assert_snapshot!(full(&nobody).await, @r#"404 {"errors":[{"message":"There is no such customer account in the given tenant id","type":"No data available"}]}"#);
    assert_snapshot!(pii(&nobody).await, @r#"404 {"errors":[{"message":"There is no such customer account in the given tenant id","type":"No data available"}]}"#);
    assert_snapshot!(pii("x").await, @r#"400 {"errors":[{"message":"Please provide valid customer id","type":"Invalid UUID"}]}"#);
    assert_eq!(full("x").await.status, 404);
}
