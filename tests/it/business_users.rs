//! Business users: `/tenant/business-user…`, and their wallets.

mod duplicates;
mod forgetting;
mod secrets;

use std::collections::BTreeSet;

use insta::{allow_duplicates, assert_snapshot};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::harness::tenant::TestTenant;
use crate::harness::until;

pub const ONBOARD: &str = "/tenant/business-user";

fn documented(name: &str) -> Value {
    serde_json::from_str::<Value>(include_str!("business_users/examples.json")).unwrap()[name].clone()
}

/// The documented request as it stands, but for the address, which is none, and the badge's id.
pub fn example(badge: Uuid) -> Value {
    let mut body = documented("onboard");
    body["accountAddress"] = json!("0x5179ba651a8ab0d2da5dc3e54ee6c8aa73272f5e");
    body["badgeId"] = json!(badge);
    body
}

/// The documented request as that of another business.
pub fn business(badge: Uuid, index: u32) -> Value {
    let mut body = example(badge);
    body["domain"] = json!(format!("domain-{index}"));
    body["businessUserName"] = json!(format!("Business {index}"));
    body["businessUserEmail"] = json!(format!("business{index}@mail.example"));
    body["customNamespace"] = json!(format!("business-{index}.eth"));
    body["accountAddress"] = json!(format!("0xbb{index:038x}"));
    body["controlPersons"]["emailAddress"] = json!(format!("boss{index}@mail.example"));
    body
}

/// Every field that there is.
pub fn everything(badge: Uuid) -> Value {
    let mut body = business(badge, 1);
    body["taxIdNumber"] = json!("122-22-2332");
    body
}

/// An identification badge for businesses.
pub async fn badge(app: &TestApp, tenant: &TestTenant) -> Uuid {
    let id = Uuid::now_v7();
    sqlx::query(
        "insert into badge (tenant_id, id, name, kind, user_group) values ($1, $2, 'Bizbronze', 'IDENTIFICATION', 'BUSINESS_USER')",
    )
    .bind(tenant.id.0)
    .bind(id)
    .execute(&mut app.sql().await)
    .await
    .unwrap();
    id
}

/// A tenant with a badge for businesses.
pub async fn acme(app: &TestApp) -> (TestTenant, Uuid) {
    let acme = app.tenant("acme").await;
    let badge = badge(app, &acme).await;
    (acme, badge)
}

pub async fn onboard(caller: &Actor, body: &Value) -> Answer {
    caller.post(ONBOARD, body.clone()).await
}

/// The id of a business that was onboarded.
pub fn id_of(answer: &Answer) -> Uuid {
    let id = answer.json["data"]["business_user_metadata"]["businessUserId"].as_str();
    id.unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
}

pub async fn details(caller: &Actor, business: Uuid) -> Value {
    caller.get(&format!("{ONBOARD}/{business}")).await.expect(200).json["data"].clone()
}

/// Waits until compliance says this of a business.
pub async fn until_compliance_is(caller: &Actor, business: Uuid, status: &str) -> Value {
    until(&format!("compliance is {status}"), || async {
        let details = details(caller, business).await;
        (details["complianceStatus"] == status).then_some(details)
    })
    .await
}

/// Whether the route can do without a field.
pub fn is_optional(path: &str, field: &str) -> bool {
    path == ONBOARD && matches!(field, "customNamespace" | "provider" | "businessEntityId" | "taxId" | "taxIdNumber")
}

