//! Agreements (`spec/wallet-api-2.8.0.md`): what a person is shown, what they say, and that it stays so.

mod forgetting;
mod templates;

use insta::{allow_duplicates, assert_snapshot};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor, Row};

use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::harness::tenant::{TestTenant, phone};

pub const PREVIEW: &str = "/tenant/agreement/preview-agreement";
pub const PREVIEW_UL: &str = "/tenant/agreement/preview-UL-agreement";
pub const LIST: &str = "/tenant/agreement/get-agreement";
const DOCUMENT: &str = "/tenant/agreement/terms-and-privacy-agreements";

/// The documented example, as it stands.
pub fn example() -> Value {
    json!({
        "firstName": "Jone", "middleName": "string", "lastName": "Doe", "ip": "0.0.0.0",
        "accountAddress": "0x874259c8e1d58ac53f6f22e3f3e5a5dc86773248", "dateOfBirth": "1997-02-02",
        "email": "lorem@mygmail.com", "taxCountry": "BO", "taxIdNumber": "122-22-2332",
        "phoneNumber": {"country": "IN ", "number": "7027779322 ", "sms": true},
        "address": {
            "address1": "address1 ", "address2": "address2 ", "postalCode": "Lorem", "city": "Lorem", "state": "KY",
            "country": "BO",
        },
    })
}

/// The same for the platform's own agreement.
pub fn example_ul() -> Value {
    json!({
        "firstName": "Jone", "lastName": "Doe", "email": "lorem@mygmail.com", "ip": "0.0.0.0",
        "accountAddress": "0x874259c8e1d58ac53f6f22e3f3e5a5dc86773248",
    })
}

pub async fn put(caller: &Actor, path: &str, body: Value) -> Answer {
    caller.send(Method::PUT, path, Some(("application/json", body.to_string().into_bytes()))).await
}

/// Previews the example; the agreement's id.
pub async fn preview(caller: &Actor) -> String {
    let answer = caller.post(PREVIEW, example()).await.expect(200);
    answer.json["data"][0]["id"].as_str().unwrap().to_owned()
}

pub async fn say(caller: &Actor, id: &str, status: &str) -> Answer {
    put(caller, &format!("{PREVIEW}/{id}"), json!({"status": status})).await
}

async fn publish(app: &TestApp, tenant: &TestTenant, kind: &str, html: &str) -> Answer {
    let path = format!("/admin/tenants/{}/agreement-templates", tenant.id);
    app.operator().post(&path, json!({"type": kind, "html": html})).await
}

/// The answer with its long text cut out.
fn without_text(answer: &Answer) -> String {
    let mut json = answer.json.clone();
    for agreement in json["data"].as_array_mut().unwrap() {
        assert!(agreement["content"].as_str().unwrap().len() > 20, "{agreement}");
        agreement["content"] = json!("…");
    }
    let text = json.to_string();
    Answer { status: answer.status, headers: answer.headers.clone(), json, text }.redacted()
}

