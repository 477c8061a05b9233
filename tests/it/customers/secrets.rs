//! What customers tell stands nowhere in the clear: neither in the database nor in the log, whatever is called.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::{Value, json};

use super::{acme, id_of, person, update_of};
use crate::harness::app::TestApp;
use crate::harness::process::Process;
use crate::harness::tenant::TestTenant;

/// What is planted, each somewhere in what a customer tells.
const PLANTED: [(&str, &str); 14] = [
    ("/ssn", "ssn-917-55-0143"),
    ("/firstName", "Zanzibarina"),
    ("/lastName", "Quixotessa"),
    ("/fullName", "Zanzibarina Quixotessa"),
    ("/email", "planted.mail@zanzibar.example"),
    ("/tin", "tin-55-4433221"),
    ("/ip_address", "203.0.113.177"),
    ("/address/address1", "77 Planted Lane"),
    ("/tax/idNumber", "tax-88-776655"),
    ("/bankAccountDetails/bankAccountNumber", "IBAN00112233445566"),
    ("/governmentDocuments/0/number", "passport-N0099887"),
    ("/governmentDocuments/0/description", "the planted description"),
    ("/verifiedIDNumber", "gid-4433-2211"),
    ("/customerMetaData/note", "planted metadata"),
];

const PHONE: &str = "+2250712340987";
const PAPER: &str = "the planted paper of a customer";
const REMARKS: &str = "planted remarks of a clerk";

fn plant(body: &mut Value) {
    body["customerMetaData"] = json!({"note": ""});
    for (path, secret) in PLANTED {
        if let Some(field) = body.pointer_mut(path) {
            *field = json!(secret);
        }
    }
    body["phoneNumber"] = json!(PHONE);
    let paper = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", PAPER.as_bytes()].concat();
    body["governmentDocuments"][0]["content"] = json!(STANDARD.encode(paper));
}

/// The ways in which a text could be written: as it is, in hexadecimal, and in base64 wherever in a longer text it begins
/// (what comes before moves it by nothing, one or two bytes of three).
fn ways(secret: &str) -> Vec<String> {
    let inner = |skipped: usize| {
        let rest = &secret.as_bytes()[skipped..];
        STANDARD_NO_PAD.encode(&rest[..rest.len() / 3 * 3])
    };
    [secret.to_owned(), secret.to_lowercase(), hex::encode(secret)].into_iter().chain((0..3).map(inner)).collect()
}

#[test]
fn a_text_is_found_in_base64_wherever_it_begins() {
    for before in ["", "a", "ab", "abc"] {
        let written = STANDARD.encode(format!("{before}Zanzibarina{before}"));
        assert!(ways("Zanzibarina").iter().any(|way| written.contains(way)), "{before}");
    }
}

/// Everything is called, with success and without.
async fn everything_is_called(acme: &TestTenant, badge: uuid::Uuid) -> uuid::Uuid {
    let mut body = person(acme, badge, 1);
    plant(&mut body);
    let keyed = acme.live.with("idempotency-key", "once");
    let customer = id_of(&keyed.post("/tenant/customer", body.clone()).await.expect(201));
    keyed.post("/tenant/customer", body.clone()).await.expect(201);
    acme.live.post("/tenant/customer", body.clone()).await.expect(400);
    for (path, secret) in PLANTED {
        let mut wrong = body.clone();
        if let Some(field) = wrong.pointer_mut(path) {
            *field = json!({secret: [secret, 1]});
        }
        wrong["accountAddress"] = json!(PHONE);
        acme.live.post("/tenant/customer", wrong).await.expect(400);
        acme.live.get(&format!("/tenant/customer/pii-customer-details/{secret}?{secret}")).await;
    }
    super::until_compliance_is(&acme.live, customer, "ACCEPTED").await;
    let mut update = update_of(acme, badge, customer, 1);
    plant(&mut update);
    update["middleName"] = json!("Planted-Middle-Name");
    update["remarks"] = json!(REMARKS);
    acme.live.post("/tenant/customer/update", update).await.expect(202);
    acme.live.get(&format!("/tenant/customer/customer-full-details/{customer}")).await.expect(200);
    let pii = acme.live.get(&format!("/tenant/customer/pii-customer-details/{customer}")).await.expect(200);
    // What was planted is there for who may see it.
    for (path, secret) in PLANTED {
        let shown = !matches!(path, "/fullName" | "/customerMetaData/note" | "/bankAccountDetails/bankAccountNumber");
        assert!(!shown || pii.text.contains(secret), "{path}: {pii}");
    }
    customer
}

#[tokio::test]
async fn nothing_that_customers_tell_reaches_the_log_or_the_database() {
    let app = TestApp::with(|variables| drop(variables.insert("ROLES", "api".to_owned()))).await;
    let (acme, badge) = acme(&app).await;
    let mut variables = app.variables.clone();
    variables.insert("ROLES", "api,worker".to_owned());
    variables.insert("RUST_LOG", "debug".to_owned());
    let mut process = Process::serve(&variables, None).await;
    let acme = acme.at(&process.base_url);
    let customer = everything_is_called(&acme, badge).await;
    super::until_compliance_is(&acme.live, customer, "ACCEPTED").await;
    let database = crate::secrets::dump(&mut app.sql().await).await;
    acme.live.delete(&format!("/tenant/customer/forget/{customer}")).await.expect(200);
    process.terminate();
    process.dies().await;
    let log = process.log();
    assert!(log.len() > 10_000 && database.contains("customer_id"), "{}", log.len());

    let others =
        [("phone", &PHONE[1..]), ("paper", PAPER), ("middle name", "Planted-Middle-Name"), ("remarks", REMARKS)];
    for (what, secret) in PLANTED.into_iter().chain(others) {
        for text in ways(secret) {
            for (place, written) in [("log", &log), ("database", &database)] {
                let line = written.lines().find(|line| line.contains(&text));
                assert!(line.is_none(), "the {what} is in the {place}: {}", line.unwrap());
            }
        }
    }
    assert!(log.contains("insert into customer_profile"), "the log does not tell enough to prove anything");
}
