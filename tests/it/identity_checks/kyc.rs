//! What a check says of a customer, and what rules make of it.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{about, begun, signed_in, validate};
use crate::customers::{accepted, acme, details, update_of};
use crate::harness::actor::Actor;
use crate::harness::app::TestApp;
use crate::harness::tenant::{TestTenant, fund_body, phone};

/// Customer 1 of the tenant: Jone1 Doe, born on the 2nd of February 1997.
async fn jone(app: &TestApp, tenant: &TestTenant, badge: Uuid) -> (Uuid, Actor) {
    let customer = accepted(tenant, badge, 1).await;
    (customer, signed_in(app, &format!("0x{:040x}", 1)))
}

fn told(number: &str, born: &str) -> Value {
    let mut body = about(number);
    body["dob"] = json!(born);
    body
}

async fn kyc(tenant: &TestTenant, customer: Uuid) -> Value {
    details(&tenant.live, customer).await["kycStatus"].clone()
}

async fn history(tenant: &TestTenant, customer: Uuid) -> Vec<Value> {
    let pii = tenant.live.get(&format!("/tenant/customer/pii-customer-details/{customer}")).await.expect(200);
    pii.json["data"]["historyData"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_customer_whose_words_agree_is_known_from_then_on_and_rules_see_it() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    acme.top_up("USDC", "100").await;
    let (customer, jone) = jone(&app, &acme, badge).await;
    acme.customer(&phone(1)).await;
    let badges = app.badges_of(&acme);
    let plain = badges.plain("Plain").await;
    badges.assign(&plain, customer).await;
    badges.rule(&plain, r#"kyc == "ACCEPTED" || amount <= tokens("5")"#, "ULDT2005").await;
    acme.live.post("/v1/users/fund", fund_body(&phone(1), "dep-1", "6")).await.expect(403);
    assert_eq!(kyc(&acme, customer).await, "PENDING");

    let check = begun(&jone, told(&phone(1), "02-02-1997")).await;
    validate(&jone, &check, "jone1-DOE").await.expect(202);
    assert_eq!(kyc(&acme, customer).await, "ACCEPTED");
    acme.live.post("/v1/users/fund", fund_body(&phone(1), "dep-2", "6")).await.expect(202);

    let history = history(&acme, customer).await;
    assert_eq!(history.len(), 1, "{history:?}");
    let (old, new) = (&history[0]["oldDetails"], &history[0]["newDetails"]);
    assert_eq!((&old["kycStatus"], &new["kycStatus"]), (&json!("PENDING"), &json!("ACCEPTED")));
    assert_eq!(history[0]["updatedBy"], "identity check");

    // Proven twice it is known once.
    let check = begun(&jone, told(&phone(1), "1997-02-02")).await;
    validate(&jone, &check, "Jone1-Doe").await.expect(202);
    assert_eq!(self::history(&acme, customer).await.len(), 1);
}

#[tokio::test]
async fn a_back_end_may_have_a_customer_known_by_number_and_a_device_may_not() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let (customer, _) = jone(&app, &acme, badge).await;
    let device = crate::sign_in::device(&app, &acme, "phone-1").await;
    for (caller, known) in [(&device, "PENDING"), (&acme.test, "PENDING"), (&acme.live, "ACCEPTED")] {
        let check = begun(caller, told(&phone(1), "1997-02-02")).await;
        validate(caller, &check, "Jone1-Doe").await.expect(202);
        assert_eq!(kyc(&acme, customer).await, known);
    }
}

#[tokio::test]
async fn who_is_somebody_else_or_trusted_too_little_stays_as_they_were() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let (customer, jone) = jone(&app, &acme, badge).await;
    for (number, born, fingerprint) in [
        (phone(1), "1997-02-02", "Jone2-Doe"),
        (phone(1), "1997-02-02", "Jone1-Doe-629"),
        (phone(1), "1997-02-03", "Jone1-Doe"),
        (phone(2), "1997-02-02", "Jone1-Doe"),
    ] {
        let check = begun(&jone, told(&number, born)).await;
        validate(&jone, &check, fingerprint).await.expect(202);
        assert_eq!(kyc(&acme, customer).await, "PENDING", "{number} {born} {fingerprint}");
    }
    assert!(history(&acme, customer).await.is_empty());
    let check = begun(&jone, told(&phone(1), "1997-02-02")).await;
    validate(&jone, &check, "Jone1-Doe-630").await.expect(202);
    assert_eq!(kyc(&acme, customer).await, "ACCEPTED");
}