#[tokio::test]
async fn the_documented_example_is_previewed_and_kept_pending() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let shown = acme.live.post(PREVIEW, example()).await.expect(200);
    assert_snapshot!(without_text(&shown), @r#"200 {"data":[{"account_address":"[address]","agreementId":"[uuid]","agreement_type":"US_PATRIOTIC_ACT","content":"…","created_at":"[time]","email":"lorem@mygmail.com","first_name":"Jone","id":"[uuid]","ip":"0.0.0.0","last_name":"Doe","status":"PENDING"}],"message":"Agreements fetched successfully"}"#);
    let content = shown.json["data"][0]["content"].as_str().unwrap();
    for filled_in in [
        "acme",
        "Jone string Doe",
        "1997-02-02",
        "122-22-2332 (BO)",
        "7027779322 (IN)",
        "address1, address2, Lorem, KY Lorem, BO",
    ] {
        assert!(content.contains(filled_in), "{filled_in}: {content}");
    }
    assert_eq!(shown.json["data"][0]["id"], shown.json["data"][0]["agreementId"]);

    let shown = acme.live.post(PREVIEW_UL, example_ul()).await.expect(200);
    assert_snapshot!(without_text(&shown), @r#"200 {"data":[{"account_address":"[address]","agreementId":"[uuid]","agreement_type":"UL_TEMPLATE","content":"…","created_at":"[time]","email":"lorem@mygmail.com","first_name":"Jone","id":"[uuid]","ip":"0.0.0.0","last_name":"Doe","status":"PENDING"}],"message":"Agreements fetched successfully"}"#);
}

#[tokio::test]
async fn agreements_are_listed_newest_first_and_shown_one_by_one() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let nothing = acme.live.get(LIST).await;
    assert_snapshot!(nothing, @r#"404 {"errors":[{"message":"No data found","type":"fetch"}]}"#);

    let first = preview(&acme.live).await;
    let second = acme.live.post(PREVIEW_UL, example_ul()).await.expect(200).json["data"][0].clone();
    let listed = acme.live.get(LIST).await.expect(200);
    assert_eq!((listed.json["data"].as_array().unwrap().len(), &listed.json["data"][0]), (2, &second));
    let one = acme.live.get(&format!("{LIST}?agreementId={first}")).await.expect(200);
    assert_eq!(one.json["data"].as_array().unwrap().len(), 1);
    assert_eq!(one.json["data"][0], listed.json["data"][1]);

    let unknown = acme.live.get(&format!("{LIST}?agreementId={}", acme.id)).await;
    assert_snapshot!(unknown, @r#"404 {"errors":[{"message":"No data found","type":"fetch"}]}"#);
    let malformed = acme.live.get(&format!("{LIST}?agreementId=x")).await;
    assert_snapshot!(malformed, @r#"400 {"errors":[{"message":"Could't fetch token","type":"fetch"}]}"#);
    let without_id = app.nobody().with("api-key", &acme.live_key);
    for answer in [
        without_id.get(LIST).await,
        without_id.post(PREVIEW, example()).await,
        without_id.post(PREVIEW_UL, example_ul()).await,
        say(&without_id, &first, "ACCEPTED").await,
        put(
            &without_id,
            &format!("/tenant/agreement/ul-preview-agreement/{}", second["id"].as_str().unwrap()),
            json!({"status": "ACCEPTED"}),
        )
        .await,
    ] {
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"errors":[{"message":"Tenant Id is missing in Headers","type":"Agreement"}]}"#); }
    }
    without_id.with("tenant-id", &acme.id.to_string()).get(LIST).await.expect(200);
}

#[tokio::test]
async fn what_was_said_is_said_for_good() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let (accepted, rejected) = (preview(&acme.live).await, preview(&acme.live).await);

    let platform = format!("/tenant/agreement/ul-preview-agreement/{accepted}");
    for pending in
        [say(&acme.live, &accepted, "PENDING").await, put(&acme.live, &platform, json!({"status": "PENDING"})).await]
    {
        allow_duplicates! { assert_snapshot!(pending, @r#"400 {"errors":[{"message":"Could't Update agreement","type":"catch"}]}"#); }
    }
    let first = say(&acme.live, &accepted, "ACCEPTED").await;
    assert_snapshot!(first.redacted(), @r#"200 {"data":{"customerAccountId":null,"id":"[uuid]","status":"ACCEPTED","createdAt":"[time]","updatedAt":"[time]"},"message":"Agreement successfully updated"}"#);
    say(&acme.live, &rejected, "REJECTED").await.expect(200);
    assert_eq!(say(&acme.live, &accepted, "ACCEPTED").await.expect(200).text, first.text);
    for (id, status) in [(&accepted, "REJECTED"), (&rejected, "ACCEPTED")] {
        let changed = say(&acme.live, id, status).await;
        allow_duplicates! { assert_snapshot!(changed, @r#"400 {"errors":[{"message":"Could't Update agreement","type":"Agreement"}]}"#); }
    }
    let shown = acme.live.get(&format!("{LIST}?agreementId={rejected}")).await.expect(200);
    assert_eq!(shown.json["data"][0]["status"], "REJECTED");

    // Neither by the other route, nor what is not there.
    let platform =
        put(&acme.live, &format!("/tenant/agreement/ul-preview-agreement/{accepted}"), json!({"status": "ACCEPTED"}))
            .await;
    for answer in
        [platform, say(&acme.live, "x", "ACCEPTED").await, say(&acme.live, &acme.id.to_string(), "ACCEPTED").await]
    {
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"errors":[{"message":"Could't Update agreement","type":"Agreement"}]}"#); }
    }
    assert_eq!(say(&acme.live, &accepted, "accepted").await.status, 400);
}

#[tokio::test]
async fn the_platforms_agreement_is_accepted_for_the_customer_whose_wallet_it_names() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let mut body = example_ul();
    let wallet = acme.customer(&phone(1)).await;
    body["accountAddress"] = json!(wallet.to_string());
    let id = acme.live.post(PREVIEW_UL, body).await.expect(200).json["data"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/tenant/agreement/ul-preview-agreement/{id}");
    let accepted = put(&acme.live, &path, json!({"status": "ACCEPTED"})).await.expect(200).json;

    let customer: uuid::Uuid =
        sqlx::query_scalar("select id from customer").fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(accepted["data"]["customerAccountId"], customer.to_string());
    let evidence = "select decided_by = (select id from api_key where tenant_id = a.tenant_id and name = 'live')
        and decided_from is not null and decided_at is not null from agreement a";
    assert!(sqlx::query_scalar::<_, bool>(evidence).fetch_one(&mut app.sql().await).await.unwrap());
    // Operators see how it was said, and nothing of the person.
    let shown = app.operator().get(&format!("/admin/tenants/{}/agreements/{id}", acme.id)).await;
    assert_snapshot!(shown.redacted(), @r#"200 {"id":"[uuid]","mode":"live","type":"UL_TEMPLATE","version":1,"status":"ACCEPTED","customer_id":"[uuid]","created_at":"[time]","decided_at":"[time]","decided_by":"live","decided_from":"127.0.0.1"}"#);
    for unknown in
        [format!("{}/agreements/x", acme.id), format!("{}/agreements/{id}", acme.id.to_string().replace('0', "1"))]
    {
        app.operator().get(&format!("/admin/tenants/{unknown}")).await.expect(404);
    }
    acme.dashboard.get(&format!("/admin/tenants/{}/agreements/{id}", acme.id)).await.expect(401);
    put(&acme.live, &format!("{PREVIEW}/{id}"), json!({"status": "ACCEPTED"})).await.expect(400);
    put(&acme.live, &path, json!({"status": "REJECTED"})).await.expect(400);
}

#[tokio::test]
async fn of_those_who_say_different_things_at_once_one_is_heard() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let id = preview(&acme.live).await;
    let said = (0..20).map(|i| say(&acme.live, &id, if i % 2 == 0 { "ACCEPTED" } else { "REJECTED" }));
    let answers = futures::future::join_all(said).await;
    let heard: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(heard.len(), 10);
    assert!(heard.iter().all(|answer| answer.text == heard[0].text));
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 400)));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    for (field, wrong) in [
        ("/firstName", json!("")),
        ("/lastName", json!("x".repeat(101))),
        ("/ip", json!("localhost")),
        ("/accountAddress", json!("0x874259c8e1d58ac53f6f22e3f3e5a5dc8677324")),
        ("/dateOfBirth", json!("2999-01-01")),
        ("/email", json!("nobody")),
        ("/taxCountry", json!("XX")),
        ("/taxIdNumber", json!("\u{202e}1")),
        ("/phoneNumber/number", json!("call me")),
        ("/phoneNumber/country", json!("India")),
        ("/address/address1", json!(" ")),
        ("/address/country", json!("")),
    ] {
        let mut body = example();
        *body.pointer_mut(field).unwrap() = wrong;
        let answer = acme.live.post(PREVIEW, body).await.expect(400);
        let message = answer.json["errors"][0]["message"].as_str().unwrap();
        assert!(message.starts_with(&field[1..].replace('/', ".")), "{field}: {answer}");
        assert_eq!(answer.json["errors"][0]["type"], "Validation");
    }
    let mut body = example();
    body["dateOfBirth"] = json!("02-02-1997");
    // Mixed case without a checksum, as documented elsewhere.
    body["accountAddress"] = json!("0xAbC1234567890abcdefABC1234567890abcdefAB");
    body.as_object_mut().unwrap().remove("middleName");
    let shown = acme.live.post(PREVIEW, body).await.expect(200);
    assert!(shown.text.contains("02-02-1997") && shown.text.contains("Jone Doe"), "{shown}");
}

#[tokio::test]
async fn another_tenants_agreements_and_the_other_modes_are_not_there() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let id = preview(&acme.live).await;
    for stranger in [&globex.live, &globex.test, &acme.test] {
        stranger.get(&format!("{LIST}?agreementId={id}")).await.expect(404);
        stranger.get(LIST).await.expect(404);
        say(stranger, &id, "REJECTED").await.expect(400);
    }
    let shown = acme.live.get(LIST).await.expect(200).json;
    assert_eq!(shown["data"][0]["status"], "PENDING");
}

#[tokio::test]
async fn a_preview_that_is_sent_again_with_its_key_is_the_same() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let once = acme.live.with("idempotency-key", "jone");
    let first = once.post(PREVIEW, example()).await.expect(200);
    let again = once.post(PREVIEW, example()).await.expect(200);
    assert_eq!((&first.text, again.header("idempotency-replayed")), (&again.text, "true"));
    assert_eq!(acme.live.get(LIST).await.json["data"].as_array().unwrap().len(), 1);
    once.post(PREVIEW_UL, example_ul()).await.expect(409);
    // Also when something was said meanwhile.
    let id = first.json["data"][0]["id"].as_str().unwrap();
    say(&acme.live, id, "ACCEPTED").await.expect(200);
    assert_eq!(once.post(PREVIEW, example()).await.expect(200).text, first.text);
    // What is kept to answer a repetition does not outlive what can be forgotten.
    let mut tx = app.app.db.tenant(acme.id).begin().await.unwrap();
    sqlx::query("update agreement set wrapped_key = null").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let forgotten = once.post(PREVIEW, example()).await.expect(200);
    assert!(!forgotten.text.contains("Jone"), "{forgotten}");
}

