//! A customer whose row somebody else has locked, and others who do not wait for that.

use futures_util::future::join_all;
use sqlx::Connection;

use super::{Scene, scene};
use crate::harness::app::TestApp;
use crate::harness::tenant::phone;
use crate::harness::until;

const LOCK: &str = "select id from customer where id = $1 for update";

async fn until_somebody_waits(app: &TestApp) {
    until("somebody waits for the customer", || async {
        let query = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        sqlx::query_scalar::<_, i32>(query).fetch_optional(&mut app.sql().await).await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn a_customer_who_is_held_up_holds_up_nobody_else() {
    let Scene { app, acme, badges, jane, plain } = scene().await;
    let john = app.customer_of(acme.customer(&phone(2)).await).await;
    badges.assign(&plain, john).await;
    let beta = app.tenant("beta").await;
    beta.top_up("USDC", "100").await;
    beta.customer(&phone(3)).await;
    let mut sql = app.sql().await;
    let mut elsewhere = sql.begin().await.unwrap();
    sqlx::query(LOCK).bind(jane).execute(&mut *elsewhere).await.unwrap();

    let asked = [(&acme, 1, "a"), (&acme, 2, "b"), (&beta, 3, "c")];
    let asked = asked.map(|(tenant, index, name)| async move { tenant.fund(&phone(index), name, "1").await });
    let answers: Vec<_> =
        join_all(asked).await.iter().map(|answer| (answer.status, answer.error().to_owned())).collect();

    assert_eq!(answers, [(503, "customer_busy".to_owned()), (202, String::new()), (202, String::new())]);
    elsewhere.rollback().await.unwrap();
    acme.fund(&phone(1), "a", "1").await.expect(202);
}

#[tokio::test]
async fn whoever_is_barred_while_a_deposit_waits_is_barred() {
    let Scene { app, acme, jane, .. } = scene().await;
    let mut sql = app.sql().await;
    let mut elsewhere = sql.begin().await.unwrap();
    sqlx::query(LOCK).bind(jane).execute(&mut *elsewhere).await.unwrap();
    let deposit = tokio::spawn(async move { acme.fund(&phone(1), "a", "1").await });
    until_somebody_waits(&app).await;

    sqlx::query("update customer set is_barred = true where id = $1")
        .bind(jane)
        .execute(&mut *elsewhere)
        .await
        .unwrap();
    elsewhere.commit().await.unwrap();

    assert_eq!(deposit.await.unwrap().expect(403).error(), "customer_barred");
}