#[tokio::test]
async fn who_becomes_somebody_else_has_to_be_known_again() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let (customer, jone) = jone(&app, &acme, badge).await;
    let check = begun(&jone, told(&phone(1), "1997-02-02")).await;
    validate(&jone, &check, "Jone1-Doe").await.expect(202);
    let mut update = update_of(&acme, badge, customer, 1);
    (update["firstName"], update["lastName"], update["fullName"]) = (json!("Jone1"), json!("Doe"), json!("Jone Doe"));
    for field in ["dateOfBirth", "ssn", "tin", "stateLicenseId"] {
        update.as_object_mut().unwrap().remove(field);
    }
    update["occupation"] = json!("Engineer");
    acme.live.post("/tenant/customer/update", update.clone()).await.expect(202);
    assert_eq!(kyc(&acme, customer).await, "ACCEPTED", "the same person");
    update["lastName"] = json!("Smith");
    acme.live.post("/tenant/customer/update", update).await.expect(202);
    assert_eq!(kyc(&acme, customer).await, "PENDING");
    let history = history(&acme, customer).await;
    assert_eq!(
        (&history[0]["oldDetails"]["kycStatus"], &history[0]["newDetails"]["kycStatus"]),
        (&json!("ACCEPTED"), &json!("PENDING"))
    );
    assert_eq!(history[0]["updatedBy"], "live");
}

#[tokio::test]
async fn a_forgotten_customers_checks_are_gone_with_their_keys() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let (customer, jone) = jone(&app, &acme, badge).await;
    let keyed = jone.with("idempotency-key", "once");
    let (check, open) = (begun(&jone, told(&phone(1), "1997-02-02")).await, begun(&acme.live, about(&phone(1))).await);
    validate(&keyed, &check, "Jone1-Doe").await.expect(202);
    let forget = format!("/tenant/customer/forget/{customer}");
    let (forgotten, raced) = tokio::join!(acme.live.delete(&forget), validate(&acme.live, &open, "Jone1-Doe"));
    forgotten.expect(200);
    assert!(matches!(raced.status, 202 | 400), "{raced}");
    let left: i64 =
        sqlx::query_scalar("select count(*) from identity_check").fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(left, 0);
    assert_eq!(validate(&keyed, &check, "Jone1-Doe").await.status, 401, "nobody knows the wallet");
    validate(&acme.live, &open, "Jone1-Doe").await.expect(400);
}

#[tokio::test]
async fn forgetting_takes_the_checks_of_the_number_whoever_began_them_and_before_anybody_was_a_customer() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let device = crate::sign_in::device(&app, &acme, "phone-1").await;
    let mut checks = Vec::new();
    for caller in [&acme.live, &acme.test, &device] {
        for number in [phone(1), phone(2)] {
            let check = begun(caller, told(&number, "1997-02-02")).await;
            validate(caller, &check, "Jone1-Doe").await.expect(202);
            checks.push((caller, number, check));
        }
    }
    let (customer, _) = jone(&app, &acme, badge).await;
    acme.live.delete(&format!("/tenant/customer/forget/{customer}")).await.expect(200);
    for (caller, number, check) in &checks {
        let is_gone = *number == phone(1) && !std::ptr::eq(*caller, &acme.test);
        let again = validate(caller, check, "Jone1-Doe").await;
        assert_eq!(again.status, if is_gone { 400 } else { 202 }, "{number} {again}");
    }
    let left: i64 =
        sqlx::query_scalar("select count(*) from identity_check").fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(left, 4);
}
