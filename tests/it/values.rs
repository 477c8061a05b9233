//! FAULT 23, inside a body: values of the wrong type, amounts, phone numbers and texts that nobody should send.

use serde_json::json;

use diolkos::http::dialect::Dialect;

use crate::bodies::{Route, assert_refused, routes};
use crate::business_users;
use crate::customers;
use crate::harness::actor::Answer;
use crate::identity_checks;

/// Whether a refusal names a field, in the dialect of its path.
fn names(answer: &Answer, Route { path, .. }: &Route, field: &str) -> bool {
    match Dialect::of(path) {
        Dialect::Wallet => answer.entry()["message"].as_str().is_some_and(|said| said.starts_with(field)),
        Dialect::Caas | Dialect::Orchestration => answer.error() == format!("invalid_{field}"),
    }
}

/// Whether a refusal says that a field is missing, in the dialect of its path.
fn misses(answer: &Answer, Route { path, .. }: &Route, field: &str) -> bool {
    match Dialect::of(path) {
        Dialect::Wallet => {
            let said = &answer.entry()["message"];
            said == &json!(format!("{field} is required")) || said == "Mandatory fields are missing"
        }
        Dialect::Caas | Dialect::Orchestration => answer.error() == "missing_field",
    }
}

#[tokio::test]
async fn fault_23_a_field_of_the_wrong_type_is_named() {
    let (_app, routes) = routes().await;
    for route @ Route { path, good, .. } in &routes {
        for field in good.as_object().unwrap().keys() {
            for wrong in [
                json!(1),
                json!(-0.0),
                json!(1e300),
                json!(true),
                json!([]),
                json!({}),
                json!(["x"]),
                json!({"a": "b"}),
            ] {
                // Objects whose fields are the caller's, lists and flags are good, or wrong for another reason.
                let is_alike = wrong.is_boolean() && good[field].is_boolean()
                    || wrong.is_object() && good[field].is_object()
                    || wrong == json!([]) && good[field].is_array();
                if is_alike {
                    continue;
                }
                let mut body = good.clone();
                body[field] = wrong.clone();
                let answer = route.send(&body).await;
                assert_refused(&answer, 400, &format!("{path} {field}={wrong}"));
                assert!(names(&answer, route, field) || route.is_taciturn(), "{path} {field}={wrong}: {answer}");
            }
            let mut without = good.clone();
            without.as_object_mut().unwrap().remove(field);
            let answer = route.send(&without).await;
            let is_optional = matches!(&**field, "mode" | "note" | "events" | "description" | "idempotency_key")
                || (*path == "/v1/users/withdraw" && field == "token")
                || (*path == "/v1/fx/quote" && field == "target_token")
                || matches!(&**field, "middleName" | "customerAccountId")
                    && !matches!(*path, customers::UPDATE | "/tenant/customer/add-wallet")
                || matches!(&**field, "app_version" | "tenant_id")
                || matches!(&**field, "symbol_ref" | "storage_provider" | "is_active" | "wallet_address")
                || matches!(&**field, "error_type" | "starts_at" | "ends_at")
                || (path.ends_with("/links") && field.ends_with("_badge_id"))
                || (path.ends_with("/assignments") && field == "token")
                || (path.ends_with("/badges/{badge_id}") && field == "name")
                || (*path == identity_checks::BEGIN && matches!(&**field, "dob" | "ssn"))
                || business_users::is_optional(path, field)
                || (path.contains("/compliance-checks/") && field == "code")
                || customers::is_optional(path, field);
            let is_missed = misses(&answer, route, field) || (route.is_taciturn() && answer.status == 400);
            assert_eq!(is_missed, !is_optional, "{path} without {field}: {answer}");
        }
    }
}

/// Texts that are dangerous to somebody: databases, templates, shells, terminals, readers.
const TEXTS: [&str; 16] = [
    "",
    " ",
    "'; drop table tenant; --",
    "' or '1'='1",
    "\\'; select pg_sleep(10); --",
    "{{7*7}}",
    "${jndi:ldap://x/y}",
    "$(id)",
    "%s%n%x",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "\u{202e}live\u{202d}",
    "\u{1b}[2J",
    "line\r\nx-injected: 1",
    "\u{feff}\u{200b}",
    "𝟏𝟐𝟑é\u{301}\u{10ffff}",
];