#[tokio::test]
async fn a_decision_stays_in_the_database_whoever_asks() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let (decided, pending) = (preview(&acme.live).await, preview(&acme.live).await);
    say(&acme.live, &decided, "ACCEPTED").await.expect(200);
    let mut superuser = app.sql().await;
    for statement in [
        format!("update agreement set status = 'REJECTED' where id = '{decided}'"),
        format!("update agreement set decided_at = now() where id = '{decided}'"),
        format!("update agreement set status = 'PENDING', decided_at = null, decided_by = null where id = '{decided}'"),
        format!("update agreement set sealed = '' where id = '{decided}'"),
        format!("update agreement set sealed = '' where id = '{pending}'"),
        format!("update agreement set created_at = now() where id = '{pending}'"),
        format!("update agreement set wrapped_key = 'x' where id = '{pending}'"),
        format!("update agreement set status = 'ACCEPTED' where id = '{pending}'"),
        format!("delete from agreement where id = '{pending}'"),
        "update agreement_template set html = 'x'".to_owned(),
        "delete from agreement_template".to_owned(),
        "truncate agreement_template cascade".to_owned(),
    ] {
        let refused = superuser.execute(AssertSqlSafe(statement.clone())).await.unwrap_err();
        let code = refused.as_database_error().unwrap().code().unwrap().into_owned();
        assert!(code == "23001" || code == "23514", "{statement}: {refused}");
    }
    let shown = acme.live.get(&format!("{LIST}?agreementId={decided}")).await.expect(200);
    assert_eq!(shown.json["data"][0]["status"], "ACCEPTED");
}

