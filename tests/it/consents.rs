//! Consents (`spec/wallet-api-2.8.0.md`, `4.0.0`): the words, who consented to them, and when that no longer counts.

use insta::{allow_duplicates, assert_snapshot};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::harness::tenant::{TestTenant, phone};

const STATUS: &str = "/consent/consent-status";
pub const ACCEPT: &str = "/consent/accept-consent";
const TERMS: &str = "/consent/fetch-tnc";
const ACH: &str = "subCategory=Deposits&type=ACH&paymentPartner=PLAID";

/// A customer of a tenant, signed in.
struct Jane {
    id: Uuid,
    wallet: String,
    actor: Actor,
}

async fn customer(app: &TestApp, tenant: &TestTenant, number: u32) -> Jane {
    let address = tenant.customer(&phone(number)).await;
    let owner = sqlx::query_scalar("select customer_id from wallet where tenant_id = $1 and address = $2");
    let id = owner.bind(tenant.id.0).bind(address.as_slice()).fetch_one(&mut app.sql().await).await.unwrap();
    let token = app.app.auth.jwt().issue_wallet(address, app.app.clock.now()).unwrap();
    Jane { id, wallet: address.to_string(), actor: Actor::bearer(&app.base_url, token.expose_secret()) }
}

/// What the vendor of ACH deposits has a tenant's customers consent to.
pub async fn words(caller: &Actor, tenant: &TestTenant) -> Value {
    let answer = caller.get(&format!("/consent/consent-message/{}?{ACH}", tenant.id)).await.expect(200);
    answer.json["data"].clone()
}

async fn accept(caller: &Actor, of: Option<Uuid>, words: &Value, status: &str) -> Answer {
    let mut body = json!({
        "dssVendorId": words["dssId"], "consentStatus": status, "consentVersion": words["currentActiveVersion"],
        "type": "ACH",
    });
    if let Some(of) = of {
        body["customerAccountId"] = json!(of);
    }
    caller.post(ACCEPT, body).await
}

async fn status(caller: &Actor, more: &str) -> Answer {
    caller.get(&format!("{STATUS}?{ACH}{more}")).await
}

fn vendors(tenant: &TestTenant) -> String {
    format!("/admin/tenants/{}/consent-vendors", tenant.id)
}

async fn publish(app: &TestApp, tenant: &TestTenant, vendor: &Value, version: &str) -> Answer {
    let path = format!("{}/{}/messages", vendors(tenant), vendor.as_str().unwrap());
    app.operator().post(&path, json!({"version": version, "message": format!("words of {version}")})).await
}

