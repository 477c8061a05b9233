//! Codes by e-mail and by SMS: right once, wrong five times, good for ten minutes.

use chrono::TimeDelta;
use futures::future::join_all;
use serde_json::{Value, json};

use super::refusal;
use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::harness::tenant::{TestTenant, phone};
use crate::harness::until;

const EMAIL: &str = "/tenant/customer/api/otp";
const RECOVERY: &str = "/preauth/recovery/otp";
const TYPE: &str = "Phone number Verification";

/// An app of the tenant's on a device.
pub async fn device(app: &TestApp, tenant: &TestTenant, fingerprint: &str) -> Actor {
    let body = json!({"device_fingerprint": fingerprint, "tenant_id": tenant.id.to_string()});
    let answer = app.nobody().post("/auth/preauth-token", body).await.expect(200);
    Actor::bearer(&app.base_url, answer.json["access_token"].as_str().unwrap())
}

/// The code in the newest message to somebody. An SMS comes after the answer.
pub async fn newest(app: &TestApp, to: &str) -> String {
    until("a message", || sent(app, to)).await
}

/// The code in the newest message to somebody that has been sent so far.
async fn sent(app: &TestApp, to: &str) -> Option<String> {
    let outbox = app.operator().get("/admin/outbox").await.expect(200).json;
    let message = outbox["messages"].as_array().unwrap().iter().find(|message| message["to"] == to)?.clone();
    Some(message["text"].as_str().unwrap()[..6].to_owned())
}

/// Another code than this one.
fn other(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

async fn ask_by_email(caller: &Actor, email: &str) -> Value {
    let answer = caller.post(&format!("{EMAIL}/request"), json!({"email": email})).await.expect(201);
    assert_eq!(answer.json["message"], "OTP has been sent on provided email.");
    answer.json["data"]["verification_request_id"].clone()
}

async fn verify_email(caller: &Actor, id: &Value, otp: &str) -> Answer {
    caller.post(&format!("{EMAIL}/verify"), json!({"otp": otp, "verificationRequestId": id})).await
}

#[tokio::test]
async fn a_code_by_email_is_right_once() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let id = ask_by_email(&acme.live, "jane@example.com").await;
    let code = newest(&app, "jane@example.com").await;

    assert_eq!(
        refusal(&verify_email(&globex.live, &id, &code).await),
        (404, "Email Verification", "No OTP request found")
    );
    assert_eq!(refusal(&verify_email(&acme.test, &id, &code).await).0, 404);
    for malformed in ["", "12345", "1234567", "12345a", "١٢٣٤٥٦"] {
        let answer = verify_email(&acme.live, &id, malformed).await;
        assert_eq!(refusal(&answer), (400, "Email Verification", "Invalid OTP"), "{malformed}");
    }
    let wrong = verify_email(&acme.live, &id, &other(&code)).await;
    assert_eq!(refusal(&wrong), (401, "Email Verification", "OTP expired or incorrect"));
    let right = verify_email(&acme.live, &id, &code).await.expect(201);
    assert_eq!(right.json, json!({"message": "Email verified successfully."}));
    assert_eq!(
        refusal(&verify_email(&acme.live, &id, &code).await),
        (409, "Email Verification", "OTP already verified")
    );
}

#[tokio::test]
async fn a_code_has_five_tries_however_many_at_once_and_ten_minutes() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let id = ask_by_email(&acme.live, "jane@example.com").await;
    let code = newest(&app, "jane@example.com").await;
    let wrong = other(&code);
    let tries = join_all((0..20).map(|_| verify_email(&acme.live, &id, &wrong))).await;
    let count = |status: u16| tries.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(401), count(429)), (5, 15));
    let late = verify_email(&acme.live, &id, &code).await;
    assert_eq!(refusal(&late), (429, "Email Verification", "Too many failed attempts"));

    let id = ask_by_email(&acme.live, "john@example.com").await;
    let code = newest(&app, "john@example.com").await;
    app.app.clock.move_by(TimeDelta::minutes(10));
    let late = verify_email(&acme.live, &id, &code).await;
    assert_eq!(refusal(&late), (400, "Email Verification", "OTP expired or incorrect"));
}

#[tokio::test]
async fn five_codes_for_one_address_in_ten_minutes_are_enough() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    for _ in 0..5 {
        ask_by_email(&acme.live, "jane@example.com").await;
    }
    let sixth = acme.live.post(&format!("{EMAIL}/request"), json!({"email": "JANE@EXAMPLE.com"})).await;
    assert_eq!(refusal(&sixth), (429, "Rate Limit Exceeded", "Too many requests"));
    ask_by_email(&acme.live, "john@example.com").await;
    app.app.clock.move_by(TimeDelta::minutes(11));
    ask_by_email(&acme.live, "jane@example.com").await;
}

