//! FAULT 22: another tenant's ids, phone numbers and cursors in every field of every route.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::agreements;
use crate::consents;
use crate::fx::quote;
use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::harness::document::operations;
use crate::harness::tenant::{TestTenant, fund_body, phone};
use crate::harness::withdrawals::{send_body, withdraw_body};

const JANE: &str = "+2250700000001";
const HOOK: &str = "https://acme-hooks.invalid/";
const OF_CUSTOMER: &str = "POST /v1/dashboard/users/{blind_index}/update-phone";

/// Acme with a customer, two deposits, two top-ups and some keys; and what of it nobody else may ever read.
struct Acme {
    tenant: TestTenant,
    topup: String,
    key: String,
    withdrawal: String,
    transfer: String,
    wallet: String,
    quote: String,
    agreement: String,
    platform_agreement: String,
    customer: String,
    vendor: String,
    traces: Vec<String>,
}

/// The `next_cursor` of a list's first record.
async fn cursor(caller: &Actor, list: &str) -> String {
    let page = caller.get(&format!("{list}?limit=1")).await.expect(200).json;
    page["next_cursor"].as_str().unwrap().to_owned()
}

async fn acme(app: &TestApp) -> Acme {
    let tenant = app.tenant("acme").await;
    let provisioned = tenant.live.post("/v1/users/provision", json!({"phone_number": JANE})).await.expect(200).json;
    for (reference, amount) in [("acme-bank-1", "700"), ("acme-bank-2", "77")] {
        let body = json!({"amount": amount, "token": "USDC", "reference": reference, "note": "acme-note"});
        let topup = tenant.dashboard.post("/v1/dashboard/treasury/topup", body).await.expect(202).json;
        if reference == "acme-bank-1" {
            let confirm = format!("/v1/dashboard/treasury/topup/{}/confirm", topup["topup_id"].as_str().unwrap());
            tenant.dashboard.post(&confirm, json!({})).await.expect(200);
        }
    }
    for deposit in ["acme-dep-1", "acme-dep-2"] {
        tenant.fund(JANE, deposit, "13.131313").await.expect(202);
    }
    for deposit in ["acme-dep-1", "acme-dep-2"] {
        tenant.until_deposit_is(deposit, "SETTLED").await;
    }
    tenant.customer(&phone(5)).await;
    let withdrawn =
        tenant.live.post("/v1/users/withdraw", withdraw_body(JANE, "2", Some("acme-w-1"))).await.expect(202);
    tenant.live.post("/v1/users/withdraw", withdraw_body(JANE, "1", Some("acme-w-2"))).await.expect(202);
    let mut body = send_body(JANE, &phone(5), "2");
    body["idempotency_key"] = json!("acme-t-1");
    let sent = tenant.live.post("/v1/transfers/send", body).await.expect(202);
    tenant.live.post("/v1/transfers/send", send_body(JANE, &phone(5), "1")).await.expect(202);
    let quoted = quote(&tenant.live, "XOF", "1000").await.expect(200);
    let topups = tenant.dashboard.get("/v1/dashboard/treasury/topups").await.expect(200).json;
    let keys = tenant.dashboard.get("/v1/dashboard/apikeys").await.expect(200).json;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (topup, key) = (text(&topups["data"][0]["topup_id"]), text(&keys["data"][0]["id"]));
    let withdrawal = text(&withdrawn.json["withdrawal_id"]);
    let transfer = text(&sent.json["transfer_id"]);
    let wallet = text(&provisioned["wallet_address"]);
    let quote = text(&quoted.json["quote_id"]);
    let agreement = agreements::preview(&tenant.live).await;
    let platform = tenant.live.post(agreements::PREVIEW_UL, agreements::example_ul()).await.expect(200);
    let platform_agreement = text(&platform.json["data"][0]["id"]);
    let vendor = text(&consents::words(&tenant.live, &tenant).await["dssId"]);
    let owner = sqlx::query_scalar("select customer_id from wallet where address = decode($1, 'hex')");
    let customer: uuid::Uuid = owner.bind(&wallet[2..]).fetch_one(&mut app.sql().await).await.unwrap();
    let customer = customer.to_string();
    let traces = vec![
        wallet.clone(),
        text(&provisioned["blind_index"]),
        tenant.id.to_string(),
        tenant.live_key[..16].to_owned(),
        text(&keys["data"][0]["id"]),
        text(&keys["data"][1]["id"]),
        text(&topups["data"][0]["topup_id"]),
        text(&topups["data"][1]["topup_id"]),
        transfer.clone(),
        withdrawal.clone(),
        quote.clone(),
        agreement.clone(),
        platform_agreement.clone(),
        customer.clone(),
        vendor.clone(),
        "acme-".to_owned(),
        "13.131313".to_owned(),
        "700.000000".to_owned(),
    ];
    Acme {
        tenant,
        topup,
        key,
        withdrawal,
        transfer,
        wallet,
        quote,
        agreement,
        platform_agreement,
        customer,
        vendor,
        traces,
    }
}