/// The paths of all keys, of lists those of the first item; papers and people are told by the caller.
fn keys(value: &Value) -> BTreeSet<String> {
    fn collect(path: &str, value: &Value, found: &mut BTreeSet<String>) {
        let told = ["Docs", "Owners", "Persons", "signatories", "Address", "_address", "memoFields"];
        if told.iter().any(|told| path.ends_with(told)) && !path.contains("Details") {
            return;
        }
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    found.insert(format!("{path}/{name}"));
                    collect(&format!("{path}/{name}"), field, found);
                }
            }
            Value::Array(items) => items.iter().take(1).for_each(|item| collect(path, item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = BTreeSet::new();
    collect("", value, &mut found);
    found
}

#[tokio::test]
async fn the_documented_business_is_onboarded_and_told_of_key_for_key() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let answer = onboard(&acme.live, &example(badge)).await.expect(201);
    assert_eq!(keys(&answer.json), keys(&documented("onboarded")), "{answer}");
    assert_eq!(answer.json["message"], "Business user onboarded successfully");
    let data = &answer.json["data"];
    assert_eq!((&data["domain"], &data["business_user_name"]), (&json!("jonedoe"), &json!("Jone Doe")));
    assert_eq!(data["tenant_id"], json!(acme.id));
    let metadata = &data["business_user_metadata"];
    assert_eq!((&metadata["email"], &metadata["tax_id"]), (&json!("lorem@mygmail.com"), &json!("122-22-2332")));
    assert!(!answer.text.contains("iVBOR"), "{answer}");

    let business = id_of(&answer);
    let told = until_compliance_is(&acme.live, business, "ACCEPTED").await;
    // Told back beside what is documented: what onboarding takes since then.
    let more = ["businessEntityId", "clientToken", "governingDocuments", "proofOfAddress"];
    let is_more = |key: &String| more.iter().any(|field| key.starts_with(&format!("/business_user_metadata/{field}")));
    let found: BTreeSet<String> = keys(&told).into_iter().filter(|key| !is_more(key)).collect();
    assert_eq!(found, keys(&documented("details")["data"]), "{told}");
    let shown = acme.live.get(&format!("{ONBOARD}/{business}")).await.expect(200);
    assert_eq!(shown.json["message"], documented("details")["message"]);
    assert_eq!((&told["onboardingStatus"], &told["accountStatus"]), (&json!("ACCEPTED"), &json!("ACTIVE")));
    assert_eq!(told["businessUserId"], json!(business));
    let metadata = &told["business_user_metadata"];
    assert_eq!(metadata["businessEntityId"], "BE-10001");
    assert_eq!(metadata["controlPersons"]["emailAddress"], "test@test.com");
    let owner = &metadata["entityBeneficialOwners"][0];
    assert_eq!(owner["individualBeneficialOwners"][0]["taxIdNumber"], "122-22-2332");
    assert_eq!(owner["legalName"], Value::Null, "a placeholder says nothing");
    let documents = told["business_user_documents"].as_array().unwrap();
    assert_eq!(documents.len(), 23);
    let kinds: BTreeSet<&str> = documents.iter().map(|document| document["type"].as_str().unwrap()).collect();
    let expected = [
        "documents",
        "governingDocuments",
        "identification",
        "incorporationDocs",
        "jurisdictionDocs",
        "otherDocs",
        "proofOfAddress",
    ];
    assert_eq!(kinds, expected.into());
    let wallet = &told["walletBalanceDetails"];
    assert_eq!(
        (&wallet["domainNamespace"], &wallet["customNamespace"], &wallet["namespaceProvider"], &wallet["isPrimary"]),
        (&json!("acme.jonedoebusiness.ul"), &json!("jonedoebusiness"), &json!("ens"), &json!(true))
    );
    assert_eq!(wallet["balance"], json!({"balance": "0.000000", "name": "USDC", "symbol": "USDC"}));
}

#[tokio::test]
async fn the_example_of_the_document_before_is_accepted_too() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let mut body = documented("onboard_as_before_4_3_0");
    (body["accountAddress"], body["badgeId"]) = (example(badge)["accountAddress"].clone(), json!(badge));
    let answer = onboard(&acme.live, &body).await.expect(201);
    assert_eq!(answer.json["data"]["business_user_metadata"]["tax_id"], body["taxIdNumber"]);
    let told = details(&acme.live, id_of(&answer)).await;
    assert_eq!(told["business_user_metadata"]["controlPersons"]["emailAddress"], "test@test.com");
}

#[tokio::test]
async fn a_repetition_is_answered_whatever_has_become_of_what_was_free() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let (keyed, mut body) = (acme.live.with("idempotency-key", "once"), business(badge, 1));
    body["customNamespace"] = json!("newco.ul");
    let first = onboard(&keyed, &body).await.expect(201);
    // A tenant has a root by the name, which nobody else could onboard with any more.
    app.tenant("newco").await;
    assert_eq!(onboard(&keyed, &body).await.expect(201).text, first.text);
    (body["domain"], body["customNamespace"]) = (json!("other"), json!("newco.ul"));
    onboard(&acme.live, &body).await.expect(400);
}

#[tokio::test]
async fn where_nobody_may_be_onboarded_nobody_learns_who_is() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    onboard(&acme.live, &business(badge, 1)).await.expect(201);
    let policy = format!("/admin/tenants/{}/customer-policy", acme.id);
    app.operator().post(&policy, json!({"onboarding": false, "multi_wallet": true})).await.expect(200);
    for index in [1, 2] {
        let refused = onboard(&acme.live, &business(badge, index)).await.expect(400);
        assert_eq!(refused.entry()["type"], "Tenant", "{refused}");
    }
}

