//! What is remembered of a customer's names and numbers, and for how many changes.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{accepted, acme, badge as new_badge, details, update_of};
use crate::harness::app::TestApp;
use crate::harness::tenant::{TestTenant, phone};

async fn pii(tenant: &TestTenant, customer: Uuid) -> Value {
    let answer = tenant.live.get(&format!("/tenant/customer/pii-customer-details/{customer}")).await.expect(200);
    answer.json["data"].clone()
}

async fn history(tenant: &TestTenant, customer: Uuid) -> Vec<Value> {
    pii(tenant, customer).await["historyData"].as_array().unwrap().clone()
}

fn both(change: &Value, field: &str) -> (Value, Value) {
    (change["oldDetails"][field].clone(), change["newDetails"][field].clone())
}

fn custom(change: &Value) -> [&str; 2] {
    ["oldDetails", "newDetails"].map(|side| change[side]["customNamespace"].as_str().unwrap())
}

#[tokio::test]
async fn every_change_tells_what_names_were_then() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    let mut update = update_of(&acme, badge, customer, 1);
    update["firstName"] = json!("Amber");
    update["reRunComplianceCheck"] = json!(false);
    acme.live.post("/tenant/customer/update", update).await.expect(202);
    let name = json!({"customNamespace": "amber.eth"});
    for _ in 0..2 {
        // The second time nothing changes.
        acme.live.put(&format!("/tenant/customer/{customer}"), name.clone()).await.expect(200);
    }
    let wallet = super::wallets::wallet(&acme, customer, 1);
    acme.live.post("/tenant/customer/add-wallet", wallet).await.expect(201);
    for _ in 0..2 {
        let path = "/tenant/customer/primary-wallet/acme.second1.ul/true";
        acme.live.put(path, json!({})).await.expect(200);
    }

    let history = history(&acme, customer).await;
    let names: Vec<[&str; 2]> = history.iter().map(custom).collect();
    assert_eq!(
        names,
        [
            ["amber.eth", "second1.eth"],
            ["amber.eth", "amber.eth"],
            ["person-1.eth", "amber.eth"],
            ["person-1.eth", "person-1.eth"],
        ]
    );
    assert_eq!(both(&history[3], "firstName"), (json!("Jone1"), json!("Amber")));
    assert_eq!(both(&history[0], "firstName"), (json!("Amber"), json!("Amber")));
    let wallets = |side: &str| history[1][side]["namespaces"].as_array().unwrap().len();
    assert_eq!((wallets("oldDetails"), wallets("newDetails")), (1, 2));
    assert_eq!(history[0]["newDetails"]["namespaces"][1]["isPrimary"], true);
    assert!(history.iter().all(|change| change["updatedBy"] == "live"));
}

#[tokio::test]
async fn a_number_that_moves_leaves_its_trace_however_it_moves() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    acme.customer(&phone(1)).await;
    let customer = accepted(&acme, badge, 1).await;
    let body = json!({"old_phone_number": phone(1), "new_phone_number": phone(7)});
    acme.live.post("/v1/users/update-phone", body).await.expect(200);
    let listed = acme.dashboard.get("/v1/dashboard/users").await.expect(200);
    let reference = listed.json["data"][0]["blind_index"].as_str().unwrap().to_owned();
    let path = format!("/v1/dashboard/users/{reference}/update-phone");
    acme.dashboard.post(&path, json!({"new_phone_number": phone(8)})).await.expect(200);
    // What fails leaves none.
    acme.customer(&phone(9)).await;
    let body = json!({"old_phone_number": phone(8), "new_phone_number": phone(9)});
    acme.live.post("/v1/users/update-phone", body).await.expect(409);

    let history = history(&acme, customer).await;
    let moves: Vec<_> = history.iter().map(|change| both(change, "phoneNumber")).collect();
    assert_eq!(moves, [(json!(phone(7)), json!(phone(8))), (json!(phone(1)), json!(phone(7)))]);
    assert_eq!((&history[0]["updatedBy"], &history[1]["updatedBy"]), (&json!("test"), &json!("live")));
    assert_eq!(details(&acme.live, customer).await["phoneNumber"], phone(8));
}

#[tokio::test]
async fn what_is_verified_is_what_was_shown_and_has_not_changed() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let silver = new_badge(&app, &acme, "Silverone").await;
    let customer = accepted(&acme, badge, 1).await;
    let flags = async || {
        let pii = pii(&acme, customer).await;
        ["govtIdVerification", "poaVerificationStatus", "ssnVerificationStatus", "bankVerificationStatus"]
            .map(|flag| pii[flag] == "Verified")
    };
    assert_eq!(flags().await, [true, true, true, false]);
    let mut update = update_of(&acme, silver, customer, 1);
    update["reRunComplianceCheck"] = json!(false);
    for same in ["governmentDocuments", "proofOfAddress"] {
        update.as_object_mut().unwrap().remove(same);
    }
    acme.live.post("/tenant/customer/update", update.clone()).await.expect(202);
    assert_eq!(flags().await, [true, true, true, false], "nothing of it has changed");
    update["ssn"] = json!("another");
    acme.live.post("/tenant/customer/update", update.clone()).await.expect(202);
    assert_eq!(flags().await, [true, true, false, false]);
    let documented = update_of(&acme, silver, customer, 1);
    update["governmentDocuments"] = documented["governmentDocuments"].clone();
    acme.live.post("/tenant/customer/update", update.clone()).await.expect(202);
    assert_eq!(flags().await, [false, true, false, false], "a paper that nobody has seen");
    // Shown to whoever looks again, all of it is.
    update["reRunComplianceCheck"] = json!(true);
    acme.live.post("/tenant/customer/update", update).await.expect(202);
    super::until_compliance_is(&acme.live, customer, "ACCEPTED").await;
    assert_eq!(flags().await, [true, true, true, false]);
}

