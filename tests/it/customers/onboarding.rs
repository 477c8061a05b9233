//! `POST /tenant/customer`: who is let in, and what of a request is refused.

use insta::assert_snapshot;
use serde_json::json;

use super::at_once;
use super::{REQUIRED, accepted, acme, details, id_of, onboard, person, update_of};
use crate::harness::actor::Actor;
use crate::harness::app::TestApp;
use crate::harness::tenant::phone;

#[tokio::test]
async fn twenty_who_onboard_the_same_person_at_once_make_one() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let body = person(&acme, badge, 1);
    let answers = at_once(20, |_| {
        let (caller, body) = (acme.live.clone(), body.clone());
        async move { onboard(&caller, &body).await }
    })
    .await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 1);
    for answer in refused {
        assert_eq!((answer.status, &answer.json["errors"][0]["error_code"]), (400, &json!("ULOT0043")), "{answer}");
    }
    let customers: i64 =
        sqlx::query_scalar("select count(*) from customer_profile").fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(customers, 1);
}

#[tokio::test]
async fn an_idempotency_key_onboards_once_and_repeats_the_answer() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let keyed = acme.live.with("idempotency-key", "once");
    let body = person(&acme, badge, 1);
    let first = onboard(&keyed, &body).await.expect(201);
    let again = onboard(&keyed, &body).await.expect(201);
    assert_eq!((again.header("idempotency-replayed"), &again.text), ("true", &first.text));
    let answer = onboard(&keyed, &person(&acme, badge, 2)).await.expect(409);
    assert_eq!(answer.json["errors"][0]["type"], "Conflict", "{answer}");
    // Whatever has become of what was free then: a tenant has a root by the customer's name.
    let (keyed, mut body) = (acme.live.with("idempotency-key", "twice"), person(&acme, badge, 3));
    body["customNamespace"] = json!("newco.ul");
    let first = onboard(&keyed, &body).await.expect(201);
    app.tenant("newco").await;
    assert_eq!(onboard(&keyed, &body).await.expect(201).text, first.text);
    onboard(&acme.live, &person(&acme, badge, 3)).await.expect(400);
}

#[tokio::test]
async fn live_and_test_customers_know_nothing_of_each_other() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let body = person(&acme, badge, 1);
    let live = id_of(&onboard(&acme.live, &body).await.expect(201));
    let test = id_of(&onboard(&acme.test, &body).await.expect(201));
    for (caller, other) in [(&acme.test, live), (&acme.live, test)] {
        caller.get(&format!("/tenant/customer/customer-full-details/{other}")).await.expect(404);
        caller.get(&format!("/tenant/customer/pii-customer-details/{other}")).await.expect(404);
        caller.delete(&format!("/tenant/customer/forget/{other}")).await.expect(400);
        caller.post("/tenant/customer/update", update_of(&acme, badge, other, 1)).await.expect(400);
    }
}

#[tokio::test]
async fn a_customer_known_by_phone_number_is_onboarded_and_keeps_the_wallet() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let wallet = acme.customer(&phone(1)).await;
    let customer = accepted(&acme, badge, 1).await;
    let wallets = details(&acme.live, customer).await["wallets"].clone();
    assert_eq!(wallets.as_array().unwrap().len(), 2);
    assert_eq!(wallets[0]["accountAddress"], wallet.to_checksum(None));
    // Paying by phone number goes to the wallet that is ours, whichever is the primary one.
    let name = wallets[1]["domainNamespace"].as_str().unwrap();
    acme.live.put(&format!("/tenant/customer/primary-wallet/{name}/true"), json!({})).await.expect(200);
    let listed = acme.dashboard.get("/v1/dashboard/users").await.expect(200);
    assert_eq!(listed.json["data"][0]["wallet_address"], wallet.to_checksum(None));
    assert_eq!(acme.customer(&phone(1)).await, wallet);
    let balance = acme.live.get("/v1/users/balance?phone_number=%2B2250700000001").await.expect(200);
    assert_eq!(balance.json["wallet_address"], wallet.to_checksum(None));
}

#[tokio::test]
async fn an_onboarded_customer_is_provisioned_by_phone_number() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    acme.live.get("/v1/users/balance?phone_number=%2B2250700000001").await.expect(404);
    let answers = at_once(8, |_| {
        let caller = acme.live.clone();
        async move { caller.post("/v1/users/provision", json!({"phone_number": phone(1)})).await }
    })
    .await;
    let created = answers.iter().filter(|answer| answer.json["status"] == "CREATED").count();
    assert!(answers.iter().all(|answer| answer.status == 200) && created == 1, "{}", answers[0]);
    let wallets = details(&acme.live, customer).await["wallets"].clone();
    assert_eq!(wallets.as_array().unwrap().len(), 2);
    assert_eq!(wallets[1]["accountAddress"], answers[0].json["wallet_address"]);
    assert_eq!((&wallets[0]["isPrimary"], &wallets[1]["isPrimary"]), (&json!(true), &json!(false)));
}

