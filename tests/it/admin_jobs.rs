//! Background jobs as operators see them.

use insta::assert_snapshot;
use uuid::Uuid;

use crate::harness::app::TestApp;
use crate::harness::until;

#[tokio::test]
async fn operators_list_jobs_and_retry_dead_ones() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    sqlx::query(
        "insert into job (id, kind, payload, max_attempts, lease_seconds)
         values (gen_random_uuid(), 'verify_ledger', '{\"tenant\": \"nobody\"}', 5, 60)",
    )
    .execute(&mut app.sql().await)
    .await
    .unwrap();

    let dead = until("the job is dead", || async {
        let page = app.operator().get("/admin/jobs?status=dead").await.expect(200).json;
        page["data"].as_array().unwrap().first().cloned()
    })
    .await;
    assert!(dead["last_error"].as_str().unwrap().starts_with("the payload cannot be read"), "{dead}");
    let retry_dead = format!("/admin/jobs/{}/retry", dead["id"].as_str().unwrap());
    app.operator().post(&retry_dead, serde_json::Value::Null).await.expect(200);

    let done = until("a job is done", || async {
        let page = app.operator().get("/admin/jobs?status=done&limit=1").await.expect(200).json;
        page["data"].as_array().unwrap().first().cloned()
    })
    .await;
    let retry_done = format!("/admin/jobs/{}/retry", done["id"].as_str().unwrap());
    let refused = app.operator().post(&retry_done, serde_json::Value::Null).await;
    assert_snapshot!(refused, @r#"409 {"error":"job_not_dead","message":"only a dead job can be retried","status":"done"}"#);
    for unknown in [Uuid::now_v7().to_string(), "x".to_owned()] {
        let answer = app.operator().post(&format!("/admin/jobs/{unknown}/retry"), serde_json::Value::Null).await;
        assert_eq!((answer.status, answer.error()), (404, "job_not_found"));
    }
    for caller in [app.nobody(), acme.live, acme.dashboard] {
        assert_eq!(caller.get("/admin/jobs").await.status, 401);
        assert_eq!(caller.post(&retry_dead, serde_json::Value::Null).await.status, 401);
    }
    assert_eq!(app.operator().get("/admin/jobs?status=lost").await.status, 400);
}
