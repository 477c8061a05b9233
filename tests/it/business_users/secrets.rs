//! What businesses tell stands nowhere in the clear: neither in the database nor in the log, whatever is called.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::json;

use super::{ONBOARD, acme, business, id_of, onboard, until_compliance_is};
use crate::harness::app::TestApp;
use crate::harness::process::Process;

/// What is planted, each somewhere in what a business tells.
const PLANTED: [(&str, &str); 17] = [
    ("/businessUserLegalName", "Zanzibar Trading Quixotes"),
    ("/businessUserName", "Quixotic Zanzibar"),
    ("/domain", "zanzibar-planted-domain"),
    ("/businessUserEmail", "planted.business@zanzibar.example"),
    ("/businessUserAddress/address1", "77 Planted Wharf"),
    ("/taxId", "tax-88-776657"),
    ("/bankVerificationNumber", "bvn-00998877"),
    ("/phoneNumber", "2005550199"),
    ("/memoFields/value", "a planted memo"),
    ("/controlPersons/firstName", "Zanzibarissa"),
    ("/controlPersons/emailAddress", "planted.boss@zanzibar.example"),
    ("/controlPersons/taxIdNumber", "ssn-917-55-0144"),
    ("/signatories/0/lastName", "Quixotella"),
    ("/entityBeneficialOwners/0/legalName", "Planted Holding Quixotes"),
    ("/entityBeneficialOwners/0/individualBeneficialOwners/0/lastName", "Quixotarius"),
    ("/individualBeneficialOwners/0/email", "planted.owner@zanzibar.example"),
    ("/governingDocuments/0/fileName", "planted-charter-of-quixotes.png"),
];

const PAPER: &str = "the planted paper of a business";

#[tokio::test]
async fn nothing_that_businesses_tell_reaches_the_log_or_the_database() {
    let app = TestApp::with(|variables| drop(variables.insert("ROLES", "api".to_owned()))).await;
    let (acme, badge) = acme(&app).await;
    let mut variables = app.variables.clone();
    variables.insert("ROLES", "api,worker".to_owned());
    variables.insert("RUST_LOG", "debug".to_owned());
    let mut process = Process::serve(&variables, None).await;
    let acme = acme.at(&process.base_url);
    let mut body = business(badge, 1);
    for (path, secret) in PLANTED {
        let (parent, field) = path.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[field] = json!(secret);
    }
    let paper = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", PAPER.as_bytes()].concat();
    body["entityBeneficialOwners"][0]["individualBeneficialOwners"][0]["identification"]["content"] =
        json!(STANDARD.encode(paper));
    let keyed = acme.live.with("idempotency-key", "once");
    let id = id_of(&onboard(&keyed, &body).await.expect(201));
    onboard(&keyed, &body).await.expect(201);
    onboard(&acme.live, &body).await.expect(400);
    for (path, secret) in PLANTED {
        let mut wrong = body.clone();
        let (parent, field) = path.rsplit_once('/').unwrap();
        wrong.pointer_mut(parent).unwrap()[field] = json!({secret: [secret, 1]});
        onboard(&acme.live, &wrong).await.expect(400);
        acme.live.get(&format!("{ONBOARD}/{}?{secret}", secret.replace(' ', ""))).await;
    }
    until_compliance_is(&acme.live, id, "ACCEPTED").await;
    let told = acme.live.get(&format!("{ONBOARD}/{id}")).await.expect(200);
    for (path, secret) in PLANTED {
        assert!(told.text.contains(secret), "{path}: {told}");
    }
    let before = crate::secrets::dump(&mut app.sql().await).await;
    acme.live.delete(&format!("/tenant/customer/forget/{id}")).await.expect(200);
    process.terminate();
    process.dies().await;
    let (log, after) = (process.log(), crate::secrets::dump(&mut app.sql().await).await);
    for (what, secret) in PLANTED.into_iter().chain([("paper", PAPER)]) {
        for text in [secret.to_owned(), hex::encode(secret), STANDARD_NO_PAD.encode(secret), secret.to_lowercase()] {
            for (place, written) in [("log", &log), ("database", &before), ("database afterwards", &after)] {
                let line = written.lines().find(|line| line.contains(&text));
                assert!(line.is_none(), "{what} is in the {place}: {}", line.unwrap());
            }
        }
    }
    assert!(log.contains("insert into business_user"), "the log does not tell enough to prove anything");
}