#[tokio::test]
async fn what_has_to_be_told_is_told_in_the_documented_words() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let refused = async |field: &str, value: serde_json::Value| {
        let mut body = person(&acme, badge, 1);
        body[field] = value;
        onboard(&acme.live, &body).await.expect(400).text
    };
    let mut nameless = person(&acme, badge, 1);
    for name in ["firstName", "fullName"] {
        nameless.as_object_mut().unwrap().remove(name);
    }
    assert_snapshot!(onboard(&acme.live, &nameless).await, @r#"400 {"errors":[{"error_code":"ULOT0046","message":"Missing [first name and last name or full name] Unique Identification parameters in the onboarding request.","type":"Customer"}]}"#);
    assert_snapshot!(refused("address", json!({"isoCountryCode": "US", "state": "ZZ"})).await, @r#"{"errors":[{"message":"Please provide a valid ISO 3166-1 alpha-2 country and state code","type":"Onboard Customer"}]}"#);
    assert_snapshot!(refused("address", json!({"country": "USA"})).await, @r#"{"errors":[{"message":"Please provide a valid ISO 3166-1 alpha-2 country and state code","type":"Onboard Customer"}]}"#);
    assert_snapshot!(refused("governmentDocuments", json!([])).await, @r#"{"errors":[{"message":"There are no sufficient documents","type":"Documents"}]}"#);
    assert_snapshot!(refused("identificationBadgeId", json!("string")).await, @r#"{"errors":[{"error_code":"ULOT0047","message":"Unable to allocate badge to wallet user for onboarding request.","type":"Customer"}]}"#);
    assert_snapshot!(refused("identificationBadgeId", json!(acme.id)).await, @r#"{"errors":[{"error_code":"ULOT0047","message":"Unable to allocate badge to wallet user for onboarding request.","type":"Customer"}]}"#);
    assert_snapshot!(refused("dateOfBirth", json!("2020-01-01")).await, @r#"{"errors":[{"message":"dateOfBirth must be that of somebody who is 18 or older","type":"Validation"}]}"#);
    assert_snapshot!(refused("dateOfBirth", json!("31-02-1997")).await, @r#"{"errors":[{"message":"dateOfBirth must be a day, such as 1997-02-28 or 28-02-1997","type":"Validation"}]}"#);
    assert_snapshot!(refused("phoneNumber", json!("12345")).await, @r#"{"errors":[{"message":"phoneNumber must be a phone number in E.164 form, such as +2250700000001","type":"Validation"}]}"#);
    assert_snapshot!(refused("email", json!("nobody")).await, @r#"{"errors":[{"message":"email must be an e-mail address","type":"Validation"}]}"#);
    assert_snapshot!(refused("customNamespace", json!("jоnedoe")).await, @r#"{"errors":[{"message":"customNamespace mixes scripts, or looks like a name of another script","type":"Validation"}]}"#);
    assert_snapshot!(refused("accountAddress", json!("0x12")).await, @r#"{"errors":[{"message":"accountAddress must be an address of 0x and 40 hexadecimal digits","type":"Validation"}]}"#);
    let mut much = person(&acme, badge, 1);
    for field in ["customerMetaData", "others"] {
        much[field] = (0..99).map(|index| (format!("k{index}"), json!("x".repeat(2_000)))).collect();
    }
    assert_snapshot!(onboard(&acme.live, &much).await, @r#"400 {"errors":[{"message":"What is told, papers aside, must have at most 256 KiB","type":"Customer"}]}"#);
    // Nothing of all this was stored.
    onboard(&acme.live, &person(&acme, badge, 1)).await.expect(201);
    // Nor does anybody come to more by telling one thing after the other.
    let customer = accepted(&acme, badge, 2).await;
    let mut update = update_of(&acme, badge, customer, 2);
    update["others"] = much["others"].clone();
    acme.live.post("/tenant/customer/update", update.clone()).await.expect(202);
    update["customerMetaData"] = much["customerMetaData"].clone();
    let refused = acme.live.post("/tenant/customer/update", update).await.expect(400);
    assert_eq!(refused.entry()["type"], "Customer", "{refused}");
}

#[tokio::test]
async fn all_that_is_told_is_kept() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let body = super::everything(&acme, badge);
    let fields = body.as_object().unwrap();
    let customer = id_of(&onboard(&acme.live, &body).await.expect(201));
    super::until_compliance_is(&acme.live, customer, "ACCEPTED").await;
    acme.live.put(&format!("/tenant/customer/{customer}"), json!({"customNamespace": "other.eth"})).await.expect(200);
    let pii = acme.live.get(&format!("/tenant/customer/pii-customer-details/{customer}")).await.expect(200);
    let kept = &pii.json["data"]["historyData"][0]["oldDetails"];
    // What says how to go about it, and what is told in other words.
    let elsewhere = [
        "accountAddress",
        "identificationBadgeId",
        "provider",
        "reRunComplianceCheck",
        "remarks",
        "tenantId",
        "ulNamespace",
    ];
    let papers = ["governmentDocuments", "proofOfAddress", "passport", "selfieContent"];
    for (field, told) in fields {
        let kept = &kept[field];
        match &**field {
            "customerAccountId" => assert_eq!(kept, &json!(customer)),
            field if elsewhere.contains(&field) => {}
            field if papers.contains(&field) => assert!(!kept.is_null(), "{field}"),
            "maritalStatus" | "gender" => assert!(kept.is_string(), "{field}"),
            field => assert_eq!(kept, told, "{field}"),
        }
    }
    assert!(fields.len() >= 47, "{}", fields.len());
}

#[tokio::test]
async fn a_blank_text_tells_nothing() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let told = async |customer: uuid::Uuid| {
        let answer = acme.live.get(&format!("/tenant/customer/pii-customer-details/{customer}")).await.expect(200);
        answer.json["data"].clone()
    };
    let mut body = person(&acme, badge, 1);
    (body["ssn"], body["occupation"]) = (json!(" "), json!(""));
    let customer = id_of(&onboard(&acme.live, &body).await.expect(201));
    super::until_compliance_is(&acme.live, customer, "ACCEPTED").await;
    let pii = told(customer).await;
    assert_eq!((&pii["ssn"], &pii["ssnVerificationStatus"]), (&json!(null), &json!("Not Verified")));
    assert_eq!(pii["govtIdVerification"], "Verified");

    // And takes nothing back.
    let other = accepted(&acme, badge, 2).await;
    let before = told(other).await;
    let mut update = update_of(&acme, badge, other, 2);
    update.as_object_mut().unwrap().retain(|field, _| super::REQUIRED_AGAIN.contains(&field.as_str()));
    for field in ["ssn", "tin", "stateLicenseId", "occupation", "verifiedName", "firstName"] {
        update[field] = json!("");
    }
    acme.live.post("/tenant/customer/update", update.clone()).await.expect(202);
    let after = told(other).await;
    for field in ["ssn", "firstName", "gidName", "ssnVerificationStatus"] {
        assert_eq!(after[field], before[field], "{field}");
        assert!(!after[field].is_null(), "{field}");
    }
    // What has to be told has to be told in earnest.
    update["ip_address"] = json!(" ");
    acme.live.post("/tenant/customer/update", update).await.expect(400);
    let mut body = person(&acme, badge, 3);
    body["ip_address"] = json!("");
    let answer = onboard(&acme.live, &body).await.expect(400);
    assert_eq!(answer.entry()["message"], "ip_address is required");
}

#[tokio::test]
async fn every_required_field_is_required_and_every_other_one_is_not() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    for field in REQUIRED {
        let mut body = person(&acme, badge, 1);
        body.as_object_mut().unwrap().remove(field);
        let answer = onboard(&acme.live, &body).await.expect(400);
        assert_eq!(answer.json["errors"][0]["message"], format!("{field} is required"), "{answer}");
    }
    let mut least = person(&acme, badge, 1);
    least.as_object_mut().unwrap().retain(|name, _| REQUIRED.contains(&name.as_str()) || name == "fullName");
    let answer = onboard(&acme.live, &least).await.expect(201);
    let name = answer.json["data"]["domainNamespace"].as_str().unwrap();
    assert!(name.starts_with("acme.") && name.ends_with(".ul"), "{name}");
}

#[tokio::test]
async fn another_tenants_id_is_refused() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let globex = app.tenant("globex").await;
    let mut body = person(&acme, badge, 1);
    // One that is nobody's as well: nobody learns which tenants there are.
    for others in [globex.id.0, uuid::Uuid::now_v7()] {
        body["tenantId"] = json!(others);
        assert_eq!(onboard(&acme.live, &body).await.status, 403);
    }
    for none in ["", "acme", "e1e9adb4-d3bd-4ba5-98b8"] {
        body["tenantId"] = json!(none);
        let refused = onboard(&acme.live, &body).await;
        insta::allow_duplicates! { assert_snapshot!(refused, @r#"400 {"errors":[{"message":"Please provide valid tenant id","type":"catch"}]}"#); }
    }
    body["tenantId"] = json!(globex.id);
    let pair = [("tenant-id", &*globex.id.to_string()), ("api-key", &*acme.live_key)];
    assert_eq!(onboard(&Actor::new(&app.base_url, &pair), &body).await.status, 401);
}
