//! Being looked at: what comes of it, and what dies on the way.

use insta::assert_snapshot;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{accepted, acme, details, id_of, onboard, person, until_compliance_is, update_of};
use crate::harness::app::TestApp;
use crate::harness::tenant::TestTenant;

async fn called(tenant: &TestTenant, badge: Uuid, index: u32, name: &str) -> Uuid {
    let mut body = person(tenant, badge, index);
    body["lastName"] = json!(name);
    id_of(&onboard(&tenant.live, &body).await.expect(201))
}

fn standing(details: &Value) -> [&str; 3] {
    ["complianceStatus", "accountStatus", "fundingStatus"].map(|field| details[field].as_str().unwrap())
}

#[tokio::test]
async fn who_is_rejected_stays_out_and_learns_why() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = called(&acme, badge, 1, "Reject").await;
    let told = until_compliance_is(&acme.live, customer, "REJECTED").await;
    assert_eq!(standing(&told), ["REJECTED", "INACTIVE", "REJECTED"]);
    let pii = acme.live.get(&format!("/tenant/customer/pii-customer-details/{customer}")).await.expect(200);
    assert_eq!(pii.json["data"]["denialCode"], "S01");
    assert_eq!(pii.json["data"]["denialReason"], "Rejected by the simulator");
    assert_eq!(pii.json["data"]["govtIdVerification"], "Not Verified");
    let refused = acme.live.post("/tenant/customer/update", update_of(&acme, badge, customer, 1)).await;
    assert_snapshot!(refused, @r#"400 {"errors":[{"message":"Customer cannot able to upgrade while ONBOARDING status is REJECTED","type":"Upgrade"}]}"#);
}

#[tokio::test]
async fn a_review_takes_its_time_and_ends() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = called(&acme, badge, 1, "Review").await;
    let told = until_compliance_is(&acme.live, customer, "REVIEW").await;
    assert_eq!(standing(&told), ["REVIEW", "INACTIVE", "PENDING"]);
    let refused = acme.live.post("/tenant/customer/update", update_of(&acme, badge, customer, 1)).await;
    assert_snapshot!(refused, @r#"400 {"errors":[{"message":"Customer cannot able to upgrade while ONBOARDING status is PENDING","type":"Upgrade"}]}"#);
    app.app.clock.move_by(chrono::TimeDelta::minutes(2));
    let told = until_compliance_is(&acme.live, customer, "ACCEPTED").await;
    assert_eq!(standing(&told), ["ACCEPTED", "ACTIVE", "ACCEPTED"]);
}

#[tokio::test]
async fn a_review_goes_on_where_it_was_after_a_restart() {
    let mut app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = called(&acme, badge, 1, "Review").await;
    until_compliance_is(&acme.live, customer, "REVIEW").await;
    // The simulator forgets what it has seen; the check is submitted again under its id.
    app.restart().await;
    let live = acme.live.at(&app.base_url);
    app.app.clock.move_by(chrono::TimeDelta::minutes(2));
    crate::harness::until("it is asked about again", || async {
        let query = "select next_at > now() + interval '2 minutes' from compliance_check";
        let again: bool = sqlx::query_scalar(query).fetch_one(&mut app.sql().await).await.unwrap();
        again.then_some(())
    })
    .await;
    app.app.clock.move_by(chrono::TimeDelta::minutes(2));
    until_compliance_is(&live, customer, "ACCEPTED").await;
}

#[tokio::test]
async fn a_provider_that_does_not_answer_leaves_the_customer_pending_and_is_asked_again() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = called(&acme, badge, 1, "Unavailable").await;
    crate::harness::until("the job is tried twice", || async {
        let query = "select attempts from job where kind = 'check_compliance'";
        let attempts: i32 = sqlx::query_scalar(query).fetch_one(&mut app.sql().await).await.unwrap();
        (attempts >= 2).then_some(())
    })
    .await;
    assert_eq!(standing(&details(&acme.live, customer).await), ["PENDING", "INACTIVE", "PENDING"]);
}

