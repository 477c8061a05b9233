//! What strangers may do: little, and nothing at others' cost.

use alloy::signers::local::PrivateKeySigner;
use futures::future::join_all;
use serde_json::json;

use super::codes::{device, newest};
use super::{WRONG, challenge, knows, refusal, sign, sign_in, token, typed};
use crate::harness::actor::Actor;
use crate::harness::app::TestApp;
use crate::harness::tenant::{TestTenant, phone};

const REQUEST: &str = "/tenant/customer/api/otp/request";
const TOO_MANY: (u16, &str, &str) = (429, "Rate Limit Exceeded", "Too many requests");

async fn ask(caller: &Actor, email: &str) -> crate::harness::actor::Answer {
    caller.post(REQUEST, json!({"email": email})).await
}

fn refusal_or_none(answer: &crate::harness::actor::Answer) -> Option<(u16, &str, &str)> {
    (answer.status >= 400).then(|| refusal(answer))
}

#[tokio::test]
async fn one_address_gets_sixty_tokens_a_minute() {
    let app = TestApp::new().await;
    let nobody = app.nobody();
    let fingerprint = |number: usize| json!({"device_fingerprint": format!("device-{number}")});
    for number in 0..60 {
        nobody.post("/auth/preauth-token", fingerprint(number)).await.expect(200);
    }
    // One more a second.
    let more = join_all((60..90).map(|number| nobody.post("/auth/preauth-token", fingerprint(number)))).await;
    assert!(more.iter().filter(|answer| refusal_or_none(answer) == Some(TOO_MANY)).count() >= 10);
}

#[tokio::test]
async fn who_knows_what_a_device_calls_itself_uses_up_nothing_of_it() {
    let app = TestApp::with(|variables| drop(variables.insert("TRUSTED_PROXIES", "1".to_owned()))).await;
    let acme = app.tenant("acme").await;
    let at = |address: &str| app.nobody().with("x-forwarded-for", address);
    let body = json!({"device_fingerprint": "victim", "tenant_id": acme.id.to_string()});
    let mut last = at("203.0.113.9").post("/auth/preauth-token", body.clone()).await.expect(200);
    let bearer = format!("Bearer {}", last.json["access_token"].as_str().unwrap());
    while last.status == 200 {
        last = at("203.0.113.9").post("/auth/preauth-token", body.clone()).await;
    }
    assert_eq!(refusal(&last), TOO_MANY);
    at("198.51.100.7").post("/auth/preauth-token", body).await.expect(200);

    let ask = async |address: &str, email: &str| {
        ask(&at(address).with("authorization", &bearer), &format!("{email}@example.com")).await
    };
    for email in ["a", "b", "c", "d", "e"] {
        ask("203.0.113.9", email).await.expect(201);
    }
    assert_eq!(refusal(&ask("203.0.113.9", "f").await), TOO_MANY);
    ask("198.51.100.7", "f").await.expect(201);
}

#[tokio::test]
async fn a_device_recovers_and_tries_codes_so_often_a_minute() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let mine = device(&app, &acme, "mine").await;
    let initiate =
        async |number: u32| mine.post("/preauth/recovery/otp/initiate", json!({"phoneNumber": phone(number)})).await;
    for number in 1..=5 {
        initiate(number).await.expect(200);
    }
    assert_eq!(refusal(&initiate(6).await), TOO_MANY);

    let verify = async || {
        let body = json!({
            "verificationRequestId": uuid::Uuid::now_v7(), "phoneNumber": phone(1), "otp": "123456",
        });
        mine.post("/preauth/recovery/otp/verify", body).await
    };
    for _ in 0..20 {
        verify().await.expect(404);
    }
    // One more every three seconds.
    let more = join_all((0..5).map(|_| verify())).await;
    assert!(more.iter().filter(|answer| refusal(answer) == TOO_MANY).count() >= 3);
}

#[tokio::test]
async fn devices_have_few_codes_sent_and_none_of_them_is_the_tenants() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let devices = join_all((0..5).map(|number| device(&app, &acme, ["a", "b", "c", "d", "e"][number]))).await;
    for _ in 0..5 {
        ask(&devices[0], "jane@example.com").await.expect(201);
    }
    assert_eq!(refusal(&ask(&devices[0], "john@example.com").await), TOO_MANY, "of a device");
    assert_eq!(refusal(&ask(&devices[1], "JANE@example.com").await), TOO_MANY, "for a mailbox");
    ask(&acme.live, "jane@example.com").await.expect(201);
    // Seven of the address's twenty are gone, and there is one more every three seconds.
    let mails: Vec<_> = (0..20).map(|number| format!("jill{number}@example.com")).collect();
    let asked = mails.iter().zip(devices[1..].iter().cycle()).map(|(email, device)| ask(device, email));
    let refused = join_all(asked).await.iter().filter(|answer| refusal_or_none(answer) == Some(TOO_MANY)).count();
    assert!((2..=7).contains(&refused), "of an address: {refused}");
}