#[tokio::test]
async fn an_id_of_no_business_is_refused_in_the_documented_words() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let globex = app.tenant("globex").await;
    let business = id_of(&onboard(&acme.live, &example(badge)).await.expect(201));
    let people = crate::customers::badge(&app, &acme, "Bronzeone").await;
    let person = crate::customers::id_of(
        &crate::customers::onboard(&acme.live, &crate::customers::person(&acme, people, 1)).await.expect(201),
    );
    for (caller, id) in [
        (&acme.live, "Jone Doe".to_owned()),
        (&acme.live, Uuid::now_v7().to_string()),
        (&acme.live, person.to_string()),
        (&acme.test, business.to_string()),
        (&globex.live, business.to_string()),
    ] {
        let refused = caller.get(&format!("{ONBOARD}/{id}")).await;
        allow_duplicates! { assert_snapshot!(refused, @r#"400 {"errors":[{"message":"Please provide valid business user id","type":"catch"}]}"#); }
    }
    // A business is no person, either.
    for path in ["customer-full-details", "pii-customer-details"] {
        acme.live.get(&format!("/tenant/customer/{path}/{business}")).await.expect(404);
    }
    let update = crate::customers::update_of(&acme, people, business, 1);
    acme.live.post("/tenant/customer/update", update).await.expect(400);
    let listed = acme.dashboard.get("/v1/dashboard/users").await.expect(200);
    assert_eq!(listed.json["data"], json!([]));
}

#[tokio::test]
async fn compliance_decides_about_businesses_too() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let mut body = business(badge, 1);
    body["businessUserLegalName"] = json!("Reject Ltd");
    let rejected = id_of(&onboard(&acme.live, &body).await.expect(201));
    let told = until_compliance_is(&acme.live, rejected, "REJECTED").await;
    assert_eq!((&told["accountStatus"], &told["onboardingStatus"]), (&json!("INACTIVE"), &json!("REJECTED")));
    assert_eq!(told["dss_business_users"]["businessUserId"], json!(rejected));
}

#[tokio::test]
async fn a_business_has_wallets_of_its_own_and_a_person_others() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let people = crate::customers::badge(&app, &acme, "Bronzeone").await;
    let business = id_of(&onboard(&acme.live, &business(badge, 1)).await.expect(201));
    let person = crate::customers::accepted(&acme, people, 2).await;
    let add = async |fields: Value, index: u32| {
        let mut body = json!({
            "tenantId": acme.id, "customNamespace": format!("wallet-{index}.eth"), "provider": "ens",
            "accountAddress": format!("0xcc{index:038x}"),
        });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        acme.live.post("/tenant/customer/add-wallet", body).await
    };
    let added = add(json!({"businessUserId": business}), 1).await.expect(201);
    let expected = json!({
        "data": {"businessUserId": business, "namespace": "acme.wallet-1.ul"}, "message": "wallet added successfully",
    });
    assert_eq!(added.json, expected);
    add(json!({"customerAccountId": person}), 2).await.expect(201);
    for (fields, index) in [
        (json!({"businessUserId": person}), 3),
        (json!({"customerAccountId": business}), 4),
        (json!({"businessUserId": Uuid::now_v7()}), 5),
        (json!({"businessUserId": "x"}), 6),
    ] {
        let refused = add(fields, index).await;
        allow_duplicates! { assert_snapshot!(refused, @r#"400 {"errors":[{"message":"Wallet user details not found","type":"Add Wallet"}]}"#); }
    }
    let refused = add(json!({"businessUserId": business, "customerAccountId": person}), 7).await;
    assert_snapshot!(refused, @r#"400 {"errors":[{"message":"businessUserId must not be given together with customerAccountId","type":"Validation"}]}"#);
    // Nobody is shown what a business's names were, and nothing is kept of it.
    let changes = async |of: Uuid| -> i64 {
        let query = sqlx::query_scalar("select count(*) from customer_change where customer_id = $1").bind(of);
        query.fetch_one(&mut app.sql().await).await.unwrap()
    };
    assert_eq!((changes(business).await, changes(person).await), (0, 1));
    // What is shown is the primary one.
    acme.live.put("/tenant/customer/primary-wallet/acme.wallet-1.ul/true", json!({})).await.expect(200);
    let told = details(&acme.live, business).await;
    assert_eq!(told["walletBalanceDetails"]["domainNamespace"], "acme.wallet-1.ul");
    assert_eq!(told["business_user_namespaces"]["businessUserNamespace"], "acme.wallet-1.ul");
}

#[tokio::test]
async fn what_a_wallet_of_a_business_holds_is_asked_of_the_chain() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let (wallet, held) = (crate::harness::engine::stranger(), alloy::primitives::U256::from(7_500_000));
    let usdc = app.services.contracts.usdc;
    diolkos::dev::contracts::mint(&app.services.rpc_url, usdc, wallet, held).await.unwrap();
    let mut body = business(badge, 1);
    (body["accountAddress"], body["clientToken"]) = (json!(wallet.to_string()), json!("USDC"));
    let business = id_of(&onboard(&acme.live, &body).await.expect(201));
    let told = details(&acme.live, business).await;
    assert_eq!(told["walletBalanceDetails"]["balance"]["balance"], "7.500000");
}