#[tokio::test]
async fn a_repetition_is_the_same_request_and_sends_one_mail() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let once = acme.live.with("idempotency-key", "code-1");
    let first = ask_by_email(&once, "jane@example.com").await;
    assert_eq!(ask_by_email(&once, "jane@example.com").await, first);
    let outbox = app.operator().get("/admin/outbox").await.expect(200).json;
    assert_eq!(outbox["messages"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_no_address_gets_no_code_and_a_test_keys_code_is_known() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let two = ["jane@example.com\r\nBcc: john@example.com", "jane@example.com\r\nBcc: john@[127.0.0.1]"];
    for wrong in ["", "jane", "jane@", "@example.com", "jane@127.0.0.1"].into_iter().chain(two) {
        let answer = acme.live.post(&format!("{EMAIL}/request"), json!({"email": wrong})).await;
        assert_eq!(refusal(&answer), (400, "Email Verification", "OTP generation got failed."), "{wrong}");
    }
    let id = ask_by_email(&acme.test, "jane@example.com").await;
    assert_eq!(sent(&app, "jane@example.com").await, None, "nothing is sent for a test key");
    verify_email(&acme.test, &id, "123456").await.expect(201);
}

#[tokio::test]
async fn a_customer_who_lost_the_way_proves_the_phone_number_from_one_device() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.customer(&phone(1)).await;
    let (mine, theirs) = (device(&app, &acme, "mine").await, device(&app, &acme, "theirs").await);

    let begun = mine.post(&format!("{RECOVERY}/initiate"), json!({"phoneNumber": phone(1)})).await.expect(200);
    assert_eq!(begun.json["message"], "An OTP has been sent to the provided phone number.");
    let id = &begun.json["data"]["verificationRequestId"];
    let code = newest(&app, &phone(1)).await;
    let verify = async |device: &Actor, number: u32, otp: &str| recover(device, id, &phone(number), otp).await;
    // Another tenant's app, even on the same device.
    let elsewhere = device(&app, &app.tenant("globex").await, "mine").await;
    for stranger in [&theirs, &elsewhere] {
        assert_eq!(refusal(&verify(stranger, 1, &code).await), (404, TYPE, "No OTP request found"));
    }
    assert_eq!(refusal(&verify(&mine, 2, &code).await), (404, TYPE, "No OTP request found"));
    assert_eq!(refusal(&verify(&mine, 1, &other(&code)).await), (400, TYPE, "Incorrect or expired OTP"));
    let right = verify(&mine, 1, &code).await.expect(200);
    assert_eq!(right.json, json!({"message": "Email verified successfully."}));
    assert_eq!(refusal(&verify(&mine, 1, &code).await), (409, TYPE, "This OTP request is already verified."));

    // Whether a number is a customer's is not told.
    let stranger = mine.post(&format!("{RECOVERY}/initiate"), json!({"phoneNumber": phone(7)})).await.expect(200);
    assert_eq!(stranger.json["message"], begun.json["message"]);
    assert_eq!(sent(&app, &phone(7)).await, None);
    let id = &stranger.json["data"]["verificationRequestId"];
    for _ in 0..5 {
        let body = json!({"verificationRequestId": id, "phoneNumber": phone(7), "otp": "000000"});
        assert_eq!(mine.post(&format!("{RECOVERY}/verify"), body).await.status, 400);
    }
    let body = json!({"verificationRequestId": id, "phoneNumber": phone(7), "otp": "000000"});
    let spent = mine.post(&format!("{RECOVERY}/verify"), body).await;
    assert_eq!(refusal(&spent), (403, TYPE, "Too many failed attempts"));

    let answer = mine.post(&format!("{RECOVERY}/initiate"), json!({"phoneNumber": "123"})).await;
    assert_eq!(refusal(&answer), (400, "catch", "OTP generation failed."));
    let nowhere = app.nobody().post("/auth/preauth-token", json!({"device_fingerprint": "x"})).await.expect(200).json;
    let nowhere = Actor::bearer(&app.base_url, nowhere["access_token"].as_str().unwrap());
    nowhere.post(&format!("{RECOVERY}/initiate"), json!({"phoneNumber": phone(1)})).await.expect(403);
}

/// Tries a code.
async fn recover(device: &Actor, id: &Value, phone: &str, otp: &str) -> Answer {
    let body = json!({"verificationRequestId": id, "phoneNumber": phone, "otp": otp});
    device.post(&format!("{RECOVERY}/verify"), body).await
}

#[tokio::test]
async fn a_customer_who_was_onboarded_and_has_no_wallet_of_ours_recovers_as_documented() {
    let app = TestApp::new().await;
    let (acme, badge) = crate::customers::acme(&app).await;
    let mine = device(&app, &acme, "mine").await;
    // The documented numbers: of recovery, and of onboarding, which is in no numbering plan.
    for (index, number) in [(1, "+919876543210"), (2, "+91123456789")] {
        let mut person = crate::customers::person(&acme, badge, index);
        person["phoneNumber"] = json!(number);
        crate::customers::onboard(&acme.live, &person).await.expect(201);
        let begun = mine.post(&format!("{RECOVERY}/initiate"), json!({"phoneNumber": number})).await.expect(200);
        assert_eq!(begun.json["message"], "An OTP has been sent to the provided phone number.");
        let id = &begun.json["data"]["verificationRequestId"];
        let code = newest(&app, number).await;
        recover(&mine, id, number, &code).await.expect(200);
    }
}

