//! FAULT 23: bodies that nobody should send, to every route that takes one.

use diolkos::http::dialect::Dialect;
use reqwest::Method;
use serde_json::{Value, json};

use crate::agreements;
use crate::business_users;
use crate::consents;
use crate::customers;
use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::harness::document::operations;
use crate::harness::tenant::{fund_body, phone};
use crate::harness::wire;
use crate::identity_checks;
use crate::sign_in;

/// A route that takes a body, who may call it and what it likes to read.
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub caller: Actor,
    pub good: Value,
}

impl Route {
    /// Sends it a body.
    pub async fn send(&self, body: &Value) -> Answer {
        self.send_bytes("application/json", body.to_string().into_bytes()).await
    }

    /// Sends it bytes of any kind.
    pub async fn send_bytes(&self, kind: &str, body: Vec<u8>) -> Answer {
        self.caller.send(self.method.clone(), self.path, Some((kind, body))).await
    }

    /// Whether its refusals are documented to say nothing of what is wrong.
    pub fn is_taciturn(&self) -> bool {
        self.path == consents::ACCEPT
    }
}

/// An id of nothing.
const NOBODYS: &str = "01990000-0000-7000-8000-000000000001";

fn rule() -> Value {
    json!({
        "expression": "amount > 0", "error_code": "ULTT0001", "error_type": "transfer-failed", "message": "m",
        "starts_at": "2030-01-01T00:00:00Z", "ends_at": "2031-01-01T00:00:00Z",
    })
}