#[tokio::test]
async fn who_is_looked_at_again_and_rejected_is_blocked_until_looked_at_once_more() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    let mut update = update_of(&acme, badge, customer, 1);
    update["lastName"] = json!("Reject");
    acme.live.post("/tenant/customer/update", update.clone()).await.expect(202);
    let told = until_compliance_is(&acme.live, customer, "REJECTED").await;
    assert_eq!(standing(&told), ["REJECTED", "BLOCKED", "REJECTED"]);

    update["reRunComplianceCheck"] = json!(false);
    update["lastName"] = json!("Doe");
    let refused = acme.live.post("/tenant/customer/update", update.clone()).await;
    assert_snapshot!(refused, @r#"400 {"errors":[{"message":"Compliance checks got failed","type":"Upgrade"}]}"#);
    update["reRunComplianceCheck"] = json!("true");
    acme.live.post("/tenant/customer/update", update).await.expect(202);
    let told = until_compliance_is(&acme.live, customer, "ACCEPTED").await;
    assert_eq!(standing(&told), ["ACCEPTED", "ACTIVE", "ACCEPTED"]);
}

#[tokio::test]
async fn nobody_is_accepted_where_nobody_looks() {
    let app = TestApp::with(|variables| drop(variables.remove("COMPLIANCE_PROVIDER"))).await;
    let (acme, badge) = acme(&app).await;
    let live = id_of(&onboard(&acme.live, &person(&acme, badge, 1)).await.expect(201));
    let test = id_of(&onboard(&acme.test, &person(&acme, badge, 1)).await.expect(201));
    until_compliance_is(&acme.test, test, "ACCEPTED").await;
    crate::harness::until("operators see it", || async {
        let query = "select last_error from job where kind = 'check_compliance' and last_error is not null";
        sqlx::query_scalar::<_, String>(query).fetch_optional(&mut app.sql().await).await.unwrap()
    })
    .await;
    assert_eq!(standing(&details(&acme.live, live).await), ["PENDING", "INACTIVE", "PENDING"]);
}

#[tokio::test]
async fn who_is_updated_while_somebody_looks_is_looked_at_as_they_are_now() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    let mut update = update_of(&acme, badge, customer, 1);
    update["lastName"] = json!("Review");
    acme.live.post("/tenant/customer/update", update.clone()).await.expect(202);
    until_compliance_is(&acme.live, customer, "REVIEW").await;
    // Whoever looks at the one is not to accept the other.
    update["reRunComplianceCheck"] = json!(false);
    update["lastName"] = json!("Reject");
    acme.live.post("/tenant/customer/update", update).await.expect(202);
    let told = until_compliance_is(&acme.live, customer, "REJECTED").await;
    assert_eq!(standing(&told), ["REJECTED", "BLOCKED", "REJECTED"]);
    // A review that somebody else is in ends meanwhile: the dropped one would have been asked about with it.
    let other = called(&acme, badge, 2, "Review").await;
    until_compliance_is(&acme.live, other, "REVIEW").await;
    app.app.clock.move_by(chrono::TimeDelta::minutes(2));
    until_compliance_is(&acme.live, other, "ACCEPTED").await;
    let states: Vec<String> =
        sqlx::query_scalar("select state from compliance_check where customer_id = $1 order by id")
            .bind(customer)
            .fetch_all(&mut app.sql().await)
            .await
            .unwrap();
    assert_eq!(states, ["accepted", "dropped", "rejected"]);
    assert_eq!(standing(&details(&acme.live, customer).await), ["REJECTED", "BLOCKED", "REJECTED"]);
}

#[tokio::test]
async fn who_moves_to_another_number_while_somebody_looks_is_looked_at_with_that_number() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    acme.customer(&crate::harness::tenant::phone(1)).await;
    let customer = called(&acme, badge, 1, "Review").await;
    until_compliance_is(&acme.live, customer, "REVIEW").await;
    let (old, new) = (crate::harness::tenant::phone(1), crate::harness::tenant::phone(7));
    let body = json!({"old_phone_number": old, "new_phone_number": new});
    acme.live.post("/v1/users/update-phone", body).await.expect(200);
    let states: Vec<String> = sqlx::query_scalar("select state from compliance_check order by id")
        .fetch_all(&mut app.sql().await)
        .await
        .unwrap();
    assert_eq!((states.len(), &*states[0]), (2, "dropped"));
}
