//! The documented examples, as they stand, and the documented answers key for key.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{accepted, acme, example, id_of, onboard, until_compliance_is};
use crate::harness::app::TestApp;

fn documented(name: &str) -> Value {
    serde_json::from_str::<Value>(include_str!("examples.json")).unwrap()[name].clone()
}

/// The paths of all keys, of lists those of the first item; what lies in what a customer told freely is not looked at.
fn keys(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect("", value, &mut found);
    found
}

fn collect(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    if ["/address", "/tax", "/latLong", "Details/", "/gidAddress"].iter().any(|told| path.contains(told)) {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                found.insert(format!("{path}/{name}"));
                collect(&format!("{path}/{name}"), field, found);
            }
        }
        Value::Array(items) => {
            if let Some(first) = items.first() {
                collect(path, first, found);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn the_documented_onboarding_is_accepted_and_answered_key_for_key() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let body = example("onboard", &acme, badge);
    let answer = onboard(&acme.live, &body).await.expect(201);
    assert_eq!(keys(&answer.json), keys(&documented("onboarded")), "{answer}");
    assert_eq!(answer.json["message"], format!("User has successfully onboarded with the badge Bronzeone [{badge}]."));
    let data = &answer.json["data"];
    for field in ["firstName", "middleName", "lastName", "dateOfBirth", "email", "phoneNumber", "address", "tax"] {
        assert_eq!(data[field], body[field], "{field}");
    }
    assert_eq!(data["gender"], "unknown");
    assert_eq!(data["complianceStatus"], "PENDING");
    assert_eq!(data["domainNamespace"], "acme.jonedoe.ul");
    assert_eq!(data["customerAccountCategory"], "Bronzeone");
    assert_eq!(data["assignedIdentificationBadge"], json!(badge));
    assert_eq!(data["tenantId"], json!(acme.id));
    assert_eq!(data["documents"].as_array().unwrap().len(), 3);
    // What was sent is not sent back: a paper is known by its id.
    assert!(!answer.text.contains("iVBOR"), "{answer}");
}

#[tokio::test]
async fn the_documented_update_wallet_and_name_are_accepted() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = id_of(&onboard(&acme.live, &example("onboard", &acme, badge)).await.expect(201));
    until_compliance_is(&acme.live, customer, "ACCEPTED").await;

    let mut update = example("update", &acme, badge);
    update["customerAccountId"] = json!(customer);
    let answer = acme.live.post("/tenant/customer/update", update).await.expect(202);
    assert_eq!(
        answer.json,
        json!({
            "type": "Success",
            "assignedIdentificationBadge": badge,
            "message": format!("User has successfully onboarded with the badge Bronzeone [{badge}]."),
        })
    );

    let name = documented("set_custom_namespace");
    acme.live.put(&format!("/tenant/customer/{customer}"), name).await.expect(200);

    let mut wallet = example("add_wallet", &acme, badge);
    wallet.as_object_mut().unwrap().remove("identificationBadgeId");
    wallet["customerAccountId"] = json!(customer);
    wallet["accountAddress"] = json!("0x00000000000000000000000000000000000000aa");
    // Only one of the two may be given, says the document whose example gives both.
    wallet.as_object_mut().unwrap().remove("businessUserId");
    let financial = super::wallets::financial_badge(&app, &acme).await;
    wallet["financialBadgeId"] = json!(financial);
    let answer = acme.live.post("/tenant/customer/add-wallet", wallet).await.expect(201);
    // The customer's first wallet has the name that this one's custom name suggests: the second gets a random one.
    let namespace = answer.json["data"]["namespace"].as_str().unwrap();
    assert!(namespace.starts_with("acme.") && namespace.ends_with(".ul") && namespace != "acme.jonedoe.ul");
    let expected = json!({
        "data": {"customerAccountId": customer, "namespace": namespace}, "message": "wallet added successfully",
    });
    assert_eq!(answer.json, expected);
}

