//! FAULT 22: in no field of a route of customers or businesses another tenant's is there.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{UPDATE, accepted, acme, badge as new_badge, person, update_of, wallets};
use crate::business_users;
use crate::harness::actor::Answer;
use crate::harness::app::TestApp;
use crate::harness::document::operations;
use crate::harness::tenant::TestTenant;

const ONBOARD: &str = "POST /tenant/customer";
const UPDATES: &str = "POST /tenant/customer/update";
const ADD: &str = "POST /tenant/customer/add-wallet";
const FULL: &str = "GET /tenant/customer/customer-full-details/{customerAccountId}";
const PII: &str = "GET /tenant/customer/pii-customer-details/{customerAccountId}";
const FORGET: &str = "DELETE /tenant/customer/forget/{customerAccountId}";
const NAME: &str = "PUT /tenant/customer/{customerId}";
const PRIMARY: &str = "PUT /tenant/customer/primary-wallet/{namespace}/{isPrimary}";
const COMPANY: &str = "POST /tenant/business-user";
const SHOW_COMPANY: &str = "GET /tenant/business-user/{businessUserId}";

/// Fields that name no record of anybody's: what is told of a person or a company, which another tenant may tell too.
const NAMES_NOTHING: &str = "accountPurpose additionalAddress additionalLatLong address annualSalary bankAccount bankAccountDetails bankVerificationNumber businessEntityId businessEntityName businessUserAddress businessUserEmail businessUserLegalName businessUserName clientToken controlPersons countryDetails customerMetaData dateOfBirth domain email entityBeneficialOwners expectedMonthlyVolume firstName fullName gender geoLocationDetails governingDocuments governmentDocuments incorporationDocs individualBeneficialOwners ip_address isPrimary jurisdictionDocs lastName lat_long maritalStatus memoFields metroAreaDetails metroLocationDetails middleName nationality occupation otherDocs others passport phoneNumber plaidDetails proofOfAddress provider reRunComplianceCheck registeredOfficeAddress remarks selfieContent signatories ssn stateLicenseId tax taxId taxIdNumber tin tokenSymbol verifiedAddress verifiedCountry verifiedDOB verifiedGender verifiedIDExpirationDate verifiedIDIssueDate verifiedIDNumber verifiedName verifiedPhoto verifiedState";

/// Routes with tests of their own: codes by e-mail and identity checks.
const ELSEWHERE: [&str; 3] =
    ["/tenant/customer/api/", "/tenant/customer/get-auth-url", "/tenant/customer/validate-user"];

/// Who tries: a tenant with a customer, a company and badges of its own.
struct Globex {
    tenant: TestTenant,
    people: Uuid,
    companies: Uuid,
    customer: Uuid,
}

impl Globex {
    async fn of(app: &TestApp) -> Self {
        let tenant = app.tenant("globex").await;
        let people = new_badge(app, &tenant, "Bronzeone").await;
        let companies = business_users::badge(app, &tenant).await;
        let customer = accepted(&tenant, people, 50).await;
        Self { tenant, people, companies, customer }
    }

    /// What it sends when it means well.
    fn own_body(&self, operation: &str, field: &str, turn: u32) -> Value {
        match operation {
            ONBOARD => person(&self.tenant, self.people, 100 + turn),
            UPDATES => {
                let mut body = update_of(&self.tenant, self.people, self.customer, 50);
                body["reRunComplianceCheck"] = json!(false);
                body
            }
            ADD => {
                let mut body = wallets::wallet(&self.tenant, self.customer, 100 + turn);
                if field == "businessUserId" {
                    body.as_object_mut().unwrap().remove("customerAccountId");
                }
                body["tokenSymbol"] = json!("USDC");
                body
            }
            NAME => json!({"customNamespace": "globex.eth"}),
            COMPANY => business_users::business(self.companies, 100 + turn),
            _ => json!({}),
        }
    }

    /// Sends `value`, which is acme's, in a field of an operation, and means well otherwise.
    async fn tries(&self, (operation, field, value): (&str, &str, &Value), turn: u32) -> Answer {
        let (method, path) = operation.split_once(' ').unwrap();
        let mut body = self.own_body(operation, field, turn);
        let text = value.as_str().unwrap();
        let path = match path.replace(&format!("{{{field}}}"), text) {
            filled if filled != path => filled,
            _ if field == "cursor" => format!("{path}?cursor={text}"),
            _ => {
                body[field] = value.clone();
                path.to_owned()
            }
        };
        let path = path.replace("{isPrimary}", "false");
        let path = path.replace("{customerAccountId}", &self.customer.to_string());
        let path = path.replace("{customerId}", &self.customer.to_string());
        let body = matches!(method, "POST" | "PUT").then(|| ("application/json", body.to_string().into_bytes()));
        self.tenant.live.send(method.parse().unwrap(), &path, body).await
    }
}

