//! What two businesses cannot both have, and what is refused for itself.

use insta::{allow_duplicates, assert_snapshot};
use serde_json::{Value, json};

use super::{acme, business, example, id_of, onboard};
use crate::customers::at_once;
use crate::harness::app::TestApp;

/// Business 2 with something of business 1.
fn like(badge: uuid::Uuid, path: &str) -> Value {
    let (first, mut second) = (business(badge, 1), business(badge, 2));
    *second.pointer_mut(path).unwrap() = first.pointer(path).unwrap().clone();
    second
}

#[tokio::test]
async fn what_another_business_has_is_refused_in_the_documented_words() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    onboard(&acme.live, &business(badge, 1)).await.expect(201);
    let refused = async |path: &str| onboard(&acme.live, &like(badge, path)).await;
    assert_snapshot!(refused("/domain").await, @r#"400 [{"message":"Business domain already exists","type":[{"message":"Business domain already exists","type":"Duplicate"}]}]"#);
    assert_snapshot!(refused("/businessUserName").await, @r#"400 [{"message":"Business name already exists","type":[{"message":"Business name already exists","type":"onboard"}]}]"#);
    assert_snapshot!(refused("/businessUserEmail").await, @r#"400 [{"message":"Business user is already registered with provided email id","type":[{"message":"Business user is already registered with provided email id","type":"Duplicate"}]}]"#);
    assert_snapshot!(refused("/controlPersons/emailAddress").await, @r#"400 [{"message":"Business's control person is already registered with provided email id","type":[{"message":"Business's control person is already registered with provided email id","type":"Duplicate"}]}]"#);
    assert_snapshot!(refused("/accountAddress").await, @r#"400 [{"message":"Blockchain address already exists on the platform, onboarding not permitted.","type":[{"error_code":"ULOT0043","message":"Blockchain address already exists on the platform, onboarding not permitted.","type":"Duplicate"}]}]"#);
    assert_snapshot!(refused("/customNamespace").await, @r#"400 [{"message":"UNS ID (Custom namespace) already exists on the platform, onboarding not permitted.","type":[{"error_code":"ULOT0044","message":"UNS ID (Custom namespace) already exists on the platform, onboarding not permitted.","type":"Duplicate"}]}]"#);
    let mut shouted = business(badge, 2);
    shouted["domain"] = json!("DOMAIN-1");
    assert_eq!(onboard(&acme.live, &shouted).await.status, 400);
    // Of the other mode nothing is taken, and of another tenant nothing but the address and the custom name.
    onboard(&acme.test, &business(badge, 1)).await.expect(201);
    let globex = app.tenant("globex").await;
    let theirs = super::badge(&app, &globex).await;
    let mut body = business(theirs, 1);
    for (field, other, code) in [
        ("customNamespace", json!("other.eth"), "ULOT0043"),
        ("accountAddress", json!(format!("0xdd{:038x}", 1)), "ULOT0044"),
    ] {
        // The address and the custom name are one's on the whole platform.
        let mut one = body.clone();
        one[field] = other;
        let refused = onboard(&globex.live, &one).await.expect(400);
        assert_eq!(refused.entry()["error_code"], code, "{refused}");
    }
    let mut with_badge_of_acme = body.clone();
    with_badge_of_acme["badgeId"] = json!(badge);
    (body["accountAddress"], body["customNamespace"]) = (json!(format!("0xdd{:038x}", 1)), json!("other.eth"));
    with_badge_of_acme["accountAddress"] = body["accountAddress"].clone();
    with_badge_of_acme["customNamespace"] = body["customNamespace"].clone();
    let refused = onboard(&globex.live, &with_badge_of_acme).await.expect(400);
    assert_eq!(refused.entry()["message"], "Not able to onboard business", "{refused}");
    onboard(&globex.live, &body).await.expect(201);
    onboard(&acme.live, &business(badge, 2)).await.expect(201);
}

#[tokio::test]
async fn a_person_and_a_business_may_share_an_address_of_mail() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let people = crate::customers::badge(&app, &acme, "Bronzeone").await;
    let mut person = crate::customers::person(&acme, people, 1);
    person["email"] = json!("business1@mail.example");
    crate::customers::onboard(&acme.live, &person).await.expect(201);
    onboard(&acme.live, &business(badge, 1)).await.expect(201);
}

#[tokio::test]
async fn of_ten_who_onboard_one_business_at_once_one_does() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    for path in ["/domain", "/businessUserName", "/businessUserEmail", "/controlPersons/emailAddress"] {
        let answers = at_once(10, |index| {
            let (caller, mut body) = (acme.live.clone(), business(badge, 100 + u32::try_from(index).unwrap()));
            *body.pointer_mut(path).unwrap() = json!(format!("one.of.{}@mail.example", path.len()));
            body["accountAddress"] = json!(format!("0x{:02x}{index:038x}", path.len()));
            body["customNamespace"] = json!(format!("b{}-{index}.eth", path.len()));
            for field in ["domain", "businessUserName", "businessUserEmail"] {
                if path != format!("/{field}") {
                    body[field] = json!(format!("{field}.{}.{index}@mail.example", path.len()));
                }
            }
            if path != "/controlPersons/emailAddress" {
                body["controlPersons"]["emailAddress"] = json!(format!("b{}.{index}@mail.example", path.len()));
            }
            async move { onboard(&caller, &body).await }
        })
        .await;
        let onboarded = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(onboarded, 1, "{path}: {}", answers[0]);
        assert!(answers.iter().all(|answer| matches!(answer.status, 201 | 400)), "{path}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_business_is_named() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let people = crate::customers::badge(&app, &acme, "Bronzeone").await;
    let with = async |path: &str, value: Value| {
        let mut body = example(badge);
        let (parent, field) = path.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[field] = value;
        onboard(&acme.live, &body).await
    };
    for badge in [json!(people), json!(uuid::Uuid::now_v7()), json!("x")] {
        let refused = with("/badgeId", badge).await;
        allow_duplicates! { assert_snapshot!(refused, @r#"400 [{"message":"Not able to onboard business","type":[{"message":"Not able to onboard business","type":"onboard"}]}]"#); }
    }
    assert_snapshot!(with("/accountAddress", json!("0x5179ba651a8ab0d2da5dc3e54ee6c8aa73272f5eac1")).await, @r#"400 [{"message":"accountAddress must be an address of 0x and 40 hexadecimal digits","type":[{"message":"accountAddress must be an address of 0x and 40 hexadecimal digits","type":"Validation"}]}]"#);
    assert_snapshot!(with("/businessUserAddress/state", json!("ZZ")).await, @r#"400 [{"message":"Please provide a valid ISO 3166-1 alpha-2 country and state code","type":[{"message":"Please provide a valid ISO 3166-1 alpha-2 country and state code","type":"onboard"}]}]"#);
    assert_snapshot!(with("/controlPersons/identification/content", json!("TVqQAAMAAAA=")).await, @r#"400 [{"message":"controlPersons[0].identification.content is neither a picture, a PDF, a text nor a paper of an office","type":[{"message":"controlPersons[0].identification.content is neither a picture, a PDF, a text nor a paper of an office","type":"Validation"}]}]"#);
    let mut owners = json!([]);
    for _ in 0..6 {
        owners = json!([{"legalName": "Holding", "entityBeneficialOwners": owners}]);
    }
    let deep = with("/entityBeneficialOwners", owners).await.expect(400);
    assert!(deep.text.contains("lies deeper than 5 owners of owners"), "{deep}");
    // However deep it is: nothing overflows.
    let mut owners = json!([]);
    for _ in 0..50 {
        owners = json!([{"legalName": "Holding", "entityBeneficialOwners": owners}]);
    }
    with("/entityBeneficialOwners", owners).await.expect(400);
    let left: i64 = sqlx::query_scalar("select count(*) from customer").fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(left, 0, "of what is refused nothing is left");
}

#[tokio::test]
async fn a_repeated_onboarding_is_answered_with_the_first_answer() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let keyed = acme.live.with("idempotency-key", "once");
    let first = onboard(&keyed, &business(badge, 1)).await.expect(201);
    let again = onboard(&keyed, &business(badge, 1)).await.expect(201);
    assert_eq!((&first.text, again.header("idempotency-replayed")), (&again.text, "true"));
    assert_eq!(onboard(&keyed, &business(badge, 2)).await.status, 409);
    assert_eq!(id_of(&first), id_of(&again));
}
