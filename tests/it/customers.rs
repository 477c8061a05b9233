//! Customers of the wallet API: `/tenant/customer…` but for codes by e-mail and identity checks.

mod checker;
mod compliance;
mod duplicates;
mod examples;
mod forgetting;
mod history;
mod names;
mod onboarding;
mod papers;
mod review;
mod secrets;
mod strangers;
mod updates;
mod wallets;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::harness::tenant::TestTenant;
use crate::harness::until;

/// A picture, as far as its first bytes go.
pub fn picture() -> String {
    STANDARD.encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02")
}

/// A documented example with a new identification badge, the tenant's id and a picture wherever a paper is meant.
pub fn example(route: &str, tenant: &TestTenant, badge: Uuid) -> Value {
    let documented: Value = serde_json::from_str(include_str!("customers/examples.json")).unwrap();
    let mut body = documented[route].clone();
    body["identificationBadgeId"] = json!(badge);
    if body.get("tenantId").is_some() {
        body["tenantId"] = json!(tenant.id);
    }
    let picture = json!(format!("base64,{}", picture()));
    for path in ["/governmentDocuments/0/content", "/proofOfAddress/0/content", "/passport/content", "/selfieContent"] {
        if let Some(content) = body.pointer_mut(path) {
            *content = picture.clone();
        }
    }
    body
}

/// The documented onboarding as that of another person.
pub fn person(tenant: &TestTenant, badge: Uuid, index: u32) -> Value {
    let mut body = example("onboard", tenant, badge);
    body["firstName"] = json!(format!("Jone{index}"));
    body["accountAddress"] = json!(format!("0x{index:040x}"));
    body["customNamespace"] = json!(format!("person-{index}.eth"));
    body["email"] = json!(format!("person{index}@mail.example"));
    body["phoneNumber"] = json!(crate::harness::tenant::phone(index));
    body
}

/// An identification badge for people.
pub async fn badge(app: &TestApp, tenant: &TestTenant, name: &str) -> Uuid {
    let id = Uuid::now_v7();
    sqlx::query(
        "insert into badge (tenant_id, id, name, kind, user_group) values ($1, $2, $3, 'IDENTIFICATION', 'WALLET_USER')",
    )
    .bind(tenant.id.0)
    .bind(id)
    .bind(name)
    .execute(&mut app.sql().await)
    .await
    .unwrap();
    id
}

/// A tenant with a badge for its customers.
pub async fn acme(app: &TestApp) -> (TestTenant, Uuid) {
    let acme = app.tenant("acme").await;
    let badge = badge(app, &acme, "Bronzeone").await;
    (acme, badge)
}

pub async fn onboard(caller: &Actor, body: &Value) -> Answer {
    caller.post("/tenant/customer", body.clone()).await
}

/// The id of a customer who was onboarded.
pub fn id_of(answer: &Answer) -> Uuid {
    answer.json["data"]["customerAccountId"].as_str().unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
}

/// A customer in full.
pub async fn details(caller: &Actor, customer: Uuid) -> Value {
    let answer = caller.get(&format!("/tenant/customer/customer-full-details/{customer}")).await.expect(200);
    answer.json["data"][0].clone()
}

/// Waits until compliance says this of a customer.
pub async fn until_compliance_is(caller: &Actor, customer: Uuid, status: &str) -> Value {
    until(&format!("compliance is {status}"), || async {
        let details = details(caller, customer).await;
        (details["complianceStatus"] == status).then_some(details)
    })
    .await
}

/// An onboarded customer whom compliance has accepted.
pub async fn accepted(tenant: &TestTenant, badge: Uuid, index: u32) -> Uuid {
    let id = id_of(&onboard(&tenant.live, &person(tenant, badge, index)).await.expect(201));
    until_compliance_is(&tenant.live, id, "ACCEPTED").await;
    id
}

/// The documented update of a customer, whose phone number stays.
pub fn update_of(tenant: &TestTenant, badge: Uuid, customer: Uuid, index: u32) -> Value {
    let mut body = example("update", tenant, badge);
    body["customerAccountId"] = json!(customer);
    body["email"] = json!(format!("person{index}@mail.example"));
    body["phoneNumber"] = json!(crate::harness::tenant::phone(index));
    body
}

/// What becomes of so many calls at once.
pub async fn at_once<F: Future>(count: usize, call: impl Fn(usize) -> F) -> Vec<F::Output> {
    futures::future::join_all((0..count).map(call)).await
}

pub const UPDATE: &str = "/tenant/customer/update";

/// Whether a route takes bodies of many megabytes.
pub fn takes_papers(path: &str) -> bool {
    matches!(path, "/tenant/customer" | "/tenant/business-user" | UPDATE)
}

/// Whether a route of customers can do without a field.
pub fn is_optional(path: &str, field: &str) -> bool {
    match path {
        "/tenant/customer" => !REQUIRED.contains(&field),
        UPDATE => !REQUIRED_AGAIN.contains(&field),
        "/tenant/customer/add-wallet" => matches!(field, "businessUserId" | "financialBadgeId" | "tokenSymbol"),
        _ => false,
    }
}

/// What an onboarding has to tell.
pub const REQUIRED: [&str; 11] = [
    "identificationBadgeId",
    "accountAddress",
    "customerMetaData",
    "tenantId",
    "dateOfBirth",
    "email",
    "phoneNumber",
    "ip_address",
    "address",
    "selfieContent",
    "bankAccountDetails",
];

/// What an update has to tell.
pub const REQUIRED_AGAIN: [&str; 9] = [
    "identificationBadgeId",
    "customerAccountId",
    "address",
    "email",
    "phoneNumber",
    "ip_address",
    "selfieContent",
    "bankAccountDetails",
    "plaidDetails",
];

/// Every field that there is.
pub fn everything(tenant: &TestTenant, badge: Uuid) -> Value {
    let mut body = person(tenant, badge, 1);
    let more = json!({
        "customerAccountId": Uuid::now_v7(), "maritalStatus": "married", "occupation": "Engineer",
        "annualSalary": "50000-75000", "accountPurpose": "Savings", "expectedMonthlyVolume": "1000-5000",
        "reRunComplianceCheck": true, "bankAccount": true, "remarks": "r",
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}