/// Every route that takes a body, with an app in which the good bodies are good.
pub async fn routes() -> (TestApp, Vec<Route>) {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "1000").await;
    acme.customer(&phone(1)).await;
    acme.customer(&phone(2)).await;
    let by = |method, path, caller: &Actor, good| Route { method, path, caller: caller.clone(), good };
    let route = |path, caller: &Actor, good| by(Method::POST, path, caller, good);
    let owner = sqlx::query_scalar("select id from customer limit 1");
    let customer: uuid::Uuid = owner.fetch_one(&mut app.sql().await).await.unwrap();
    let device = sign_in::device(&app, &acme, "bodies").await;
    let badge = customers::badge(&app, &acme, "Bronzeone").await;
    let business = business_users::badge(&app, &acme).await;
    let words = consents::words(&acme.live, &acme).await;
    // Only one of the two may be named.
    let wallet_of = |whose: &str| {
        json!({
            whose: customer, "tenantId": acme.id, "customNamespace": "jonedoe", "provider": "ens",
            "accountAddress": "0x00000000000000000000000000000000000000cc", "financialBadgeId": badge,
            "tokenSymbol": "USDC",
        })
    };
    let routes = vec![
        route("/v1/users/provision", &acme.live, json!({"phone_number": phone(1)})),
        route("/v1/users/fund", &acme.live, fund_body(&phone(1), "dep-1", "1")),
        route(
            "/v1/users/update-phone",
            &acme.live,
            json!({"old_phone_number": phone(1), "new_phone_number": phone(9)}),
        ),
        route("/v1/dashboard/users/{blind_index}/update-phone", &acme.dashboard, json!({"new_phone_number": phone(9)})),
        route(
            "/v1/fx/quote",
            &acme.live,
            json!({"local_currency": "XOF", "fiat_amount": "1000", "target_token": "USDC"}),
        ),
        route(
            "/v1/users/withdraw",
            &acme.live,
            json!({
                "phone": phone(1), "amount": "1", "token": "USDC", "payout_mobile": phone(1),
                "payout_network": "orange_money", "idempotency_key": "w-1",
            }),
        ),
        route(
            "/v1/transfers/send",
            &acme.live,
            json!({
                "sender_phone": phone(1), "recipient_phone": phone(2), "quote_id": "DIRECT_CRYPTO:USDC:1",
                "idempotency_key": "t-1",
            }),
        ),
        route(
            "/v1/dashboard/withdrawals/{id}/confirm-payout",
            &acme.dashboard,
            json!({"payout_reference": "MP1", "note": "n"}),
        ),
        route("/admin/withdrawals/{id}/payout", &app.operator(), json!({"action": "retry"})),
        route("/v1/callbacks/payouts", &app.nobody(), json!({"payoutId": "01990000-0000-4000-8000-000000000001"})),
        route("/v1/dashboard/apikeys", &acme.dashboard, json!({"name": "till", "mode": "live"})),
        route(
            "/v1/dashboard/treasury/topup",
            &acme.dashboard,
            json!({"amount": "1", "token": "USDC", "reference": "r", "note": "n"}),
        ),
        route(
            "/v1/dashboard/webhooks",
            &acme.dashboard,
            json!({"url": "https://hooks.invalid/", "events": ["deposit.failed"], "description": "d"}),
        ),
        route("/admin/tenants", &app.operator(), json!({"namespace": "globex.ul", "name": "Globex"})),
        route(agreements::PREVIEW, &acme.live, agreements::example()),
        route(agreements::PREVIEW_UL, &acme.live, agreements::example_ul()),
        by(Method::PUT, "/tenant/agreement/preview-agreement/{agreementId}", &acme.live, json!({"status": "ACCEPTED"})),
        by(
            Method::PUT,
            "/tenant/agreement/ul-preview-agreement/{agreementId}",
            &acme.live,
            json!({"status": "ACCEPTED"}),
        ),
        route("/tenant/customer", &acme.live, customers::everything(&acme, badge)),
        route("/tenant/customer/update", &acme.live, customers::everything(&acme, badge)),
        route("/tenant/customer/add-wallet", &acme.live, wallet_of("customerAccountId")),
        route("/tenant/customer/add-wallet", &acme.live, wallet_of("businessUserId")),
        route(business_users::ONBOARD, &acme.live, business_users::everything(business)),
        route(identity_checks::BEGIN, &acme.live, identity_checks::example()),
        route(identity_checks::VALIDATE, &acme.live, json!({"vfp": "string", "requestId": customer})),
        by(Method::PUT, "/tenant/customer/{customerId}", &acme.live, json!({"customNamespace": "myNamespace"})),
        route(
            consents::ACCEPT,
            &acme.live,
            json!({
                "customerAccountId": customer, "dssVendorId": words["dssId"], "consentStatus": "ACCEPTED",
                "consentVersion": words["currentActiveVersion"], "type": "ACH",
            }),
        ),
        route(
            "/admin/tenants/{id}/agreement-templates",
            &app.operator(),
            json!({"type": "UL_TEMPLATE", "html": "<p>{{ full_name }}</p>"}),
        ),
        route(
            "/admin/tenants/{id}/consent-vendors",
            &app.operator(),
            json!({
                "name": "Plaid Inc.", "sub_category": "Deposits", "type": "ACH", "payment_partner": "OTHER",
                "version": "v1", "message": "m",
            }),
        ),
        route(
            "/admin/tenants/{id}/consent-vendors/{vendor}/messages",
            &app.operator(),
            json!({"version": "v2", "message": "m"}),
        ),
        route(
            "/admin/tenants/{id}/customer-policy",
            &app.operator(),
            json!({"onboarding": true, "multi_wallet": true}),
        ),
        route("/admin/tenants/{id}/terms-access", &app.operator(), json!({"allowed": true})),
        route(
            "/auth/token",
            &app.nobody(),
            json!({
                "address": "0x9086F595C67a0aE52B859fD63CbB984b825B4587", "signature": "0x12",
                "nonce": "7f4799df3324fe746043dcfe74ead532",
            }),
        ),
        route(
            "/auth/preauth-token",
            &app.nobody(),
            json!({"device_fingerprint": "xyz", "app_version": "v1", "tenant_id": acme.id.to_string()}),
        ),
        route("/preauth/recovery/otp/initiate", &device, json!({"phoneNumber": phone(1)})),
        route(
            "/preauth/recovery/otp/verify",
            &device,
            json!({"verificationRequestId": customer, "phoneNumber": phone(1), "otp": "123456"}),
        ),
        route("/tenant/customer/api/otp/request", &acme.live, json!({"email": "jane@example.com"})),
        route(
            "/tenant/customer/api/otp/verify",
            &acme.live,
            json!({"otp": "123456", "verificationRequestId": customer}),
        ),
        route(
            "/admin/tenants/{id}/badges",
            &app.operator(),
            json!({
                "name": "Platinum", "kind": "FINANCIAL", "user_group": "WALLET_USER", "description": "d",
                "symbol_ref": "https://pictures.invalid/p.png", "storage_provider": "s",
            }),
        ),
        route(
            "/admin/tenants/{id}/badges/{badge_id}",
            &app.operator(),
            json!({
                "name": "Platinum", "description": "d", "symbol_ref": "s", "storage_provider": "s", "is_active": true,
            }),
        ),
        route(
            "/admin/tenants/{id}/badges/{badge_id}/links",
            &app.operator(),
            json!({
                "token": "USDC", "financial_badge_id": NOBODYS, "custom_financial_badge_id": NOBODYS,
                "information_badge_id": NOBODYS,
            }),
        ),
        route(
            "/admin/tenants/{id}/badges/{badge_id}/assignments",
            &app.operator(),
            json!({
                "customer_id": NOBODYS, "wallet_address": "0x0000000000000000000000000000000000000001", "token": "USDC",
            }),
        ),
        route("/admin/tenants/{id}/badges/{badge_id}/rules", &app.operator(), rule()),
        route("/admin/tenants/{id}/badges/{badge_id}/rules/{rule_id}", &app.operator(), rule()),
        route(
            "/admin/tenants/{id}/identity-check-policy",
            &app.operator(),
            json!({"target_origins": ["https://app.example.com"]}),
        ),
        route("/admin/chain/reviews/{id}", &app.operator(), json!({"outcome": "failed"})),
        route(
            "/admin/tenants/{id}/compliance-checks/{check_id}",
            &app.operator(),
            json!({"outcome": "rejected", "reason": "r", "code": "l07"}),
        ),
    ];
    for operation in operations().iter().filter(|operation| !operation.body.is_empty()) {
        let is_its = |route: &&Route| route.path == operation.path && route.method == *operation.method;
        let its: Vec<&Route> = routes.iter().filter(is_its).collect();
        assert!(!its.is_empty(), "{} has no line in this table yet", operation.name());
        for field in operation.body.keys() {
            let is_there = its.iter().any(|route| route.good.get(field).is_some());
            assert!(is_there, "{} has no {field} in this table yet", operation.name());
        }
    }
    (app, routes)
}

