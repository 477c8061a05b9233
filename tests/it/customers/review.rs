//! What operators decide: compliance checks that nobody else ends, and what a tenant may do with customers.

use insta::assert_snapshot;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{acme, details, id_of, onboard, person, until_compliance_is};
use crate::harness::actor::Answer;
use crate::harness::app::TestApp;
use crate::harness::tenant::TestTenant;

/// A server where nobody looks at live customers.
async fn where_nobody_looks() -> TestApp {
    TestApp::with(|variables| drop(variables.remove("COMPLIANCE_PROVIDER"))).await
}

fn path(tenant: &TestTenant) -> String {
    format!("/admin/tenants/{}/compliance-checks", tenant.id)
}

async fn open(app: &TestApp, tenant: &TestTenant) -> Vec<Value> {
    app.operator().get(&path(tenant)).await.expect(200).json["data"].as_array().unwrap().clone()
}

async fn end(app: &TestApp, tenant: &TestTenant, check: &str, outcome: &str) -> Answer {
    let body = json!({"outcome": outcome, "reason": "seen by Zanzibarina at the branch", "code": "b01"});
    app.operator().post(&format!("{}/{check}", path(tenant)), body).await
}

#[tokio::test]
async fn an_operator_ends_checks_that_nobody_else_will() {
    let app = where_nobody_looks().await;
    let (acme, badge) = acme(&app).await;
    let jane = id_of(&onboard(&acme.live, &person(&acme, badge, 1)).await.expect(201));
    let john = id_of(&onboard(&acme.live, &person(&acme, badge, 2)).await.expect(201));
    let listed = app.operator().get(&format!("{}?limit=1", path(&acme))).await.expect(200);
    assert_snapshot!(listed.redacted(), @r#"200 {"data":[{"id":"[uuid]","customer_id":"[uuid]","mode":"live","state":"waiting","created_at":"[time]","asked_at":null}],"next_cursor":"[cursor]"}"#);
    let checks = open(&app, &acme).await;
    assert_eq!((checks[0]["customer_id"].clone(), checks[1]["customer_id"].clone()), (json!(john), json!(jane)));
    let [of_john, of_jane] = [0, 1].map(|index| checks[index]["id"].as_str().unwrap().to_owned());

    let ended = end(&app, &acme, &of_jane, "accepted").await;
    assert_snapshot!(ended.redacted(), @r#"200 {"id":"[uuid]","customer_id":"[uuid]","outcome":"accepted"}"#);
    let told = details(&acme.live, jane).await;
    assert_eq!(["complianceStatus", "accountStatus"].map(|status| told[status].clone()), ["ACCEPTED", "ACTIVE"]);
    end(&app, &acme, &of_john, "rejected").await.expect(200);
    let told = details(&acme.live, john).await;
    assert_eq!(["complianceStatus", "accountStatus"].map(|status| told[status].clone()), ["REJECTED", "INACTIVE"]);
    let pii = async |id: Uuid| {
        let answer = acme.live.get(&format!("/tenant/customer/pii-customer-details/{id}")).await.expect(200);
        answer.json["data"].clone()
    };
    let rejected = pii(john).await;
    assert_eq!(
        (&rejected["denialCode"], &rejected["denialReason"]),
        (&json!("b01"), &json!("seen by Zanzibarina at the branch"))
    );
    // Nobody was shown any paper.
    assert_eq!(pii(jane).await["govtIdVerification"], "Not Verified");

    // Once, and for good; who said so is written down, and why under the customer's key.
    end(&app, &acme, &of_jane, "rejected").await.expect(404);
    assert_eq!(open(&app, &acme).await, Vec::<Value>::new());
    let noted: i64 = sqlx::query_scalar(
        "select count(*) from compliance_check where ended_by = 'operator' and decision_sealed is not null",
    )
    .fetch_one(&mut app.sql().await)
    .await
    .unwrap();
    assert_eq!(noted, 2);
    let dump = crate::secrets::dump(&mut app.sql().await).await;
    assert!(!dump.contains("Zanzibarina"));
}

#[tokio::test]
async fn only_an_operator_ends_a_check_and_only_one_of_the_tenants() {
    let app = where_nobody_looks().await;
    let (acme, badge) = acme(&app).await;
    let globex = app.tenant("globex").await;
    let customer = id_of(&onboard(&acme.live, &person(&acme, badge, 1)).await.expect(201));
    let check = open(&app, &acme).await[0]["id"].as_str().unwrap().to_owned();
    end(&app, &globex, &check, "accepted").await.expect(404);
    end(&app, &acme, "x", "accepted").await.expect(404);
    end(&app, &acme, &globex.id.to_string(), "accepted").await.expect(404);
    end(&app, &acme, &check, "perhaps").await.expect(400);
    app.operator().get("/admin/tenants/x/compliance-checks").await.expect(404);
    let body = json!({"outcome": "accepted", "reason": "r"});
    for caller in [&acme.live, &acme.dashboard] {
        caller.post(&format!("{}/{check}", path(&acme)), body.clone()).await.expect(401);
        caller.get(&path(&acme)).await.expect(401);
    }
    assert_eq!(details(&acme.live, customer).await["complianceStatus"], "PENDING");
}

#[tokio::test]
async fn a_review_that_an_operator_has_ended_is_not_reopened_by_the_provider() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let mut body = person(&acme, badge, 1);
    body["lastName"] = json!("Review");
    let customer = id_of(&onboard(&acme.live, &body).await.expect(201));
    until_compliance_is(&acme.live, customer, "REVIEW").await;
    let check = open(&app, &acme).await[0]["id"].as_str().unwrap().to_owned();
    end(&app, &acme, &check, "rejected").await.expect(200);
    app.app.clock.move_by(chrono::TimeDelta::minutes(2));
    // Somebody else's review is asked about meanwhile, and ends.
    let mut other = person(&acme, badge, 2);
    other["lastName"] = json!("Review");
    let other = id_of(&onboard(&acme.live, &other).await.expect(201));
    until_compliance_is(&acme.live, other, "REVIEW").await;
    app.app.clock.move_by(chrono::TimeDelta::minutes(2));
    until_compliance_is(&acme.live, other, "ACCEPTED").await;
    assert_eq!(details(&acme.live, customer).await["complianceStatus"], "REJECTED");
}

#[tokio::test]
async fn an_operator_says_whether_a_tenant_onboards_customers_and_gives_them_more_wallets() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let globex = app.tenant("globex").await;
    let policy = format!("/admin/tenants/{}/customer-policy", acme.id);
    let says = async |onboarding: bool, multi_wallet: bool| {
        let body = json!({"onboarding": onboarding, "multi_wallet": multi_wallet});
        app.operator().post(&policy, body).await.expect(200)
    };
    let customer = id_of(&onboard(&acme.live, &person(&acme, badge, 1)).await.expect(201));
    let said = says(false, false).await;
    assert_snapshot!(said, @r#"200 {"onboarding":false,"multi_wallet":false}"#);
    for caller in [&acme.live, &acme.test] {
        // Nor does a tenant who may onboard nobody learn who is known already.
        for index in [1, 2] {
            let blocked = onboard(caller, &person(&acme, badge, index)).await;
            insta::allow_duplicates! { assert_snapshot!(blocked, @r#"400 {"errors":[{"message":"Tenant's account has been blocked. You will be not able to onboard any user. Please get in touch with support team","type":"Tenant"}]}"#); }
        }
    }
    let wallet = super::wallets::wallet(&acme, customer, 1);
    let disabled = acme.live.post("/tenant/customer/add-wallet", wallet.clone()).await;
    assert_snapshot!(disabled, @r#"400 {"errors":[{"message":"Multi wallet feature has been disabled by acme","type":"Add Wallet "}]}"#);
    // Whoever is a customer stays one, and other tenants know nothing of it.
    details(&acme.live, customer).await;
    let of_globex = super::badge(&app, &globex, "Bronzeone").await;
    onboard(&globex.live, &person(&globex, of_globex, 7)).await.expect(201);

    says(true, false).await;
    onboard(&acme.live, &person(&acme, badge, 2)).await.expect(201);
    says(true, true).await;
    acme.live.post("/tenant/customer/add-wallet", wallet).await.expect(201);
    app.operator()
        .post("/admin/tenants/x/customer-policy", json!({"onboarding": true, "multi_wallet": true}))
        .await
        .expect(404);
    acme.dashboard.post(&policy, json!({"onboarding": true, "multi_wallet": true})).await.expect(401);
}
