//! How long a check can be used, how often, and what dies on the way.

use chrono::TimeDelta;
use insta::assert_snapshot;
use serde_json::{Value, json};
use sqlx::Row;

use super::{VALIDATE, about, begin, begun, example, id_of, signed_in, validate};
use crate::customers::{accepted, acme, at_once, details};
use crate::harness::app::TestApp;
use crate::harness::process::Process;
use crate::harness::tenant::phone;
use crate::harness::until;

#[tokio::test]
async fn a_check_proves_somebody_once_and_says_so_as_often_as_it_is_asked() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let check = begun(&acme.live, example()).await;
    let first = validate(&acme.live, &check, "Jane-Doe").await.expect(202);
    let again = validate(&acme.live, &check, "Jane-Doe").await.expect(202);
    assert_eq!(first.text, again.text);
    let other = validate(&acme.live, &check, "John-Doe").await;
    assert_snapshot!(other, @r#"400 {"errors":[{"message":[{"message":"Request Id not found","type":"Prove"}],"type":"Catch"}]}"#);

    let check = begun(&acme.live, example()).await;
    let answers = at_once(10, |index| {
        let (caller, check) = (acme.live.clone(), check.clone());
        async move { validate(&caller, &check, ["Jane-Doe", "John-Doe"][index % 2]).await }
    })
    .await;
    let proven: std::collections::BTreeSet<&str> =
        answers.iter().filter(|answer| answer.status == 202).map(|answer| &*answer.text).collect();
    assert_eq!(proven.len(), 1, "one of the two");
    assert!(answers.iter().all(|answer| matches!(answer.status, 202 | 400 | 409 | 503)));
    assert!(answers.iter().any(|answer| answer.status == 202));
}