#[tokio::test]
async fn a_devices_repetitions_are_not_the_tenants() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let keyed = |actor: &Actor| actor.with("idempotency-key", "order-1001");
    let (mine, theirs) = (device(&app, &acme, "mine").await, device(&app, &acme, "theirs").await);
    let first = ask(&keyed(&mine), "jane@example.com").await.expect(201);
    assert_eq!(ask(&keyed(&mine), "jane@example.com").await.expect(201).json, first.json);
    assert_ne!(ask(&keyed(&theirs), "jane@example.com").await.expect(201).json, first.json);
    ask(&keyed(&acme.live), "john@example.com").await.expect(201);
}

#[tokio::test]
async fn a_verification_that_is_repeated_has_the_first_answer() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let id = ask(&acme.live, "jane@example.com").await.expect(201).json["data"]["verification_request_id"].clone();
    let otp = newest(&app, "jane@example.com").await;
    let verify = || async {
        let body = json!({"otp": otp, "verificationRequestId": id});
        acme.live.with("idempotency-key", "v-1").post("/tenant/customer/api/otp/verify", body).await
    };
    verify().await.expect(201);
    let again = verify().await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), "true");
}

#[tokio::test]
async fn thirty_signatures_a_minute_are_asked_of_the_chain_and_a_keys_own_always_count() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let (jane, john) = (PrivateKeySigner::random(), PrivateKeySigner::random());
    knows(&app, &acme, 1, jane.address()).await;
    let mut tries = 0;
    loop {
        let asked = challenge(&app, jane.address()).await;
        let forged = sign(&john, typed(&asked["message"], 137, "1"));
        match refusal(&token(&app, jane.address(), &asked, &forged).await) {
            WRONG => tries += 1,
            refused => break assert_eq!(refused, TOO_MANY),
        }
    }
    assert!((30..60).contains(&tries), "{tries}");
    sign_in(&app, &jane).await;
}

/// A customer's request: the words in which the tenant asks for consent.
async fn asks(app: &TestApp, tenant: &TestTenant, headers: &[(&str, &str)]) -> (u16, String) {
    let actor = Actor::new(&app.base_url, headers);
    let answer = actor.get(&format!("/consent/consent-message/{}", tenant.id)).await;
    (answer.status, answer.text)
}

#[tokio::test]
async fn a_wallets_token_comes_in_either_header_and_says_which_tenant_where_several_know_it() {
    let app = TestApp::new().await;
    let (acme, globex, initech) = (app.tenant("acme").await, app.tenant("globex").await, app.tenant("initech").await);
    let jane = PrivateKeySigner::random();
    knows(&app, &acme, 1, jane.address()).await;
    let token = sign_in(&app, &jane).await;
    let bearer = format!("Bearer {token}");
    for header in [("access-token", &*token), ("access-token", &*bearer), ("authorization", &*bearer)] {
        let (status, text) = asks(&app, &acme, &[header]).await;
        assert_eq!(status, 200, "{} {text}", header.0);
    }
    assert_eq!(asks(&app, &acme, &[("access-token", "x.y.z")]).await.0, 401);
    assert_eq!(asks(&app, &initech, &[("access-token", &token), ("tenant-id", &initech.id.to_string())]).await.0, 403);

    // A test customer elsewhere changes nothing for a live one.
    let rehearsed = globex.test.post("/v1/users/provision", json!({"phone_number": phone(1)})).await.expect(200);
    let wallet: alloy::primitives::Address = rehearsed.json["wallet_address"].as_str().unwrap().parse().unwrap();
    let query = "update wallet set address = $1 where tenant_id = $2 and address = $3";
    let query = sqlx::query(query).bind(jane.address().as_slice().to_vec()).bind(globex.id.0).bind(wallet.to_vec());
    query.execute(&mut app.sql().await).await.unwrap();
    assert_eq!(asks(&app, &acme, &[("access-token", &token)]).await.0, 200);

    knows(&app, &initech, 1, jane.address()).await;
    assert_eq!(asks(&app, &acme, &[("access-token", &token)]).await.0, 403, "which of the two?");
    let named = [("access-token", &*token), ("tenant-id", &*acme.id.to_string())];
    assert_eq!(asks(&app, &acme, &named).await.0, 200);
}

#[tokio::test]
async fn who_names_no_tenant_is_told_so_in_the_documented_words() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let ask_at = async |tenant: &str| {
        let actor = Actor::new(&app.base_url, &[("api-key", &acme.live_key), ("tenant-id", tenant)]);
        ask(&actor, "jane@example.com").await
    };
    ask_at(&acme.id.to_string()).await.expect(201);
    assert_eq!(refusal(&ask_at("acme").await), (400, "Invalid UUID", "Please provide valid tenant id"));
    let nobodys = uuid::Uuid::now_v7().to_string();
    assert_eq!(refusal(&ask_at(&nobodys).await), (400, "Tenant", "Tenant not found"));
    let globex = app.tenant("globex").await;
    assert_eq!(ask_at(&globex.id.to_string()).await.status, 401);
}