/// Globex with as much of its own.
async fn globex(app: &TestApp) -> TestTenant {
    let globex = app.tenant("globex").await;
    globex.top_up("USDC", "100").await;
    globex.top_up("USDC", "1").await;
    globex.customer(&phone(2)).await;
    globex.customer(&phone(4)).await;
    globex.fund(&phone(2), "dep-1", "1").await.expect(202);
    globex.fund(&phone(2), "dep-2", "2").await.expect(202);
    globex
}

/// Fields that name no record of anybody's.
const NAMES_NOTHING: &str = "address amount consentStatus consentVersion dateOfBirth days description email event events fiat_amount filters firstName from ip lastName limit local_currency local_fiat_amount middleName mode name network note page pagesize payout_network payout_reference paymentPartner phoneNumber search stablecoin_amount status subCategory target_token taxCountry taxIdNumber to token type url";

/// Where strangers try what is another's: what tenants' own callers can name something in. Routes of customers and
/// businesses are tried in `customers/strangers.rs`.
const TRIED: [&str; 4] = ["/v1/", "/tenant/agreement/", "/tenant/badge", "/consent/"];

/// What globex posts when it means well.
fn own_body(path: &str) -> Value {
    match path {
        "/v1/users/provision" => json!({"phone_number": phone(3)}),
        "/v1/users/fund" => fund_body(&phone(2), "dep-9", "1"),
        "/v1/users/update-phone" => json!({"old_phone_number": phone(2), "new_phone_number": phone(8)}),
        "/v1/dashboard/users/{blind_index}/update-phone" => json!({"new_phone_number": phone(8)}),
        // More than globex's customer has: what is tried besides is refused for itself or not at all.
        "/v1/users/withdraw" => withdraw_body(&phone(2), "9999", None),
        "/v1/transfers/send" => send_body(&phone(2), &phone(4), "9999"),
        "/v1/dashboard/withdrawals/{id}/confirm-payout" => json!({"payout_reference": "MP1"}),
        agreements::PREVIEW => agreements::example(),
        agreements::PREVIEW_UL => agreements::example_ul(),
        path if path.contains("preview-agreement/") => json!({"status": "ACCEPTED"}),
        consents::ACCEPT => {
            json!({"dssVendorId": "dss_1", "consentStatus": "ACCEPTED", "consentVersion": "v1.0.0", "type": "ACH"})
        }
        "/v1/dashboard/treasury/topup" => json!({"amount": "5", "token": "USDC", "reference": "bank-9"}),
        _ => json!({}),
    }
}

/// Globex sends `value`, which is acme's, in a field of an operation, and means well otherwise.
async fn try_field(globex: &TestTenant, operation: &str, field: &str, value: &str) -> (String, Answer) {
    let (method, path) = operation.split_once(' ').unwrap();
    let is_back_end =
        ["/v1/users/", "/v1/transfers/", "/tenant/", "/consent/"].iter().any(|start| path.starts_with(start));
    let caller = if is_back_end { &globex.live } else { &globex.dashboard };
    let mut body = own_body(path);
    let placeholder = format!("{{{field}}}");
    let path = match method {
        _ if path.contains(&placeholder) => path.replace(&placeholder, value),
        "GET" => format!(
            "{path}?{}{}",
            if path == "/consent/consent-status" { "subCategory=Deposits&type=ACH&" } else { "" },
            url::form_urlencoded::Serializer::new(String::new()).append_pair(field, value).finish()
        ),
        _ => {
            body[field] = json!(value);
            path.to_owned()
        }
    };
    let body = matches!(method, "POST" | "PUT").then(|| ("application/json", body.to_string().into_bytes()));
    let sent = format!("{path} {value}");
    (sent, caller.send(method.parse().unwrap(), &path, body).await)
}

