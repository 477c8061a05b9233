//! Identity checks: `/tenant/customer/get-auth-url` and `/validate-user`.

mod kyc;
mod lifetime;
mod limits;
mod secrets;
mod verifier;

use insta::assert_snapshot;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::sign_in::device;

pub const BEGIN: &str = "/tenant/customer/get-auth-url";
pub const VALIDATE: &str = "/tenant/customer/validate-user";

/// The documented request.
pub fn example() -> Value {
    json!({
        "sourceIp": "127.0.0.1", "finalTargetUrl": "https://google.com", "mobileNumber": "2001001686",
        "dob": "1994-01-01", "ssn": "1232",
    })
}

/// The same about another number.
pub fn about(number: &str) -> Value {
    let mut body = example();
    body["mobileNumber"] = json!(number);
    body
}

pub async fn begin(caller: &Actor, body: Value) -> Answer {
    caller.post(BEGIN, body).await
}

/// The id of a check that has begun.
pub fn id_of(begun: &Answer) -> String {
    begun.json["data"]["requestId"].as_str().unwrap_or_else(|| panic!("{begun}")).to_owned()
}

/// A check of a number that has begun; its id.
pub async fn begun(caller: &Actor, body: Value) -> String {
    id_of(&begin(caller, body).await.expect(202))
}

pub async fn validate(caller: &Actor, id: &str, fingerprint: &str) -> Answer {
    caller.post(VALIDATE, json!({"vfp": fingerprint, "requestId": id})).await
}

/// A customer's wallet, signed in.
pub fn signed_in(app: &TestApp, address: &str) -> Actor {
    let token = app.app.auth.jwt().issue_wallet(address.parse().unwrap(), app.app.clock.now()).unwrap();
    Actor::bearer(&app.base_url, token.expose_secret())
}