#[tokio::test]
async fn a_fingerprint_that_proves_nothing_may_be_tried_five_times() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let check = begun(&acme.live, example()).await;
    for _ in 0..4 {
        let refused = validate(&acme.live, &check, "denied").await;
        insta::allow_duplicates! { assert_snapshot!(refused, @r#"400 {"errors":[{"message":[{"message":"The verification fingerprint is not valid","type":"Prove"}],"type":"Catch"}]}"#); }
    }
    validate(&acme.live, &check, "Jane-Doe").await.expect(202);

    let check = begun(&acme.live, example()).await;
    for _ in 0..5 {
        validate(&acme.live, &check, "denied").await.expect(400);
    }
    let late = validate(&acme.live, &check, "Jane-Doe").await;
    assert_snapshot!(late, @r#"400 {"errors":[{"message":[{"message":"Request Id not found","type":"Prove"}],"type":"Catch"}]}"#);

    let check = begun(&acme.live, example()).await;
    let forgotten = validate(&acme.live, &check, "forgotten").await;
    assert_snapshot!(forgotten, @r#"400 {"errors":[{"message":[{"message":"Request Id not found","type":"Prove"}],"type":"Catch"}]}"#);
    for empty in ["", " ", &"x".repeat(5_000)] {
        let refused = validate(&acme.live, &check, empty).await;
        insta::allow_duplicates! { assert_snapshot!(refused, @r#"400 {"errors":[{"message":"vfp must have 1 to 4000 characters","type":"Validation"}]}"#); }
    }
}

#[tokio::test]
async fn after_half_an_hour_nothing_can_be_proven_and_later_nothing_is_left() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = signed_in(&app, &acme.customer(&phone(1)).await.to_string());
    let (proven, open) = (begun(&acme.live, example()).await, begun(&acme.live, example()).await);
    begun(&jane, example()).await;
    let first = validate(&acme.live, &proven, "Jane-Doe").await.expect(202);
    app.app.clock.move_by(TimeDelta::minutes(31));
    let late = validate(&acme.live, &open, "Jane-Doe").await;
    assert_snapshot!(late, @r#"400 {"errors":[{"message":[{"message":"Request Id not found","type":"Prove"}],"type":"Catch"}]}"#);
    assert_eq!(validate(&acme.live, &proven, "Jane-Doe").await.text, first.text);

    app.app.clock.move_by(TimeDelta::minutes(60));
    until("what is personal is gone", || async {
        let query =
            "select count(*) from identity_check where num_nonnulls(wrapped_key, details, reference, fingerprint,
            finding, mobile_index) > 0";
        let left: i64 = sqlx::query_scalar(query).fetch_one(&mut app.sql().await).await.unwrap();
        (left == 0).then_some(())
    })
    .await;
    let states = sqlx::query("select state from identity_check order by id").fetch_all(&mut app.sql().await).await;
    let states: Vec<String> = states.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(states, ["proven", "expired", "expired"]);
    validate(&acme.live, &proven, "Jane-Doe").await.expect(400);

    app.app.clock.move_by(TimeDelta::hours(24));
    until("that there were checks of nobody is gone", || async {
        let owners: Vec<String> =
            sqlx::query_scalar("select begun_by from identity_check").fetch_all(&mut app.sql().await).await.unwrap();
        (owners == ["customer"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_repeated_request_begins_one_check_and_keeps_nothing_personal() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let keyed = acme.live.with("idempotency-key", "begin");
    let first = begin(&keyed, example()).await.expect(202);
    let again = begin(&keyed, example()).await.expect(202);
    assert_eq!((&first.text, again.header("idempotency-replayed")), (&again.text, "true"));
    assert_eq!(begin(&keyed, about("2001001687")).await.status, 409);

    let keyed = acme.live.with("idempotency-key", "validate");
    let body = json!({"vfp": "Jane-Doe", "requestId": id_of(&first)});
    let proven = keyed.post(VALIDATE, body.clone()).await.expect(202);
    let again = keyed.post(VALIDATE, body).await.expect(202);
    assert_eq!((&proven.text, again.header("idempotency-replayed")), (&again.text, "true"));
    assert_eq!(keyed.post(VALIDATE, json!({"vfp": "x", "requestId": id_of(&first)})).await.status, 409);
    // A device's key is not the tenant's.
    let device = crate::sign_in::device(&app, &acme, "phone-1").await.with("idempotency-key", "begin");
    let own = begin(&device, example()).await.expect(202);
    assert_ne!(id_of(&own), id_of(&first));
}

#[tokio::test]
async fn while_the_provider_does_not_answer_no_other_fingerprint_is_looked_at_and_no_job_comes_of_an_expired_check() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let check = begun(&acme.live, example()).await;
    for _ in 0..2 {
        let unsure = validate(&acme.live, &check, "unavailable").await;
        insta::allow_duplicates! { assert_snapshot!(unsure, @r#"503 {"errors":[{"message":"The identity cannot be checked at the moment; try again","type":"Prove"}]}"#); }
        assert_eq!(unsure.header("retry-after"), "5");
    }
    let other = validate(&acme.live, &check, "Jane-Doe").await;
    assert_snapshot!(other, @r#"409 {"errors":[{"message":"Another fingerprint is being validated","type":"Prove"}]}"#);
    let jobs = async || -> i64 {
        let query = "select count(*) from job where kind = 'validate_identity'";
        sqlx::query_scalar(query).fetch_one(&mut app.sql().await).await.unwrap()
    };
    app.app.clock.move_by(TimeDelta::minutes(31));
    // Every two seconds somebody looks for such checks.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(jobs().await, 0);
    // Whoever asks again has a turn all the same.
    validate(&acme.live, &check, "unavailable").await.expect(503);
}

#[tokio::test]
async fn nobody_being_configured_any_more_leaves_no_dead_jobs() {
    let mut app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let check = begun(&acme.live, example()).await;
    validate(&acme.live, &check, "unavailable").await.expect(503);
    app.variables.remove("VERIFICATION_PROVIDER");
    app.restart().await;
    for turn in 2..=5 {
        let query = "update identity_check set next_at = now() - interval '1 second' where state = 'validating'";
        sqlx::query(query).execute(&mut app.sql().await).await.unwrap();
        until("a turn has passed", || async {
            let query = "select count(*) from job where kind = 'validate_identity' and status = 'done'";
            let done: i64 = sqlx::query_scalar(query).fetch_one(&mut app.sql().await).await.unwrap();
            (done == turn - 1).then_some(())
        })
        .await;
    }
    let query = "select state, attempts, fingerprint is null from identity_check";
    let left: (String, i32, bool) = sqlx::query_as(query).fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(left, ("validating".to_owned(), 0, false), "nobody's fingerprint is to blame");
    let query = "select count(*) from job where kind = 'validate_identity' and (status <> 'done' or attempts > 1)";
    let failed: i64 = sqlx::query_scalar(query).fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(failed, 0);
}

async fn dies_at(step: &str) {
    let app = TestApp::with(|variables| drop(variables.insert("ROLES", "api".to_owned()))).await;
    let mut variables = app.variables.clone();
    variables.insert("ROLES", "api,worker".to_owned());
    let (acme, badge) = acme(&app).await;
    let mut process = Process::serve(&variables, Some(step)).await;
    let customer = accepted(&acme.at(&process.base_url), badge, 1).await;
    let jone = signed_in(&app, &format!("0x{:040x}", 1));
    let mut body = about(&phone(1));
    body["dob"] = json!("02-02-1997");
    let check = begun(&jone, body).await;
    let body = json!({"vfp": "Jone1-Doe", "requestId": check}).to_string().into_bytes();
    let caller = jone.at(&process.base_url);
    let lost = caller.try_send(reqwest::Method::POST, VALIDATE, Some(("application/json", body)));
    assert!(lost.await.is_err());
    process.dies().await;
    let query = "select state from identity_check";
    let state: String = sqlx::query_scalar(query).fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(state, "validating");
    assert_eq!(details(&acme.live, customer).await["kycStatus"], "PENDING");

    // Nobody asks again, and it is written down all the same.
    let _second = Process::serve(&variables, None).await;
    let due = "update identity_check set next_at = now() where state = 'validating'";
    sqlx::query(due).execute(&mut app.sql().await).await.unwrap();
    let known: Value = until("the customer is known", || async {
        let details = details(&acme.live, customer).await;
        (details["kycStatus"] == "ACCEPTED").then_some(details)
    })
    .await;
    assert_eq!(known["firstName"], "Jone1");
    // Whoever does ask again learns what became of it.
    validate(&jone, &check, "Jone1-Doe").await.expect(202);
    let changes: i64 =
        sqlx::query_scalar("select count(*) from customer_change").fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(changes, 1);
}

#[tokio::test]
async fn a_check_survives_the_death_of_the_process_before_the_provider_is_asked() {
    dies_at("fingerprint_stored").await;
}

#[tokio::test]
async fn a_check_survives_the_death_of_the_process_after_the_provider_has_answered() {
    dies_at("identity_proven").await;
}

#[tokio::test]
async fn a_check_whose_process_died_before_the_link_was_sent_is_begun_anew_after_a_minute() {
    let app = TestApp::with(|variables| drop(variables.insert("ROLES", "api".to_owned()))).await;
    let acme = app.tenant("acme").await;
    let mut process = Process::serve(&app.variables, Some("identity_check_stored")).await;
    let keyed = acme.live.with("idempotency-key", "once");
    let body = example().to_string().into_bytes();
    let dying = keyed.at(&process.base_url);
    let lost = dying.try_send(reqwest::Method::POST, super::BEGIN, Some(("application/json", body)));
    assert!(lost.await.is_err());
    process.dies().await;
    let soon = begin(&keyed, example()).await;
    assert_snapshot!(soon, @r#"409 {"errors":[{"message":"the first request with this Idempotency-Key is still running","type":"Conflict"}]}"#);
    app.app.clock.move_by(TimeDelta::minutes(2));
    let first = begin(&keyed, example()).await.expect(202);
    let again = begin(&keyed, example()).await.expect(202);
    assert_eq!((&first.text, again.header("idempotency-replayed")), (&again.text, "true"));
    let query = "select state from identity_check order by created_at";
    let states: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut app.sql().await).await.unwrap();
    assert_eq!(states, ["failed", "sent"]);
    validate(&keyed.with("idempotency-key", "other"), &id_of(&first), "Jane-Doe").await.expect(202);
}
