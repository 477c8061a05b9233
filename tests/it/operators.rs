//! Operators at a browser: a password lets them look, not act.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use diolkos::auth::hash_password;
use serde_json::json;

use crate::harness::actor::Actor;
use crate::harness::app::TestApp;

#[tokio::test]
async fn an_operator_looks_with_the_password_and_acts_with_the_token() {
    let app = TestApp::with(|variables| {
        let hash = hash_password(&"correct horse battery".into()).unwrap();
        variables.insert("OPERATOR_PASSWORD_HASH", hash);
    })
    .await;
    let basic =
        |text: &str| Actor::new(&app.base_url, &[("authorization", &format!("Basic {}", STANDARD.encode(text)))]);
    let browser = basic("operator:correct horse battery");

    browser.get("/admin/tenants").await.expect(200);
    let refused = browser.post("/admin/tenants", json!({"namespace": "acme.ul", "name": "Acme"})).await;
    assert_eq!((refused.status, refused.error()), (403, "token_required"));
    let id = uuid::Uuid::now_v7();
    let refused = browser.post(&format!("/v1/dashboard/treasury/topup/topup_{}/confirm", id.simple()), json!({})).await;
    assert_eq!(refused.status, 401, "{refused}");

    let asked = basic("operator:wrong").get("/admin/tenants").await.expect(401);
    let challenges: Vec<_> = asked.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(challenges, ["Bearer", "Basic realm=\"operators\""]);
    app.operator().post("/admin/tenants", json!({"namespace": "acme.ul", "name": "Acme"})).await.expect(201);
}

#[tokio::test]
async fn an_address_that_guesses_the_password_is_stopped() {
    let app = TestApp::with(|variables| {
        let hash = hash_password(&"correct horse battery".into()).unwrap();
        variables.insert("OPERATOR_PASSWORD_HASH", hash);
    })
    .await;
    let guesses = (0..40).map(|number| {
        let text = format!("Basic {}", STANDARD.encode(format!("operator:guess {number}")));
        let guesser = Actor::new(&app.base_url, &[("authorization", &text)]);
        async move { guesser.get("/admin/tenants").await.status }
    });
    let statuses = futures::future::join_all(guesses).await;
    let stopped = statuses.iter().filter(|status| **status == 429).count();
    assert!(stopped >= 10 && statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
    app.operator().get("/admin/tenants").await.expect(200);
}