/// The answer is a refusal that the surface documents, in its dialect.
pub fn assert_refused(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}: {answer}");
    assert_eq!(answer.header("content-type"), "application/json", "{what}");
    assert_eq!(answer.header("x-request-id").len(), 36, "{what}");
    // Where a path speaks the wallet API's dialect, there is one error, listed or alone.
    let entry = answer.entry();
    let kind = if entry["error"].is_string() { &entry["error"] } else { &entry["type"] };
    let said = (kind, &entry["message"]);
    assert!(said.0.is_string() && said.1.is_string(), "{what}: {answer}");
}

/// The answer is this refusal, as the dialect of a path writes it.
fn assert_says(answer: &Answer, path: &str, code: &str, message: &str) {
    let said = match Dialect::of(path) {
        Dialect::Wallet => json!({"errors": [{"type": "Validation", "message": message}]}),
        Dialect::Caas | Dialect::Orchestration => json!({"error": code, "message": message}),
    };
    assert_eq!(answer.json, said, "{path}");
}

#[tokio::test]
async fn fault_23_what_is_not_a_json_object_is_refused_everywhere() {
    let (_app, routes) = routes().await;
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
    for route @ Route { path, good, .. } in &routes {
        let good = good.to_string();
        let (first, rest) = (good.split_once(',').map_or(&*good, |(first, _)| first), &good[1..]);
        let bodies: Vec<Vec<u8>> = vec![
            vec![],
            b"   ".into(),
            b"not json".into(),
            b"[]".into(),
            format!("[{good}]").into(),
            b"null".into(),
            b"\"text\"".into(),
            b"1".into(),
            b"<xml/>".into(),
            b"a=1&b=2".into(),
            good[..good.len() - 1].into(),
            format!("{good}{good}").into(),
            format!("{good}x").into(),
            format!("\u{feff}{good}").into(),
            format!("{}, {rest}", first.trim_end_matches('}')).into(),
            format!("{{\"x\":{{\"a\":1,\"a\":2}},{rest}").into(),
            format!("{{\"x\":1e400,{rest}").into(),
            format!("{{\"x\":NaN,{rest}").into(),
            format!("{{\"x\":-Infinity,{rest}").into(),
            format!("{{\"x\":01,{rest}").into(),
            format!("{{\"x\":\"\\u0000\",{rest}").into(),
            format!("{{\"x\":\"\\ud800\",{rest}").into(),
            format!("{{/* */{rest}").into(),
            format!("{{'x':1,{rest}").into(),
            [b"{\"x\":\"\xff\xfe\",", rest.as_bytes()].concat(),
            [b"{\"x\":\"\xc0\xaf\",", rest.as_bytes()].concat(),
            good.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            deep.clone().into(),
        ];
        for body in bodies {
            let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            let answer = route.send_bytes("application/json", body).await;
            assert_refused(&answer, 400, &format!("{path} {shown}"));
        }
    }
}

