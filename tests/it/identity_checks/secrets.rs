//! What is told and proven stands nowhere in the clear: neither in the database nor in the log, whatever is called.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::json;

use super::{BEGIN, VALIDATE, begun, example, validate};
use crate::harness::app::TestApp;
use crate::harness::process::Process;

const NUMBER: &str = "2005550142";
const SSN: &str = "565228378";
const BORN: &str = "1971-03-29";
const TARGET: &str = "https://planted.example/target";
const ADDRESS: &str = "203.0.113.178";
const FINGERPRINT: &str = "Zanzibarino-Quixotess";
const DEVICE: &str = "planted-device";

#[tokio::test]
async fn nothing_of_an_identity_check_reaches_the_log_or_the_database() {
    let app = TestApp::with(|variables| drop(variables.insert("ROLES", "api".to_owned()))).await;
    let acme = app.tenant("acme").await;
    let mut variables = app.variables.clone();
    variables.insert("ROLES", "api,worker".to_owned());
    variables.insert("RUST_LOG", "debug".to_owned());
    let mut process = Process::serve(&variables, None).await;
    let acme = acme.at(&process.base_url);
    let device = crate::sign_in::device(&app, &acme, DEVICE).await.at(&process.base_url);
    let mut body = example();
    for (field, planted) in
        [("mobileNumber", NUMBER), ("ssn", SSN), ("dob", BORN), ("finalTargetUrl", TARGET), ("sourceIp", ADDRESS)]
    {
        body[field] = json!(planted);
    }
    for caller in [&acme.live, &acme.test, &device] {
        let keyed = caller.with("idempotency-key", "once");
        let check = begun(&keyed, body.clone()).await;
        let wrong = json!({"vfp": [FINGERPRINT], "requestId": SSN});
        caller.post(VALIDATE, wrong).await.expect(400);
        validate(caller, NUMBER, FINGERPRINT).await.expect(400);
        let proven = json!({"vfp": FINGERPRINT, "requestId": check});
        let answer = caller.with("idempotency-key", "proven").post(VALIDATE, proven).await.expect(202);
        assert!(answer.text.contains("Quixotess") && answer.text.contains(SSN), "{answer}");
        for (field, planted) in [("ssn", NUMBER), ("dob", SSN), ("sourceIp", SSN), ("finalTargetUrl", BORN)] {
            let mut wrong = body.clone();
            wrong[field] = json!({planted: planted});
            caller.post(BEGIN, wrong).await.expect(400);
            caller.get(&format!("{BEGIN}/{planted}?{planted}")).await;
        }
        let open = begun(caller, body.clone()).await;
        validate(caller, &open, "unavailable").await.expect(503);
    }
    process.terminate();
    process.dies().await;
    let (log, dump) = (process.log(), crate::secrets::dump(&mut app.sql().await).await);
    let planted = [
        NUMBER,
        SSN,
        BORN,
        TARGET,
        ADDRESS,
        FINGERPRINT,
        "Zanzibarino",
        "Quixotess",
        "quixotess",
        "South Trail",
        DEVICE,
    ];
    for secret in planted {
        for text in [secret.to_owned(), hex::encode(secret), STANDARD_NO_PAD.encode(secret)] {
            for (place, written) in [("log", &log), ("database", &dump)] {
                let line = written.lines().find(|line| line.contains(&text));
                assert!(line.is_none(), "{secret} is in the {place}: {}", line.unwrap());
            }
        }
    }
    assert!(log.contains("insert into identity_check"), "the log does not tell enough to prove anything");
}