#[tokio::test]
async fn the_documented_requests_are_answered_as_documented_to_each_kind_of_caller() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let wallet = acme.customer(&crate::harness::tenant::phone(1)).await.to_string();
    let access = app.nobody().with("access-token", &{
        let token = app.app.auth.jwt().issue_wallet(wallet.parse().unwrap(), app.app.clock.now()).unwrap();
        token.expose_secret().to_owned()
    });
    for caller in
        [acme.live.clone(), acme.test.clone(), device(&app, &acme, "phone-1").await, signed_in(&app, &wallet), access]
            .iter()
    {
        let begun = begin(caller, example()).await;
        let shown = begun.redacted();
        insta::allow_duplicates! { assert_snapshot!(shown, @r#"202 {"data":{"requestId":"[uuid]","status":"0","description":"Success"},"message":"Success"}"#); }
        let proven = validate(caller, &id_of(&begun), "string").await;
        insta::allow_duplicates! { assert_snapshot!(proven, @r#"202 {"data":{"firstName":"Tod","lastName":"Weedall","addresses":{"address":"39 South Trail","extendedAddress":"","city":"San Antonio","region":"TX","postalCode":"78285"},"emailAddresses":["weedall@mail.invalid"],"ssn":"565221232","dob":"1994-01-01","trustScore":1000}}"#); }
    }
    assert_eq!(app.nobody().post(BEGIN, example()).await.status, 401);
    assert_eq!(app.nobody().post(VALIDATE, json!({"vfp": "x", "requestId": "y"})).await.status, 401);
}

#[tokio::test]
async fn one_of_day_of_birth_and_number_is_enough_and_what_is_told_is_valid() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let with = async |changes: &[(&str, Value)]| {
        let mut body = example();
        for (field, value) in changes {
            body[*field] = value.clone();
        }
        body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        begin(&acme.live, body).await
    };
    let none = Value::Null;
    for changes in [
        [("dob", json!("01-01-1994")), ("ssn", none.clone())],
        [("dob", json!("1994-01-01")), ("ssn", json!(""))],
        [("dob", none.clone()), ("ssn", json!("565-22-8370"))],
        [("dob", json!(" ")), ("ssn", json!("565228370"))],
    ] {
        with(&changes).await.expect(202);
    }
    for changes in [
        [("dob", none.clone()), ("ssn", none.clone())],
        [("dob", json!("")), ("ssn", json!(" "))],
        [("dob", json!("30-02-1994")), ("ssn", none.clone())],
        [("dob", json!("01/01/1994")), ("ssn", json!("1232"))],
        [("dob", json!("2990-01-01")), ("ssn", json!("1232"))],
        [("dob", json!("1001-01-01")), ("ssn", json!("1232"))],
        [("dob", json!("1994-01-01")), ("ssn", json!("12"))],
        [("dob", none.clone()), ("ssn", json!("000-00-0000"))],
    ] {
        let refused = with(&changes).await;
        insta::allow_duplicates! { assert_snapshot!(refused, @r#"400 {"errors":[{"message":"Either dob or ssn required and should be valid.","type":"Prove"}]}"#); }
    }
    assert_snapshot!(with(&[("sourceIp", json!("127.0.0"))]).await, @r#"400 {"errors":[{"message":"sourceIp must be an IP address","type":"Validation"}]}"#);
    // The fingerprint does not travel in the clear.
    for target in ["javascript:alert(1)", "http://google.com"] {
        let refused = with(&[("finalTargetUrl", json!(target))]).await;
        insta::allow_duplicates! { assert_snapshot!(refused, @r#"400 {"errors":[{"message":"finalTargetUrl must be an https:// URL (http:// is for the person's own machine only)","type":"Validation"}]}"#); }
    }
    with(&[("finalTargetUrl", json!("http://localhost:3000/known"))]).await.expect(202);
    assert_snapshot!(with(&[("mobileNumber", json!("12"))]).await, @r#"400 {"errors":[{"message":"mobileNumber must be a telephone number","type":"Validation"}]}"#);
}

#[tokio::test]
async fn what_the_provider_does_not_begin_is_refused_in_the_documented_words() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    assert_snapshot!(begin(&acme.live, about("2001009001")).await, @r#"400 {"errors":[{"message":"SMS request got failed","type":"Prove"}]}"#);
    for number in ["2001009002", "2001009003"] {
        let refused = begin(&acme.live, about(number)).await;
        insta::allow_duplicates! { assert_snapshot!(refused, @r#"400 {"errors":[{"message":"Get auth URL request got failed","type":"Prove"}]}"#); }
    }
    let states: Vec<String> =
        sqlx::query_scalar("select distinct state from identity_check").fetch_all(&mut app.sql().await).await.unwrap();
    assert_eq!(states, ["failed"]);
}

#[tokio::test]
async fn a_server_that_checks_nobody_says_so_to_live_keys_alone() {
    let app = TestApp::with(|variables| drop(variables.remove("VERIFICATION_PROVIDER"))).await;
    let acme = app.tenant("acme").await;
    let refused = begin(&acme.live, example()).await;
    assert_snapshot!(refused, @r#"503 {"errors":[{"message":"Identity checks are not available on this server","type":"Prove"}]}"#);
    begin(&acme.test, example()).await.expect(202);
}

#[tokio::test]
async fn a_check_is_its_callers_alone() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let phone = crate::harness::tenant::phone;
    let jane = signed_in(&app, &acme.customer(&phone(1)).await.to_string());
    let john = signed_in(&app, &acme.customer(&phone(2)).await.to_string());
    let (first, second) = (device(&app, &acme, "first").await, device(&app, &acme, "second").await);
    let stranger = device(&app, &globex, "first").await;
    let callers = [&acme.live, &acme.test, &globex.live, &jane, &john, &first, &second, &stranger];
    for (index, owner) in callers.iter().enumerate() {
        let id = begun(owner, about(&format!("200100100{index}"))).await;
        for (_, caller) in callers.iter().enumerate().filter(|(other, _)| *other != index) {
            let refused = validate(caller, &id, "string").await;
            insta::allow_duplicates! { assert_snapshot!(refused, @r#"400 {"errors":[{"message":[{"message":"Request Id not found","type":"Prove"}],"type":"Catch"}]}"#); }
        }
        validate(owner, &id, "string").await.expect(202);
    }
    for nobodys in ["string", "", "01990000-0000-7000-8000-000000000001"] {
        let refused = validate(&acme.live, nobodys, "string").await;
        insta::allow_duplicates! { assert_snapshot!(refused, @r#"400 {"errors":[{"message":[{"message":"Request Id not found","type":"Prove"}],"type":"Catch"}]}"#); }
    }
    // A device whose token names no tenant has no customers.
    let body = json!({"device_fingerprint": "none"});
    let nameless = app.nobody().post("/auth/preauth-token", body).await.expect(200);
    let nameless = Actor::bearer(&app.base_url, nameless.json["access_token"].as_str().unwrap());
    assert_eq!(begin(&nameless, example()).await.status, 403);
}

#[tokio::test]
async fn operators_say_to_which_pages_strangers_may_have_people_sent() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let policy = format!("/admin/tenants/{}/identity-check-policy", acme.id);
    let set = async |origins: Value| app.operator().post(&policy, json!({"target_origins": origins})).await;
    let jane = signed_in(&app, &acme.customer(&crate::harness::tenant::phone(1)).await.to_string());
    let strangers = [jane, device(&app, &acme, "phone-1").await];
    let to = async |caller: &Actor, page: &str| {
        let mut body = example();
        body["finalTargetUrl"] = json!(page);
        begin(caller, body).await
    };
    set(json!(["https://app.acme.example", "http://localhost:3000"])).await.expect(200);
    for caller in &strangers {
        to(caller, "https://app.acme.example/known?x=y").await.expect(202);
        for page in ["https://google.com", "https://app.acme.example:8443/known", "https://app.acme.example.com"] {
            let refused = to(caller, page).await;
            insta::allow_duplicates! { assert_snapshot!(refused, @r#"400 {"errors":[{"message":"finalTargetUrl must be a page of the tenant's","type":"Validation"}]}"#); }
        }
    }
    to(&acme.live, "https://google.com").await.expect(202);
    to(&device(&app, &globex, "phone-1").await, "https://google.com").await.expect(202);
    for wrong in [json!(["app.acme.example"]), json!(["https://app.acme.example/"]), json!(["*"])] {
        assert_eq!(set(wrong).await.status, 400);
    }
    set(json!([])).await.expect(200);
    to(&strangers[1], "https://google.com").await.expect(202);
    app.operator().post("/admin/tenants/x/identity-check-policy", json!({"target_origins": []})).await.expect(404);
}
