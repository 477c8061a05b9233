//! Whose agreements can be read no more, and whose can.

use chrono::TimeDelta;
use serde_json::json;
use sqlx::Connection;
use uuid::Uuid;

use super::{LIST, PREVIEW, example, preview, say};
use crate::customers::{acme, id_of, onboard, person};
use crate::harness::actor::Actor;
use crate::harness::app::TestApp;
use crate::harness::tenant::phone;
use crate::harness::until;

async fn preview_of(caller: &Actor, account: &str) -> String {
    let mut body = example();
    body["accountAddress"] = json!(account);
    let answer = caller.post(PREVIEW, body).await.expect(200);
    answer.json["data"][0]["id"].as_str().unwrap().to_owned()
}

async fn is_readable(caller: &Actor, id: &str) -> bool {
    let shown = caller.get(&format!("{LIST}?agreementId={id}")).await.expect(200);
    shown.json["data"][0]["content"].is_string()
}

#[tokio::test]
async fn forgetting_a_test_customer_takes_nothing_from_the_live_one_with_the_same_address() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let body = person(&acme, badge, 1);
    let account = body["accountAddress"].as_str().unwrap();
    // Shown before there is a customer, and after.
    let before = [preview_of(&acme.live, account).await, preview_of(&acme.test, account).await];
    let live = id_of(&onboard(&acme.live, &body).await.expect(201));
    let test = id_of(&onboard(&acme.test, &body).await.expect(201));
    let after = [preview_of(&acme.live, account).await, preview_of(&acme.test, account).await];

    acme.test.delete(&format!("/tenant/customer/forget/{test}")).await.expect(200);
    for [of_live, of_test] in [&before, &after] {
        assert!(is_readable(&acme.live, of_live).await);
        assert!(!is_readable(&acme.test, of_test).await);
    }
    acme.live.delete(&format!("/tenant/customer/forget/{live}")).await.expect(200);
    for [of_live, _] in [&before, &after] {
        assert!(!is_readable(&acme.live, of_live).await);
    }
}

#[tokio::test]
async fn a_preview_waits_for_who_forgets_its_customer() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let wallet = acme.customer(&phone(1)).await.to_string();
    let customer: Uuid = sqlx::query_scalar("select id from customer").fetch_one(&mut app.sql().await).await.unwrap();
    // The customer is being forgotten: the row is held, as the route holds it.
    let mut sql = app.sql().await;
    let mut forgetting = sql.begin().await.unwrap();
    let held = sqlx::query("select from customer where id = $1 for update").bind(customer);
    held.execute(&mut *forgetting).await.unwrap();
    let caller = acme.live.clone();
    let previewing = tokio::spawn(async move { preview_of(&caller, &wallet).await });
    until("the preview waits", || async {
        let query =
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        let waiting: i64 = sqlx::query_scalar(query).fetch_one(&mut app.sql().await).await.unwrap();
        (waiting > 0).then_some(())
    })
    .await;
    let forget = "update customer set forgotten_at = now(), wrapped_key = '', phone_sealed = '' where id = $1";
    sqlx::query(forget).bind(customer).execute(&mut *forgetting).await.unwrap();
    forgetting.commit().await.unwrap();
    let id = previewing.await.unwrap();
    let whose: Option<Uuid> = sqlx::query_scalar("select customer_id from agreement where id = $1::uuid")
        .bind(&id)
        .fetch_one(&mut app.sql().await)
        .await
        .unwrap();
    assert_eq!(whose, None, "an agreement of somebody who was forgotten would be read for ever");
}

#[tokio::test]
async fn what_nobody_decided_on_is_forgotten_after_a_month() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let wallet = acme.customer(&phone(1)).await.to_string();
    let (undecided, decided) = (preview(&acme.live).await, preview(&acme.live).await);
    say(&acme.live, &decided, "ACCEPTED").await.expect(200);
    let of_customer = preview_of(&acme.live, &wallet).await;
    app.app.clock.move_by(TimeDelta::days(31));
    let fresh = preview(&acme.live).await;

    sqlx::query(
        "insert into job (id, kind, payload, max_attempts, lease_seconds)
        values (gen_random_uuid(), 'forget_undecided_agreements', '{}', 3, 600)",
    )
    .execute(&mut app.sql().await)
    .await
    .unwrap();
    until("the oldest is forgotten", || async { (!is_readable(&acme.live, &undecided).await).then_some(()) }).await;
    for kept in [&decided, &of_customer, &fresh] {
        assert!(is_readable(&acme.live, kept).await);
    }
    // Nobody agrees to what nobody can read.
    say(&acme.live, &undecided, "ACCEPTED").await.expect(400);
}