#[tokio::test]
async fn the_words_that_consent_is_asked_in_are_shown_to_the_tenant_and_its_customers() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = customer(&app, &acme, 1).await;
    let path = format!("/consent/consent-message/{}", acme.id);
    for caller in [&acme.live, &acme.test, &jane.actor] {
        for query in ["", "?subCategory=Deposits&type=ACH&paymentPartner=PLAID", "?type=ACH"] {
            let answer = caller.get(&format!("{path}{query}")).await.expect(200);
            assert_eq!(answer.json["message"], "Vendor consent details fetched successfully");
            let data = answer.json["data"].as_object().unwrap();
            let keys: Vec<_> = data.keys().map(String::as_str).collect();
            assert_eq!(keys, ["consentMessage", "currentActiveVersion", "dssId", "vendorName"]);
            assert_eq!((&data["vendorName"], &data["currentActiveVersion"]), (&json!("Plaid Inc."), &json!("v1.0.0")));
            assert!(data["dssId"].as_str().unwrap().starts_with("dss_"));
        }
        let none = caller.get(&format!("{path}?type=LOTTERY")).await;
        allow_duplicates! { assert_snapshot!(none, @r#"404 {"message":"No data found","type":"Consent"}"#); }
        let twice = caller.get(&format!("{path}?type=ACH&type=ACH")).await;
        allow_duplicates! { assert_snapshot!(twice, @r#"400 {"errors":{"message":"Something went wrong, please try again","type":"catch"}}"#); }
    }
    let globex = app.tenant("globex").await;
    for (caller, path) in [
        (&acme.live, format!("/consent/consent-message/{}", globex.id)),
        (&jane.actor, format!("/consent/consent-message/{}", globex.id)),
        (&acme.live, "/consent/consent-message/acme.ul".to_owned()),
    ] {
        let answer = caller.get(&path).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"403 {"errors":[{"message":"Access denied for this resource","type":"Access control"}]}"#); }
    }
    assert_eq!(app.nobody().get(&path).await.status, 401);
}

#[tokio::test]
async fn a_customers_consent_is_valid_until_the_words_change() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = customer(&app, &acme, 1).await;
    let first = words(&jane.actor, &acme).await;
    let of_jane = format!("&customerAccountId={}", jane.id);
    for answer in [status(&jane.actor, "").await, status(&acme.live, &of_jane).await] {
        allow_duplicates! { assert_snapshot!(answer, @r#"404 {"errors":{"message":"No consent is available, please accept the consent","type":"No data found"}}"#); }
    }

    let given = accept(&jane.actor, None, &first, "ACCEPTED").await;
    assert_snapshot!(given.redacted(), @r#"201 {"data":{"customerConsentId":"[uuid]","customerAccountId":"[uuid]","dssVendorId":"dss_[id]","consentStatus":"ACCEPTED","consentVersion":"v1.0.0","createdAt":"[time]","updatedAt":"[time]"},"message":"Customer consent updated successfully"}"#);
    assert_eq!(given.json["data"]["customerAccountId"], jane.id.to_string());
    let by_wallet = format!("&accountAddress={}", jane.wallet);
    for answer in [
        status(&jane.actor, "").await,
        status(&jane.actor, &of_jane).await,
        status(&acme.live, &of_jane).await,
        status(&acme.live, &by_wallet).await,
        status(&acme.live, &format!("{of_jane}{by_wallet}")).await,
    ] {
        allow_duplicates! { assert_snapshot!(answer, @r#"200 {"data":{"latestConsentVersion":"v1.0.0"},"message":["Consent is accepted"]}"#); }
    }
    // Again: nothing is added.
    assert_eq!(accept(&jane.actor, None, &first, "ACCEPTED").await.expect(201).text, given.text);

    // Beside a token, what is no tenant's id is refused in the documented words.
    let wrong = jane.actor.with("tenant-id", "x");
    for answer in [
        status(&wrong, "").await,
        wrong.get(&format!("/consent/consent-message/{}?{ACH}", acme.id)).await,
        accept(&wrong, None, &first, "ACCEPTED").await,
    ] {
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"errors":{"message":"Something went wrong, please try again","type":"catch"}}"#); }
    }

    publish(&app, &acme, &first["dssId"], "v1.0.1").await.expect(201);
    assert_snapshot!(status(&jane.actor, "").await, @r#"200 {"data":{"latestConsentVersion":"v1.0.1"},"message":["Consent is not valid. Please accept the consent"]}"#);
    let outdated = accept(&jane.actor, None, &first, "ACCEPTED").await;
    assert_snapshot!(outdated, @r#"400 {"errors":{"message":"Something went wrong, please try again","type":"catch"}}"#);
    let second = words(&jane.actor, &acme).await;
    assert_eq!((&second["consentMessage"], &second["dssId"]), (&json!("words of v1.0.1"), &first["dssId"]));
    accept(&acme.live, Some(jane.id), &second, "ACCEPTED").await.expect(201);
    assert_snapshot!(status(&jane.actor, "").await, @r#"200 {"data":{"latestConsentVersion":"v1.0.1"},"message":["Consent is accepted"]}"#);

    accept(&jane.actor, None, &second, "REJECTED").await.expect(201);
    assert_snapshot!(status(&jane.actor, "").await, @r#"200 {"data":{"latestConsentVersion":"v1.0.1"},"message":["Consent is not valid. Please accept the consent"]}"#);
    accept(&jane.actor, None, &second, "ACCEPTED").await.expect(201);
    assert!(status(&jane.actor, "").await.text.contains("Consent is accepted"));
}

#[tokio::test]
async fn a_tenants_own_consent_is_not_its_customers() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = customer(&app, &acme, 1).await;
    let words = words(&acme.live, &acme).await;
    let given = accept(&acme.live, None, &words, "ACCEPTED").await.expect(201);
    assert_eq!(given.json["data"]["customerAccountId"], Value::Null);
    assert_snapshot!(status(&acme.live, "").await, @r#"200 {"data":{"latestConsentVersion":"v1.0.0"},"message":["Consent is accepted"]}"#);
    status(&jane.actor, "").await.expect(404);
    status(&acme.live, &format!("&customerAccountId={}", jane.id)).await.expect(404);
    // Nor is a rehearsal.
    status(&acme.test, "").await.expect(404);
    status(&acme.live, "&customerAccountId=ef2002d4-cece-47c4-ae77-288adec201bc").await.expect(404);
    status(&acme.live, "&accountAddress=ef2002d4-cece-47c4-ae77-288adec201bc").await.expect(404);
}

#[tokio::test]
async fn a_customer_speaks_for_itself_only() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let globex = app.tenant("globex").await;
    let (jane, joe) = (customer(&app, &acme, 1).await, customer(&app, &acme, 2).await);
    let their = customer(&app, &globex, 3).await;
    let words = words(&acme.live, &acme).await;
    accept(&acme.live, Some(joe.id), &words, "ACCEPTED").await.expect(201);
    for answer in [
        status(&jane.actor, &format!("&customerAccountId={}", joe.id)).await,
        status(&jane.actor, &format!("&accountAddress={}", joe.wallet)).await,
        status(&jane.actor, &format!("&customerAccountId={}&accountAddress={}", jane.id, joe.wallet)).await,
        status(&jane.actor, &format!("&customerAccountId={}", their.id)).await,
        accept(&jane.actor, Some(joe.id), &words, "REJECTED").await,
        accept(&jane.actor, Some(their.id), &words, "ACCEPTED").await,
    ] {
        allow_duplicates! { assert_snapshot!(answer, @r#"403 {"errors":[{"message":"Access denied for this resource","type":"Access control"}]}"#); }
    }
    assert!(status(&joe.actor, "").await.text.contains("Consent is accepted"));
    // Another tenant's customer is not there, and neither is its vendor.
    status(&acme.live, &format!("&customerAccountId={}", their.id)).await.expect(404);
    status(&acme.live, &format!("&accountAddress={}", their.wallet)).await.expect(404);
    for answer in [
        accept(&acme.live, Some(their.id), &words, "ACCEPTED").await,
        accept(&globex.live, None, &words, "ACCEPTED").await,
        accept(&acme.test, Some(joe.id), &words, "ACCEPTED").await,
    ] {
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"errors":{"message":"Something went wrong, please try again","type":"catch"}}"#); }
    }
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_refused_as_documented() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let good = words(&acme.live, &acme).await;
    let body = json!({
        "dssVendorId": good["dssId"], "consentStatus": "ACCEPTED", "consentVersion": "v1.0.0", "type": "ACH",
    });
    let mut answers = Vec::new();
    for query in ["", "?type=ACH", "?subCategory=Deposits", "?subCategory=Deposits&type=%00"] {
        answers.push(acme.live.get(&format!("{STATUS}{query}")).await);
    }
    for (field, wrong) in [
        ("dssVendorId", json!("string")),
        ("dssVendorId", json!(format!("dss_{}", Uuid::now_v7().simple()))),
        ("consentStatus", json!("MAYBE")),
        ("consentVersion", json!("v9")),
        ("type", json!("CARD")),
        ("customerAccountId", json!("string")),
        ("customerAccountId", json!(Uuid::now_v7())),
        ("consentVersion", json!(1)),
    ] {
        let mut body = body.clone();
        body[field] = wrong;
        answers.push(acme.live.post(ACCEPT, body).await);
    }
    answers.push(acme.live.post(ACCEPT, json!({})).await);
    for answer in answers {
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"errors":{"message":"Something went wrong, please try again","type":"catch"}}"#); }
    }
    acme.live.post(ACCEPT, body).await.expect(201);
}

#[tokio::test]
async fn the_terms_are_for_tenants_that_may_have_them() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = customer(&app, &acme, 1).await;
    let template = json!({"type": "PRIVACY_POLICY", "html": "<p>{{ tenant }}</p>"});
    app.operator().post(&format!("/admin/tenants/{}/agreement-templates", acme.id), template).await.expect(201);
    for caller in [&acme.live, &acme.test, &jane.actor] {
        let read = caller.get(&format!("{TERMS}?type=PRIVACY_POLICY")).await;
        allow_duplicates! { assert_snapshot!(read, @r#"200 {"message":"PRIVACY_POLICY html content fetched successfully","content":"<p>acme</p>"}"#); }
        caller.get(&format!("{TERMS}?type=TERMS_CONDITIONS")).await.expect(200);
        let no_document = caller.get(&format!("{TERMS}?type=UL_TEMPLATE")).await;
        allow_duplicates! { assert_snapshot!(no_document, @r#"400 {"errors":[{"message":"there is no PRIVACY_POLICY or TERMS_CONDITIONS of this type","type":"catch"}]}"#); }
    }
    let access = format!("/admin/tenants/{}/terms-access", acme.id);
    assert_snapshot!(app.operator().post(&access, json!({"allowed": false})).await, @r#"200 {"allowed":false}"#);
    for caller in [&acme.live, &acme.test, &jane.actor] {
        let refused = caller.get(&format!("{TERMS}?type=PRIVACY_POLICY")).await;
        allow_duplicates! { assert_snapshot!(refused, @r#"401 {"errors":[{"message":"This tenant has no access / unauthorized.","type":"Not Authorized"}]}"#); }
    }
    let globex = app.tenant("globex").await;
    globex.live.get(&format!("{TERMS}?type=PRIVACY_POLICY")).await.expect(200);
    app.operator().post(&access, json!({"allowed": true})).await.expect(200);
    acme.live.get(&format!("{TERMS}?type=PRIVACY_POLICY")).await.expect(200);
}

#[tokio::test]
async fn operators_say_whose_consent_is_asked_for() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let body = |partner: &str| {
        json!({
            "name": "Teller Labs", "sub_category": "Deposits", "type": "ACH", "payment_partner": partner,
            "version": "2026-11", "message": "I let Teller Labs look.",
        })
    };
    let added = app.operator().post(&vendors(&acme), body("TELLER")).await;
    assert_snapshot!(added.redacted(), @r#"201 {"id":"dss_[id]","name":"Teller Labs","sub_category":"Deposits","type":"ACH","payment_partner":"TELLER","version":"2026-11","message":"I let Teller Labs look.","created_at":"[time]"}"#);
    assert_snapshot!(app.operator().post(&vendors(&acme), body("PLAID")).await, @r#"409 {"error":"duplicate_vendor","message":"a vendor of this sub-category, type and payment partner is in use"}"#);
    assert_snapshot!(publish(&app, &acme, &added.json["id"], "2026-11").await, @r#"409 {"error":"duplicate_version","message":"the vendor has a message of this version"}"#);
    let published = publish(&app, &acme, &added.json["id"], "2026-12").await;
    assert_snapshot!(published.redacted(), @r#"201 {"id":"dss_[id]","name":"Teller Labs","sub_category":"Deposits","type":"ACH","payment_partner":"TELLER","version":"2026-12","message":"words of 2026-12","created_at":"[time]"}"#);

    let path = format!("/consent/consent-message/{}", acme.id);
    let teller = acme.live.get(&format!("{path}?paymentPartner=TELLER")).await.expect(200);
    assert_eq!(teller.json["data"]["dssId"], added.json["id"]);
    assert_eq!(acme.live.get(&path).await.json["data"]["vendorName"], "Plaid Inc.", "the first of several");

    let plaid = words(&acme.live, &acme).await["dssId"].as_str().unwrap().to_owned();
    app.operator().delete(&format!("{}/{plaid}", vendors(&acme))).await.expect(204);
    assert_eq!(acme.live.get(&path).await.json["data"]["vendorName"], "Teller Labs");
    acme.live.get(&format!("{path}?paymentPartner=PLAID")).await.expect(404);
    status(&acme.live, "").await.expect(404);
    for answer in [
        app.operator().delete(&format!("{}/{plaid}", vendors(&acme))).await,
        app.operator().delete(&format!("{}/x", vendors(&acme))).await,
        publish(&app, &acme, &json!(plaid), "v2").await,
        publish(&app, &app.tenant("globex").await, &added.json["id"], "v2").await,
    ] {
        allow_duplicates! { assert_snapshot!(answer, @r#"404 {"error":"vendor_not_found","message":"there is no such vendor in use"}"#); }
    }
    let listed = app.operator().get(&vendors(&acme)).await.expect(200);
    let listed: Vec<_> = listed.json["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (v["name"].as_str().unwrap().to_owned(), v["retired_at"].is_string()))
        .collect();
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&("Plaid Inc.".to_owned(), true)) && listed.contains(&("Teller Labs".to_owned(), false)));

    for unknown in ["x", "01990000-0000-7000-8000-000000000009"] {
        let path = format!("/admin/tenants/{unknown}/consent-vendors");
        for answer in [
            app.operator().post(&path, body("X")).await,
            app.operator().get(&path).await,
            app.operator().delete(&format!("{path}/{plaid}")).await,
            app.operator().post(&format!("{path}/{plaid}/messages"), json!({"version": "1", "message": "m"})).await,
            app.operator().post(&format!("/admin/tenants/{unknown}/terms-access"), json!({"allowed": true})).await,
        ] {
            allow_duplicates! { assert_snapshot!(answer, @r#"404 {"error":"tenant_not_found","message":"there is no such tenant"}"#); }
        }
    }
}

#[tokio::test]
async fn a_consent_that_is_sent_again_with_its_key_is_the_same() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let words = words(&acme.live, &acme).await;
    let once = acme.live.with("idempotency-key", "consent");
    let first = accept(&once, None, &words, "ACCEPTED").await.expect(201);
    accept(&acme.live, None, &words, "REJECTED").await.expect(201);
    let again = accept(&once, None, &words, "ACCEPTED").await.expect(201);
    assert_eq!((&first.text, again.header("idempotency-replayed")), (&again.text, "true"));
    assert!(status(&acme.live, "").await.text.contains("not valid"));
}

#[tokio::test]
async fn two_customers_who_use_the_same_key_each_have_their_own_answer() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let words = words(&acme.live, &acme).await;
    for number in [1, 2] {
        let jane = customer(&app, &acme, number).await;
        let given = accept(&jane.actor.with("idempotency-key", "1"), None, &words, "ACCEPTED").await.expect(201);
        assert_eq!(given.json["data"]["customerAccountId"], jane.id.to_string());
        assert!(status(&jane.actor, "").await.text.contains("Consent is accepted"));
    }
    let given = accept(&acme.live.with("idempotency-key", "1"), None, &words, "ACCEPTED").await.expect(201);
    assert_eq!(given.json["data"]["customerAccountId"], Value::Null);
}

#[tokio::test]
async fn many_who_ask_a_new_tenant_at_once_find_one_vendor() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let path = format!("/consent/consent-message/{}", acme.id);
    let answers = futures::future::join_all((0..20).map(|_| acme.live.get(&path))).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.text == answers[0].text));
    let count: i64 =
        sqlx::query_scalar("select count(*) from consent_vendor").fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn what_was_consented_to_stays_in_the_database_whoever_asks() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let words = words(&acme.live, &acme).await;
    accept(&acme.live, None, &words, "ACCEPTED").await.expect(201);
    let mut superuser = app.sql().await;
    for statement in [
        "update customer_consent set status = 'REJECTED'",
        "delete from customer_consent",
        "truncate customer_consent",
        "update consent_message set message = 'x'",
        "delete from consent_message",
        "update consent_vendor set name = 'x'",
        "delete from consent_vendor",
    ] {
        let refused = superuser.execute(AssertSqlSafe(statement)).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "23001", "{statement}");
    }
}