#[tokio::test]
async fn nothing_that_a_person_typed_is_in_clear_in_any_table() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let mut body = example();
    for (field, planted) in [
        ("/firstName", "Plantedfirst"),
        ("/middleName", "Plantedmiddle"),
        ("/lastName", "Plantedlast"),
        ("/email", "planted@example.org"),
        ("/ip", "203.0.113.77"),
        ("/dateOfBirth", "1971-03-19"),
        ("/taxIdNumber", "987-65-4329"),
        ("/phoneNumber/number", "5553219876"),
        ("/address/address1", "77 Planted Street"),
        ("/address/city", "Plantedville"),
    ] {
        *body.pointer_mut(field).unwrap() = json!(planted);
    }
    let keyed = acme.live.with("idempotency-key", "once");
    let id = keyed.post(PREVIEW, body).await.expect(200).json["data"][0]["id"].as_str().unwrap().to_owned();
    say(&acme.live, &id, "ACCEPTED").await.expect(200);
    assert!(acme.live.get(LIST).await.text.contains("Plantedville"));

    let mut superuser = app.sql().await;
    let tables =
        "select quote_ident(relname) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut superuser).await.unwrap();
    let mut rows = 0;
    for table in tables {
        let dump = AssertSqlSafe(format!("select row_to_json(t)::text from {table} t"));
        for row in sqlx::query(dump).fetch_all(&mut superuser).await.unwrap() {
            rows += 1;
            let row = row.get::<String, _>(0).to_lowercase();
            let ways = |text: &str| [text.to_lowercase(), hex::encode(text)];
            for planted in
                ["Planted", "203.0.113.77", "1971-03-19", "987-65-4329", "5553219876"].map(ways).as_flattened()
            {
                assert!(!row.contains(planted), "{planted} is in {table}: {row}");
            }
        }
    }
    assert!(rows > 10);
}