#[tokio::test]
async fn the_whole_history_is_told_of_page_by_page() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    let mut update = update_of(&acme, badge, customer, 1);
    (update["firstName"], update["reRunComplianceCheck"]) = (json!("Amber"), json!(false));
    acme.live.post("/tenant/customer/update", update.clone()).await.expect(202);
    acme.live.put(&format!("/tenant/customer/{customer}"), json!({"customNamespace": "a.eth"})).await.expect(200);
    // The change of the name once more, a hundred and twenty times.
    sqlx::query(
        "insert into customer_change (tenant_id, id, customer_id, mode, old_sealed, new_sealed, key_id, created_at)
        select tenant_id, ('ffffffff-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, customer_id, mode, old_sealed,
            new_sealed, key_id, created_at
        from customer_change, generate_series(1, 120) n where id = (select max(id::text)::uuid from customer_change)",
    )
    .execute(&mut app.sql().await)
    .await
    .unwrap();
    let first = pii(&acme, customer).await;
    assert_eq!(first["historyData"].as_array().unwrap().len(), 100);
    let cursor = first["nextCursor"].as_str().unwrap();
    let path = format!("/tenant/customer/pii-customer-details/{customer}?cursor=");
    let rest = acme.live.get(&format!("{path}{cursor}")).await.expect(200).json["data"].clone();
    let changes = rest["historyData"].as_array().unwrap();
    assert_eq!((changes.len(), &rest["nextCursor"]), (22, &Value::Null));
    assert!(changes[..21].iter().all(|change| custom(change) == ["person-1.eth", "a.eth"]));
    assert!(changes[..21].iter().all(|change| both(change, "firstName") == (json!("Amber"), json!("Amber"))));
    assert_eq!(both(&changes[21], "firstName"), (json!("Jone1"), json!("Amber")));
    assert_eq!(custom(&changes[21]), ["person-1.eth", "person-1.eth"]);
    acme.live.get(&format!("{path}x")).await.expect(400);

    // Of what is large fewer changes fit an answer, and none is left out.
    let customer = accepted(&acme, badge, 2).await;
    let mut update = update_of(&acme, badge, customer, 2);
    update["reRunComplianceCheck"] = json!(false);
    for turn in 0..24 {
        update["others"] = (0..90).map(|index| (format!("k{index}"), json!(format!("{turn:2000}")))).collect();
        acme.live.post("/tenant/customer/update", update.clone()).await.expect(202);
    }
    let path = format!("/tenant/customer/pii-customer-details/{customer}");
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let answer = acme.live.get(&format!("{path}{next}")).await.expect(200);
        assert!(answer.text.len() < 6 << 20, "{}", answer.text.len());
        let data = &answer.json["data"];
        let times = data["historyData"].as_array().unwrap().iter().map(|change| change["createdAt"].clone());
        seen.extend(times.map(|at| serde_json::from_value::<DateTime<Utc>>(at).unwrap()));
        let Some(cursor) = data["nextCursor"].as_str() else { break };
        next = format!("?cursor={cursor}");
    }
    let newest_first = seen.is_sorted_by(|newer, older| newer > older);
    assert!(seen.len() == 24 && newest_first && !next.is_empty(), "{seen:?}");
}

#[tokio::test]
async fn what_is_kept_of_a_change_is_what_differs() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let mut body = super::person(&acme, badge, 1);
    body["customerMetaData"] = (0..90).map(|index| (format!("k{index}"), json!("x".repeat(2_000)))).collect();
    let customer = super::id_of(&super::onboard(&acme.live, &body).await.expect(201));
    super::until_compliance_is(&acme.live, customer, "ACCEPTED").await;
    acme.live.put(&format!("/tenant/customer/{customer}"), json!({"customNamespace": "a.eth"})).await.expect(200);
    let mut update = update_of(&acme, badge, customer, 1);
    update.as_object_mut().unwrap().retain(|field, _| super::REQUIRED_AGAIN.contains(&field.as_str()));
    update["occupation"] = json!("Baker");
    acme.live.post("/tenant/customer/update", update).await.expect(202);
    let largest: i32 =
        sqlx::query_scalar("select max(octet_length(old_sealed) + octet_length(new_sealed)) from customer_change")
            .fetch_one(&mut app.sql().await)
            .await
            .unwrap();
    assert!(largest < 10_000, "{largest}");
    let changes = history(&acme, customer).await;
    assert_eq!(both(&changes[0], "occupation").1, "Baker");
    // What did not change is told on both sides.
    for (old, new) in [both(&changes[0], "customerMetaData"), both(&changes[1], "customerMetaData")] {
        assert_eq!((&old, &new), (&body["customerMetaData"], &body["customerMetaData"]));
    }
}