#[tokio::test]
async fn fault_22_another_tenants_records_are_not_there_in_any_field_of_any_route() {
    let app = TestApp::new().await;
    let Acme {
        tenant: acme,
        topup,
        key,
        withdrawal,
        transfer,
        wallet,
        quote,
        agreement,
        platform_agreement,
        customer,
        vendor,
        traces,
    } = acme(&app).await;
    let globex = globex(&app).await;
    let deposits = cursor(&acme.dashboard, "/v1/dashboard/deposits").await;
    let topups = cursor(&acme.dashboard, "/v1/dashboard/treasury/topups").await;
    let keys = cursor(&acme.dashboard, "/v1/dashboard/apikeys").await;
    let transfers = cursor(&acme.dashboard, "/v1/dashboard/transfers").await;
    let withdrawals = cursor(&acme.dashboard, "/v1/dashboard/withdrawals").await;
    let (hook, _) = (acme.hook(HOOK, None).await, acme.hook(HOOK, None).await);
    let tested = acme.dashboard.post(&format!("/v1/dashboard/webhooks/{}/test", hook.id), json!({})).await.expect(202);
    acme.dashboard.post(&format!("/v1/dashboard/webhooks/{}/test", hook.id), json!({})).await.expect(202);
    let log = tested.json["log_id"].as_str().unwrap();
    let hooks = cursor(&acme.dashboard, "/v1/dashboard/webhooks").await;
    let logs = cursor(&acme.dashboard, "/v1/dashboard/webhooks/logs").await;
    let badge = app.badges_of(&acme).starting("Bronze", "IDENTIFICATION").await;
    let jane = acme.live.post("/v1/users/provision", json!({"phone_number": JANE})).await.expect(200).json;
    let blind_index = jane["blind_index"].as_str().unwrap().to_owned();
    let users = cursor(&acme.dashboard, "/v1/dashboard/users").await;
    let attempts = [
        ("GET /v1/users/balance", "phone_number", JANE, "404 wallet_not_provisioned"),
        ("POST /v1/users/withdraw", "phone", &phone(5), "404 wallet_not_provisioned"),
        ("POST /v1/users/withdraw", "payout_mobile", JANE, "400 insufficient_balance"),
        ("POST /v1/users/withdraw", "idempotency_key", "acme-w-1", "400 insufficient_balance"),
        ("POST /v1/transfers/send", "sender_phone", &phone(5), "404 sender_not_provisioned"),
        ("POST /v1/transfers/send", "recipient_phone", &phone(5), "404 recipient_not_provisioned"),
        ("POST /v1/transfers/send", "quote_id", &quote, "400 invalid_quote_id"),
        ("POST /v1/transfers/send", "idempotency_key", "acme-t-1", "400 insufficient_balance"),
        ("POST /v1/dashboard/withdrawals/{id}/confirm-payout", "id", &withdrawal, "404 withdrawal_not_found"),
        ("POST /v1/users/fund", "phone_number", JANE, "404 wallet_not_provisioned"),
        ("POST /v1/users/fund", "deposit_id", "acme-dep-1", "202 "),
        ("POST /v1/users/update-phone", "old_phone_number", JANE, "404 wallet_not_provisioned"),
        ("POST /v1/users/update-phone", "new_phone_number", JANE, "200 "),
        (OF_CUSTOMER, "blind_index", &blind_index, "404 customer_not_found"),
        (OF_CUSTOMER, "new_phone_number", JANE, "404 customer_not_found"),
        ("GET /v1/dashboard/users", "cursor", &users, "200 "),
        ("GET /v1/dashboard/users/lookup", "wallet_address", &wallet, "404 customer_not_found"),
        ("GET /v1/dashboard/users/{blind_index}", "blind_index", &blind_index, "404 customer_not_found"),
        ("POST /v1/users/provision", "phone_number", JANE, "200 "),
        // Heard from whom it may: the answer tells nothing, and nothing is believed.
        ("POST /v1/callbacks/payouts", "payoutId", "01990000-0000-4000-8000-000000000001", "204 "),
        ("GET /v1/dashboard/deposits", "cursor", &deposits, "200 "),
        ("GET /v1/dashboard/deposits", "wallet_address", &wallet, "200 "),
        ("GET /v1/dashboard/transfers", "cursor", &transfers, "200 "),
        ("GET /v1/dashboard/transfers", "wallet_address", &wallet, "200 "),
        ("GET /v1/dashboard/transfers/{id}", "id", &transfer, "404 transfer_not_found"),
        ("GET /v1/dashboard/withdrawals", "cursor", &withdrawals, "200 "),
        ("GET /v1/dashboard/withdrawals", "wallet_address", &wallet, "200 "),
        ("GET /v1/dashboard/withdrawals/pending-payouts", "cursor", &withdrawals, "200 "),
        ("GET /v1/dashboard/withdrawals/{id}", "id", &withdrawal, "404 withdrawal_not_found"),
        ("GET /v1/dashboard/deposits/{deposit_id}", "deposit_id", "acme-dep-2", "404 deposit_not_found"),
        ("GET /v1/dashboard/treasury/topups", "cursor", &topups, "200 "),
        ("POST /v1/dashboard/treasury/topup", "reference", "acme-bank-1", "202 "),
        ("POST /v1/dashboard/treasury/topup/{id}/confirm", "id", &topup, "404 topup_not_found"),
        ("GET /v1/dashboard/apikeys", "cursor", &keys, "200 "),
        ("DELETE /v1/dashboard/apikeys/{id}", "id", &key, "404 key_not_found"),
        ("GET /v1/dashboard/webhooks", "cursor", &hooks, "200 "),
        ("DELETE /v1/dashboard/webhooks/{id}", "id", &hook.id, "404 webhook_not_found"),
        ("POST /v1/dashboard/webhooks/{id}/test", "id", &hook.id, "404 webhook_not_found"),
        ("POST /v1/dashboard/webhooks/{id}/rotate-secret", "id", &hook.id, "404 webhook_not_found"),
        ("GET /v1/dashboard/webhooks/logs", "cursor", &logs, "200 "),
        ("GET /v1/dashboard/webhooks/logs", "endpoint", &hook.id, "404 webhook_not_found"),
        ("POST /v1/dashboard/webhooks/logs/{id}/replay", "id", log, "404 log_not_found"),
        ("GET /tenant/agreement/get-agreement", "agreementId", &agreement, "404 "),
        ("POST /tenant/agreement/preview-agreement", "accountAddress", &wallet, "200 "),
        ("POST /tenant/agreement/preview-UL-agreement", "accountAddress", &wallet, "200 "),
        ("PUT /tenant/agreement/preview-agreement/{agreementId}", "agreementId", &agreement, "400 "),
        ("PUT /tenant/agreement/ul-preview-agreement/{agreementId}", "agreementId", &platform_agreement, "400 "),
        ("GET /tenant/badge/{badgeId}", "badgeId", &badge, "400 "),
        ("GET /tenant/badge/assign/fetch-all/{identificationBadgeId}", "identificationBadgeId", &badge, "400 "),
        ("GET /consent/consent-message/{tenantId}", "tenantId", &acme.id.to_string(), "403 "),
        ("GET /consent/consent-status", "customerAccountId", &customer, "404 "),
        ("GET /consent/consent-status", "accountAddress", &wallet, "404 "),
        ("POST /consent/accept-consent", "customerAccountId", &customer, "400 "),
        ("POST /consent/accept-consent", "dssVendorId", &vendor, "400 "),
    ];
    let mut tried = BTreeSet::new();
    for (operation, field, value, expected) in attempts {
        let (sent, answer) = try_field(&globex, operation, field, value).await;
        assert_eq!(format!("{} {}", answer.status, answer.error()), expected, "{operation} {field}: {answer}");
        // What the caller sent itself may come back; anything else of acme's may not.
        for trace in traces.iter().filter(|trace| !sent.contains(*trace)) {
            assert!(!answer.text.contains(trace), "{operation} {field} tells {trace}: {answer}");
        }
        tried.insert(format!("{operation} {field}"));
    }

    let is_tried = |path: &str| TRIED.iter().any(|start| path.starts_with(start));
    for operation in operations().iter().filter(|operation| is_tried(&operation.path)) {
        for field in operation.fields() {
            let named = format!("{} {field}", operation.name());
            let is_known = tried.contains(&named) || NAMES_NOTHING.split(' ').any(|name| name == field);
            assert!(is_known, "no stranger tries {named} yet: add an attempt, or say that it names nothing");
        }
    }
    // Nothing of acme's has changed, either.
    let janes = "%2B2250700000001";
    let listed = acme.dashboard.get("/v1/dashboard/treasury/topups?status=PENDING").await.expect(200);
    assert_eq!(listed.json["data"].as_array().unwrap().len(), 1, "{listed}");
    acme.live.get(&format!("/v1/users/balance?phone_number={janes}")).await.expect(200);
    acme.test.get(&format!("/v1/users/balance?phone_number={janes}")).await.expect(404);
}

#[tokio::test]
async fn fault_22_every_list_shows_a_tenant_its_own_records_only() {
    let app = TestApp::new().await;
    let Acme { traces, .. } = acme(&app).await;
    let globex = globex(&app).await;
    for (list, count) in [
        ("/v1/dashboard/deposits", 2),
        ("/v1/dashboard/transfers", 0),
        ("/v1/dashboard/withdrawals", 0),
        ("/v1/dashboard/withdrawals/pending-payouts", 0),
        ("/v1/dashboard/treasury/topups", 2),
        ("/v1/dashboard/apikeys", 2),
        ("/v1/dashboard/users", 2),
    ] {
        let answer = globex.dashboard.get(&format!("{list}?limit=100")).await.expect(200);
        assert_eq!(answer.json["data"].as_array().unwrap().len(), count, "{answer}");
        for trace in &traces {
            assert!(!answer.text.contains(trace), "{list} tells {trace}: {answer}");
        }
    }
}