#[tokio::test]
async fn fault_22_another_tenants_is_not_there_in_any_field_of_a_customers_route() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    let companies = business_users::badge(&app, &acme).await;
    let company = business_users::onboard(&acme.live, &business_users::business(companies, 1)).await.expect(201);
    let company = business_users::id_of(&company);
    let mut update = update_of(&acme, badge, customer, 1);
    update["reRunComplianceCheck"] = json!(false);
    acme.live.post(UPDATE, update).await.expect(202);
    let change: Uuid =
        sqlx::query_scalar("select id from customer_change").fetch_one(&mut app.sql().await).await.unwrap();
    let financial = wallets::financial_badge(&app, &acme).await;
    let globex = Globex::of(&app).await;

    let (address, name) = (json!(format!("0x{:040x}", 1)), json!("person-1.eth"));
    let (customer, company, tenant) = (json!(customer), json!(company), json!(acme.id));
    let (minted, badge, cursor) =
        (json!("acme.person-1.ul"), json!(badge), json!(diolkos::db::Cursor(change).encode()));
    let attempts = [
        (ONBOARD, "accountAddress", &address, 400),
        (ONBOARD, "customNamespace", &name, 400),
        (ONBOARD, "identificationBadgeId", &badge, 400),
        (ONBOARD, "tenantId", &tenant, 403),
        // Not of an onboarding, and of an address that acme does not have.
        (ONBOARD, "customerAccountId", &customer, 201),
        (ONBOARD, "ulNamespace", &minted, 201),
        (UPDATES, "customerAccountId", &customer, 400),
        (UPDATES, "identificationBadgeId", &badge, 400),
        (UPDATES, "tenantId", &tenant, 403),
        // Not of an update.
        (UPDATES, "accountAddress", &address, 202),
        (UPDATES, "customNamespace", &name, 202),
        (UPDATES, "ulNamespace", &minted, 202),
        (ADD, "accountAddress", &address, 400),
        (ADD, "businessUserId", &company, 400),
        (ADD, "customNamespace", &name, 400),
        (ADD, "customerAccountId", &customer, 400),
        (ADD, "financialBadgeId", &json!(financial), 400),
        (ADD, "tenantId", &tenant, 403),
        (FULL, "customerAccountId", &customer, 404),
        (PII, "customerAccountId", &customer, 404),
        (PII, "cursor", &cursor, 400),
        (FORGET, "customerAccountId", &customer, 400),
        (NAME, "customerId", &customer, 400),
        (NAME, "customNamespace", &name, 400),
        (PRIMARY, "namespace", &minted, 400),
        (COMPANY, "accountAddress", &address, 400),
        (COMPANY, "badgeId", &json!(companies), 400),
        (COMPANY, "customNamespace", &name, 400),
        (SHOW_COMPANY, "businessUserId", &company, 400),
    ];
    let mut tried = BTreeSet::new();
    for (turn, (operation, field, value, status)) in (1..).zip(attempts) {
        let answer = globex.tries((operation, field, value), turn).await;
        assert_eq!(answer.status, status, "{operation} {field}: {answer}");
        let is_sent = |trace: &str| value.as_str().is_some_and(|sent| sent.contains(trace));
        for trace in ["Jone1\"", "person1@mail", "business1@mail", "acme.person-1", "person-1.eth", "domain-1\""] {
            assert!(is_sent(trace) || !answer.text.contains(trace), "{operation} {field} tells {trace}: {answer}");
        }
        tried.insert(format!("{operation} {field}"));
    }
    let is_ours = |path: &str| {
        let is_of_customers = ["/tenant/customer", "/tenant/business-user"].iter().any(|start| path.starts_with(start));
        is_of_customers && !ELSEWHERE.iter().any(|other| path.starts_with(other))
    };
    for operation in operations().iter().filter(|operation| is_ours(&operation.path)) {
        for field in operation.fields() {
            let named = format!("{} {field}", operation.name());
            let is_known = tried.contains(&named) || NAMES_NOTHING.split(' ').any(|name| name == field);
            assert!(is_known, "no stranger tries {named} yet: add an attempt, or say that it names nothing");
        }
    }
    // Nothing of acme's has changed, either.
    let told = super::details(&acme.live, customer.as_str().unwrap().parse().unwrap()).await;
    assert_eq!((&told["customNamespace"], &told["wallets"][0]["isPrimary"]), (&name, &json!(true)));
    assert_eq!(told["wallets"].as_array().unwrap().len(), 1);
}