#[tokio::test]
async fn fault_23_a_body_of_another_kind_is_a_415() {
    let (_app, routes) = routes().await;
    for route @ Route { path, good, .. } in &routes {
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "x", ""] {
            let answer = route.send_bytes(kind, good.to_string().into_bytes()).await;
            assert_refused(&answer, 415, &format!("{path} as {kind:?}"));
            assert_says(&answer, path, "unsupported_media_type", "the content type must be application/json");
        }
    }
}

#[tokio::test]
async fn fault_23_a_body_beyond_1_mib_is_a_413_however_it_is_framed() {
    let (app, routes) = routes().await;
    for route @ Route { path, .. } in &routes {
        let limit = if customers::takes_papers(path) { 16 << 20 } else { 1 << 20 };
        let large = format!("{{\"x\":\"{}\"}}", "x".repeat(limit)).into_bytes();
        let answer = route.send_bytes("application/json", large).await;
        assert_refused(&answer, 413, path);
        assert_says(&answer, path, "payload_too_large", "the body is too large");
    }
    // In chunks, so that no length is announced; by a caller whom the route lets in.
    let operator = &app.variables["OPERATOR_TOKEN"];
    let mut chunked = format!(
        "POST /admin/tenants HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
         authorization: Bearer {operator}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    for _ in 0..20 {
        chunked += &format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    }
    chunked += "0\r\n\r\n";
    let answer = wire::send(&app.base_url, chunked.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains(r#"{"error":"payload_too_large""#), "{answer}");
}

#[tokio::test]
async fn fault_23_a_route_without_a_body_does_not_mind_one() {
    let (app, _) = routes().await;
    let unknown = "/v1/dashboard/treasury/topup/x/confirm";
    for path in [unknown, "/admin/jobs/x/retry"] {
        for body in [&b""[..], b"not json", b"\xff\x00", &[b'['; 100_000]] {
            let answer = app.operator().post_bytes(path, "application/json", body.to_vec()).await;
            assert_refused(&answer, 404, path);
        }
    }
}