#[tokio::test]
async fn the_details_are_answered_key_for_key() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 7).await;
    // An information badge, and a financial one that rules what the identification badge's customers move.
    let badges = app.badges_of(&acme);
    badges.assign(&badges.of_kind("Staff", "INFORMATION").await, customer).await;
    let ruling = badges.of_kind("LowIncome", "FINANCIAL").await;
    let link = json!({"token": "USDC", "financial_badge_id": ruling});
    let linked = badges.post(&format!("/{badge}/links"), link).await;
    assert!(matches!(linked.status, 200 | 201), "{linked}");
    let mut update = super::update_of(&acme, badge, customer, 7);
    (update["firstName"], update["remarks"]) = (json!("Jone7"), json!("Raising dispute"));
    update["reRunComplianceCheck"] = json!(false);
    acme.live.post("/tenant/customer/update", update).await.expect(202);
    let answer = acme.live.get(&format!("/tenant/customer/customer-full-details/{customer}")).await.expect(200);
    assert_eq!(keys(&answer.json), keys(&documented("details")), "{answer}");
    assert_eq!(answer.json["message"], "Customer details fetched successfully");
    let data = &answer.json["data"][0];
    let note = &data["tenant_customer_notes"][0];
    assert_eq!((&note["comment"], &note["createdBy"]), (&json!("Raising dispute"), &json!("live")));
    assert_eq!(data["firstName"], "Jone7");
    assert_eq!(data["taxIdNumber"], "134567890");
    assert_eq!(data["customNamespace"], "person-7.eth");
    assert_eq!(data["namespaceProvider"], "ens");
    assert_eq!(data["domainNamespace"], "acme.person-7.ul");
    assert_eq!(data["tenantName"], "acme");
    assert_eq!(
        [&data["kycStatus"], &data["fundingStatus"], &data["complianceStatus"], &data["accountStatus"]],
        ["PENDING", "ACCEPTED", "ACCEPTED", "ACTIVE"]
    );
    assert_eq!(data["documents"].as_array().unwrap().len(), 4);
    assert_eq!(data["wallets"][0]["isPrimary"], true);
}

#[tokio::test]
async fn the_pii_and_its_history_are_answered_key_for_key() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 8).await;
    let mut update = super::update_of(&acme, badge, customer, 8);
    update["firstName"] = json!("Amber");
    update["remarks"] = json!("Editing first name");
    acme.live.post("/tenant/customer/update", update).await.expect(202);

    let answer = acme.live.get(&format!("/tenant/customer/pii-customer-details/{customer}")).await.expect(200);
    // Beside what is documented, a change tells of the fields that the document's has none of.
    let known = |key: &String| {
        !key.starts_with("/data/historyData/oldDetails/") && !key.starts_with("/data/historyData/newDetails/")
    };
    let (wanted, found) = (keys(&documented("pii")), keys(&answer.json));
    let missing: Vec<_> = wanted.difference(&found).collect();
    assert!(missing.is_empty(), "{missing:?}: {answer}");
    assert_eq!(
        wanted.iter().filter(|key| known(key)).collect::<Vec<_>>(),
        found.iter().filter(|key| known(key)).collect::<Vec<_>>()
    );
    assert_eq!(answer.json["message"], documented("pii")["message"]);
    let data = &answer.json["data"];
    assert_eq!((&data["firstName"], &data["phone"]), (&json!("Amber"), &json!(crate::harness::tenant::phone(8))));
    assert_eq!(data["bankAccounts"][0]["bankAccountNumber"], "XXXXXX0412");
    let change = &data["historyData"][0];
    assert_eq!(
        (&change["oldDetails"]["firstName"], &change["newDetails"]["firstName"]),
        (&json!("Jone8"), &json!("Amber"))
    );
    assert_eq!(change["remarks"], "Editing first name");
    assert_eq!(change["updatedBy"], "live");
    assert!(change["createdAt"].as_str().unwrap().ends_with('Z'));
}