#[tokio::test]
async fn a_recovery_code_is_good_for_ten_minutes() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.customer(&phone(1)).await;
    let mine = device(&app, &acme, "mine").await;
    let begun = mine.post(&format!("{RECOVERY}/initiate"), json!({"phoneNumber": phone(1)})).await.expect(200);
    let id = &begun.json["data"]["verificationRequestId"];
    let code = newest(&app, &phone(1)).await;
    app.app.clock.move_by(TimeDelta::minutes(10));
    let late = recover(&mine, id, &phone(1), &code).await;
    assert_eq!(refusal(&late), (400, TYPE, "Incorrect or expired OTP"));
}

#[tokio::test]
async fn nothing_is_kept_of_codes_that_were_sent_to_who_is_forgotten_or_long_ago() {
    let app = TestApp::new().await;
    let (acme, badge) = crate::customers::acme(&app).await;
    let mut person = crate::customers::person(&acme, badge, 1);
    person["email"] = json!("Jane@Example.com");
    let customer = crate::customers::id_of(&crate::customers::onboard(&acme.live, &person).await.expect(201));
    let mine = device(&app, &acme, "mine").await;
    for number in [phone(1), phone(2)] {
        mine.post(&format!("{RECOVERY}/initiate"), json!({"phoneNumber": number})).await.expect(200);
    }
    for (caller, email) in
        [(&acme.live, "jane@example.com"), (&mine, "jane@example.com"), (&acme.live, "x@example.com")]
    {
        ask_by_email(caller, email).await;
    }
    let kept = async || -> i64 {
        sqlx::query_scalar("select count(*) from one_time_code").fetch_one(&mut app.sql().await).await.unwrap()
    };
    assert_eq!(kept().await, 5);
    acme.live.delete(&format!("/tenant/customer/forget/{customer}")).await.expect(200);
    assert_eq!(kept().await, 2, "another number's and another address's");
    assert_eq!(app.app.codes.purge(&app.app.db).await.unwrap(), 0);
    app.app.clock.move_by(TimeDelta::minutes(71));
    assert_eq!(app.app.codes.purge(&app.app.db).await.unwrap(), 2);
    assert_eq!(kept().await, 0);
    let query = "select count(*) from job where kind = 'purge_one_time_codes'";
    let jobs: i64 = sqlx::query_scalar(query).fetch_one(&mut app.sql().await).await.unwrap();
    assert!(jobs >= 1, "nobody does it every hour");
}

#[tokio::test]
async fn a_mail_that_the_server_does_not_take_is_said_and_a_repetition_sends_it() {
    let (port, heard) = crate::carriers::smtp_server().await;
    let app = TestApp::with(|variables| {
        variables.insert("MAIL_PROVIDER", "smtp".to_owned());
        variables.insert("SMTP_URL", format!("smtp://127.0.0.1:{port}"));
        variables.insert("MAIL_FROM", "Acme <no-reply@acme.example>".to_owned());
    })
    .await;
    let acme = app.tenant("acme").await;
    let once = acme.live.with("idempotency-key", "code-1");
    let ask = async |email: &str| once.post(&format!("{EMAIL}/request"), json!({"email": email})).await;
    let refused = ask("busy@testemail.com").await;
    assert_eq!(refusal(&refused), (400, "Email Verification", "OTP generation got failed."));
    let sent = ask("busy@testemail.com").await.expect(201);
    assert_eq!(ask("busy@testemail.com").await.json, sent.json);
    assert_eq!(heard.lock().unwrap().len(), 1);
    // The documented example.
    ask_by_email(&acme.live, "email@testemail.com").await;
    let mail = heard.lock().unwrap()[1].clone();
    assert!(mail.contains("To: email@testemail.com"), "{mail}");
}

#[tokio::test]
async fn where_nobody_carries_messages_it_is_said_and_there_is_no_outbox() {
    let app = TestApp::with(|variables| {
        variables.insert("SMS_PROVIDER", "none".to_owned());
        variables.insert("MAIL_PROVIDER", "none".to_owned());
    })
    .await;
    let acme = app.tenant("acme").await;
    acme.customer(&phone(1)).await;
    let mine = device(&app, &acme, "mine").await;
    for number in [1, 7] {
        let answer = mine.post(&format!("{RECOVERY}/initiate"), json!({"phoneNumber": phone(number)})).await;
        assert_eq!(refusal(&answer), (500, "Phone number Verification", "Failed to send OTP via SMS"));
    }
    let answer = acme.live.post(&format!("{EMAIL}/request"), json!({"email": "jane@example.com"})).await;
    assert_eq!(refusal(&answer), (400, "Email Verification", "OTP generation got failed."));
    app.operator().get("/admin/outbox").await.expect(404);
}
