//! Neither a code nor to whom it was sent stands in the database or in the log.

use serde_json::json;

use super::codes::{device, newest};
use crate::harness::app::TestApp;
use crate::harness::process::Process;
use crate::secrets::dump;

const EMAIL: &str = "planted.code@zanzibar.example";
const PHONE: &str = "+2250712340986";

/// Whether a code stands there for itself: not as a part of a longer number, a digest or a time.
fn has_code(text: &str, code: &str) -> bool {
    let is_apart = |byte: Option<u8>| byte.is_none_or(|byte| !byte.is_ascii_hexdigit() && byte != b'.' && byte != b'-');
    text.match_indices(code).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|before| text.as_bytes().get(before).copied());
        is_apart(before) && is_apart(text.as_bytes().get(at + code.len()).copied())
    })
}

#[tokio::test]
async fn a_code_and_to_whom_it_was_sent_are_written_nowhere() {
    let mut app = TestApp::with(|variables| drop(variables.insert("ROLES", "api".to_owned()))).await;
    let mut acme = app.tenant("acme").await;
    acme.customer(PHONE).await;
    let mut variables = app.variables.clone();
    variables.insert("RUST_LOG", "debug".to_owned());
    let mut process = Process::serve(&variables, None).await;
    (app.base_url, acme) = (process.base_url.clone(), acme.at(&process.base_url));
    let mine = device(&app, &acme, "planted-device").await;

    let begun = mine.post("/preauth/recovery/otp/initiate", json!({"phoneNumber": PHONE})).await.expect(200);
    let by_sms = newest(&app, PHONE).await;
    let id = &begun.json["data"]["verificationRequestId"];
    for otp in ["000000", &by_sms, &by_sms] {
        let body = json!({"verificationRequestId": id, "phoneNumber": PHONE, "otp": otp});
        mine.post("/preauth/recovery/otp/verify", body).await;
    }
    let begun = mine.post("/tenant/customer/api/otp/request", json!({"email": EMAIL})).await.expect(201);
    let by_mail = newest(&app, EMAIL).await;
    for otp in ["000000", &by_mail, &by_mail, "wrong"] {
        let body = json!({"verificationRequestId": begun.json["data"]["verification_request_id"], "otp": otp});
        mine.post("/tenant/customer/api/otp/verify", body).await;
    }

    process.terminate();
    process.dies().await;
    let places = [("database", dump(&mut app.sql().await).await), ("log", process.log())];
    for (place, text) in places {
        assert!(text.len() > 10_000, "the {place} says too little to prove anything");
        for secret in [EMAIL, &EMAIL.to_uppercase(), &PHONE[1..], &hex::encode(EMAIL), &hex::encode(PHONE)] {
            assert!(!text.contains(secret), "{secret} is in the {place}");
        }
        for code in [&by_sms, &by_mail] {
            let line = text.lines().find(|line| has_code(line, code));
            assert!(line.is_none(), "a code is in the {place}: {}", line.unwrap());
        }
    }
}