#[tokio::test]
async fn what_a_forgotten_customer_was_shown_cannot_be_read_any_more() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let wallet = acme.customer(&phone(1)).await;
    let mut body = example();
    body["accountAddress"] = json!(wallet.to_string());
    let theirs = acme.live.post(PREVIEW, body).await.expect(200).json["data"][0]["id"].as_str().unwrap().to_owned();
    let other = preview(&acme.live).await;
    say(&acme.live, &theirs, "ACCEPTED").await.expect(200);

    let customer: uuid::Uuid =
        sqlx::query_scalar("select id from customer").fetch_one(&mut app.sql().await).await.unwrap();
    acme.live.delete(&format!("/tenant/customer/forget/{customer}")).await.expect(200);

    let forgotten = acme.live.get(&format!("{LIST}?agreementId={theirs}")).await;
    assert_snapshot!(forgotten.redacted(), @r#"200 {"message":"Agreements fetched successfully","data":[{"id":"[uuid]","content":null,"status":"ACCEPTED","first_name":null,"last_name":null,"email":null,"account_address":"[address]","ip":null,"agreement_type":"US_PATRIOTIC_ACT","created_at":"[time]","agreementId":"[uuid]"}]}"#);
    assert!(acme.live.get(&format!("{LIST}?agreementId={other}")).await.text.contains("Jone"));
    say(&acme.live, &theirs, "ACCEPTED").await.expect(200);
}