#[tokio::test]
async fn fault_23_no_text_in_any_field_breaks_anything() {
    let (app, routes) = routes().await;
    for route @ Route { path, good, .. } in &routes {
        for field in good.as_object().unwrap().keys() {
            let long = "x".repeat(500_000);
            for text in TEXTS.iter().copied().chain([&*long]) {
                let mut body = good.clone();
                body[field] = json!(text);
                let answer = route.send(&body).await;
                let shown = format!("{path} {field}={:?}", text.chars().take(40).collect::<String>());
                // A path that names nobody's record leads nowhere.
                let leads_nowhere = path.contains('{') && answer.status == 404;
                // Nor is anybody let in, or any code verified, by such a text.
                let is_turned_away = matches!(&**path, "/auth/token" | "/tenant/customer/api/otp/verify")
                    && answer.status == 401
                    || path.ends_with("/otp/verify") && answer.status == 404
                    || path.contains("/otp/") && answer.status == 429
                    || *path == "/auth/preauth-token" && answer.status == 429;
                let is_anothers = field == "tenantId" && answer.status == 403;
                let is_expected =
                    leads_nowhere || is_turned_away || is_anothers || matches!(answer.status, 200..=204 | 400 | 409);
                assert!(is_expected, "{shown}: {answer}");
                if answer.status != 204 {
                    assert_eq!(answer.header("content-type"), "application/json", "{shown}");
                }
                assert_eq!(answer.header("x-request-id").len(), 36, "{shown}");
                assert!(answer.text.len() < 5_000, "{shown}: {answer}");
                assert!(answer.headers.get("x-injected").is_none(), "{shown}");
            }
        }
    }
    app.nobody().get("/readyz").await.expect(200);
}

/// Amounts in a token of 6 digits that are none.
const AMOUNTS: [&str; 34] = [
    "",
    " ",
    "0",
    "0.000000",
    "-1",
    "+1",
    "-0",
    "1e3",
    "1E3",
    "1e400",
    "0x10",
    "NaN",
    "Infinity",
    "1.2345678",
    "0.0000001",
    "1,000",
    "1 000",
    "1_000",
    "1.",
    ".5",
    ".",
    "1.2.3",
    " 1",
    "1 ",
    "1\n",
    "$1",
    "1USDC",
    "١",
    "１",
    "1٫5",
    "1．5",
    "𝟏",
    "99999999999999999999999999999999999999999",
    "1000000000000000000.5",
];

#[tokio::test]
async fn fault_23_an_amount_is_plain_digits_within_bounds_or_it_is_refused() {
    let (_app, routes) = routes().await;
    for (path, field) in [("/v1/users/fund", "stablecoin_amount"), ("/v1/dashboard/treasury/topup", "amount")] {
        let Route { caller, good, .. } = routes.iter().find(|route| route.path == path).unwrap();
        for amount in AMOUNTS {
            let mut body = good.clone();
            body[field] = json!(amount);
            let answer = caller.post(path, body).await;
            assert_refused(&answer, 400, &format!("{path} {field}={amount:?}"));
            assert_eq!(answer.error(), format!("invalid_{field}"), "{answer}");
        }
        // Nothing is rounded and nothing is read as a float: neither is a number taken for its text.
        for number in ["1", "1.5", "100.50", "1e400", "-0"] {
            let good = good.to_string().replace(&good[field].to_string(), number);
            let answer = caller.post_bytes(path, "application/json", good.into_bytes()).await;
            assert_refused(&answer, 400, &format!("{path} {field}={number}"));
        }
    }
}

/// Phone numbers that are not E.164, or of nobody.
const PHONES: [&str; 24] = [
    "",
    "+",
    "2250700000001",
    "002250700000001",
    "0700000001",
    "+225 07 00 00 00 01",
    "+225-0700000001",
    "+225(07)00000001",
    " +2250700000001",
    "+2250700000001 ",
    "+2250700000001\n",
    "++2250700000001",
    "+22507000000O1",
    "+225070000000011111",
    "+1234567890123456",
    "+0000000000",
    "+999123456789",
    "+1",
    "+٢٢٥٠٧٠٠٠٠٠٠٠١",
    "＋2250700000001",
    "+２２５0700000001",
    "\u{200e}+2250700000001",
    "tel:+2250700000001",
    "+2250700000001;ext=5",
];

#[tokio::test]
async fn fault_23_a_phone_number_is_e164_or_it_is_refused() {
    let (_app, routes) = routes().await;
    for path in ["/v1/users/provision", "/v1/users/fund"] {
        let Route { caller, good, .. } = routes.iter().find(|route| route.path == path).unwrap();
        for phone in PHONES {
            let mut body = good.clone();
            body["phone_number"] = json!(phone);
            let answer = caller.post(path, body).await;
            assert_refused(&answer, 400, &format!("{path} {phone:?}"));
            assert_eq!(answer.error(), "invalid_phone", "{answer}");
        }
    }
    let caller = &routes[0].caller;
    for phone in PHONES {
        let query: String = url::form_urlencoded::byte_serialize(phone.as_bytes()).collect();
        let answer = caller.get(&format!("/v1/users/balance?phone_number={query}")).await;
        assert_refused(&answer, 400, &format!("balance of {phone:?}"));
    }
    // A plus that was not written %2B is a blank.
    assert_refused(&caller.get("/v1/users/balance?phone_number=+2250700000001").await, 400, "a bare plus");
}
