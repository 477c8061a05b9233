//! Top-ups, balances, and the books.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::harness::tenant::TestTenant;
use crate::harness::until;

const TOPUP: &str = "/v1/dashboard/treasury/topup";
const TOPUPS: &str = "/v1/dashboard/treasury/topups";
const BALANCE: &str = "/v1/dashboard/treasury/tenant-balance";

async fn report(caller: &Actor, reference: &str, amount: &str) -> Answer {
    caller.post(TOPUP, json!({"amount": amount, "token": "USDC", "reference": reference, "note": "by wire"})).await
}

async fn reported(tenant: &TestTenant, reference: &str, amount: &str) -> String {
    let answer = report(&tenant.dashboard, reference, amount).await.expect(202).json;
    answer["topup_id"].as_str().unwrap().to_owned()
}

async fn confirm(caller: &Actor, id: &str) -> Answer {
    caller.post(&format!("{TOPUP}/{id}/confirm"), json!({})).await
}

#[tokio::test]
async fn a_top_up_counts_when_it_is_confirmed() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;

    let accepted = report(&acme.clerk, "wire 1", "1000.5").await.expect(202).json;
    assert!(accepted["topup_id"].as_str().unwrap().starts_with("topup_"));
    assert_eq!(accepted["status"], "PENDING");
    assert_eq!(accepted["message"], "Top-up recorded; it is credited when the money has been seen");
    assert_eq!(acme.balance().await.0, "0.000000");

    let confirmed = confirm(&acme.dashboard, accepted["topup_id"].as_str().unwrap()).await.expect(200).json;
    assert_eq!((&confirmed["status"], &confirmed["amount"]), (&json!("CONFIRMED"), &json!("1000.500000")));
    assert_eq!((&confirmed["topup_id"], &confirmed["reference"]), (&accepted["topup_id"], &json!("wire 1")));
    assert_eq!(acme.balance().await.0, "1000.500000");
}

#[tokio::test]
async fn a_top_up_is_credited_once_however_often_it_is_confirmed() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let id = reported(&acme, "wire 1", "100").await;

    let calls = (0..20).map(|n| {
        let (caller, id) = (if n % 2 == 0 { acme.dashboard.clone() } else { app.operator() }, id.clone());
        tokio::spawn(async move { confirm(&caller, &id).await.expect(200).text })
    });
    let mut answers = std::collections::HashSet::new();
    for call in calls.collect::<Vec<_>>() {
        answers.insert(call.await.unwrap());
    }

    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(acme.balance().await.0, "100.000000");
    let verified = app.operator().get("/admin/ledger/verify").await.expect(200).json;
    assert_eq!(verified, json!({"ok": true, "tenants": 1, "discrepancies": []}));
}

#[tokio::test]
async fn only_an_operator_or_the_tenants_super_admin_confirms() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let id = reported(&acme, "wire 1", "100").await;

    assert_eq!(confirm(&app.nobody(), &id).await.status, 401);
    assert_eq!(confirm(&acme.live, &id).await.status, 401);
    let clerk = confirm(&acme.clerk, &id).await;
    assert_snapshot!(clerk, @r#"403 {"error":"missing_permission","message":"only an operator or a super admin may do this"}"#);
    let stranger = confirm(&globex.dashboard, &id).await;
    assert_snapshot!(stranger, @r#"404 {"error":"topup_not_found","message":"there is no such top-up"}"#);
    for unknown in ["topup_00000000000000000000000000000000", "topup_1", "x"] {
        assert_eq!(confirm(&app.operator(), unknown).await.expect(404).error(), "topup_not_found");
    }
    assert_eq!(acme.balance().await.0, "0.000000");

    confirm(&app.operator(), &id).await.expect(200);
    assert_eq!((acme.balance().await.0, globex.balance().await.0), ("100.000000".to_owned(), "0.000000".to_owned()));
    let by: String =
        sqlx::query_scalar("select confirmed_by from topup").fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(by, "operator");
}

#[tokio::test]
async fn a_reference_is_one_top_up() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let id = reported(&acme, "wire 1", "100").await;

    let again = report(&acme.dashboard, "wire 1", "200").await.expect(409).json;
    assert_eq!((&again["error"], &again["topup_id"]), (&json!("duplicate_reference"), &json!(id)));
    assert_eq!(again["status"], "PENDING");
    report(&globex.dashboard, "wire 1", "100").await.expect(202);
}

#[tokio::test]
async fn a_report_that_makes_no_sense_is_refused() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;

    for (field, value) in [
        ("amount", json!("0")),
        ("amount", json!("-1")),
        ("amount", json!("1.0000001")),
        ("amount", json!("1e3")),
        ("amount", json!(100)),
        ("amount", json!("1000000001")),
        ("token", json!("EURC")),
        ("reference", json!("")),
        ("reference", json!("   ")),
        ("reference", json!("a\u{0007}")),
        ("reference", json!("x".repeat(201))),
        ("note", json!("x".repeat(1001))),
    ] {
        let mut body = json!({"amount": "1", "token": "USDC", "reference": "wire 1"});
        body[field] = value.clone();
        let answer = acme.dashboard.post(TOPUP, body).await;
        assert!(answer.status == 400 && answer.text.contains(field), "{field} {value}: {answer}");
    }
    for caller in [app.nobody(), acme.live.clone(), app.operator()] {
        assert_eq!(report(&caller, "wire 1", "1").await.status, 401);
    }
    let jwt = app.app.auth.jwt();
    let token = jwt.issue_dashboard(acme.id, "x", &["other"], std::time::Duration::from_secs(60), app.app.clock.now());
    let stranger = Actor::bearer(&app.base_url, secrecy::ExposeSecret::expose_secret(&token.unwrap()));
    assert_eq!(report(&stranger, "wire 1", "1").await.status, 403);
    assert_eq!(stranger.get(TOPUPS).await.status, 403);
    assert_eq!(stranger.get(BALANCE).await.status, 403);
}

#[tokio::test]
async fn top_ups_are_listed_newest_first() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let mut made = Vec::new();
    for n in 0..3 {
        made.push(reported(&acme, &format!("wire {n}"), "1").await);
    }
    confirm(&acme.dashboard, &made[1]).await.expect(200);
    let list = async |query: &str| {
        let page = acme.clerk.get(&format!("{TOPUPS}?{query}")).await.expect(200).json;
        let ids = page["data"].as_array().unwrap().iter().map(|topup| topup["topup_id"].as_str().unwrap().to_owned());
        (ids.collect::<Vec<_>>(), page["next_cursor"].as_str().map(str::to_owned))
    };

    let (first, cursor) = list("limit=2").await;
    assert_eq!(first, [made[2].clone(), made[1].clone()]);
    assert_eq!(list(&format!("limit=2&cursor={}", cursor.unwrap())).await, (vec![made[0].clone()], None));
    assert_eq!(list("status=CONFIRMED").await.0, [made[1].clone()]);
    assert_eq!(list("status=PENDING").await.0, [made[2].clone(), made[0].clone()]);
    assert_eq!(globex.clerk.get(TOPUPS).await.expect(200).json["data"], json!([]));
    assert_eq!(acme.clerk.get(&format!("{TOPUPS}?status=LOST")).await.status, 400);
    assert_eq!(app.nobody().get(TOPUPS).await.status, 401);
}

#[tokio::test]
async fn the_balance_is_told_for_every_token() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "12.5").await;
    acme.top_up("USDT", "3").await;

    let balance = acme.clerk.get(BALANCE).await.expect(200).json;

    assert_eq!(
        balance,
        json!({
            "available_usdc": "12.500000",
            "reserved_usdc": "0.000000",
            "total_funded_usdc": "12.500000",
            "mmo_id": acme.id.to_string(),
            "balances": [
                {"token": "USDC", "available": "12.500000", "reserved": "0.000000", "total_funded": "12.500000"},
                {"token": "USDT", "available": "3.000000", "reserved": "0.000000", "total_funded": "3.000000"},
            ],
        })
    );
    assert_eq!(app.nobody().get(BALANCE).await.status, 401);
    assert_eq!(acme.live.get(BALANCE).await.status, 401);
}

#[tokio::test]
async fn books_that_do_not_agree_are_found_by_the_job_and_by_operators() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    acme.top_up("USDC", "100").await;
    sqlx::query("update ledger_account set posted_credits = posted_credits + 5 where kind = 'treasury'")
        .execute(&mut app.sql().await)
        .await
        .unwrap();

    let verified = app.operator().get("/admin/ledger/verify").await.expect(200).json;
    assert_eq!((&verified["ok"], &verified["tenants"]), (&json!(false), &json!(2)));
    assert_eq!(verified["discrepancies"].as_array().unwrap().len(), 2, "{verified}");
    assert_eq!(verified["discrepancies"][0]["tenant"], acme.id.to_string());
    let of_globex = format!("/admin/ledger/verify?tenant={}", globex.id);
    assert_eq!(app.operator().get(&of_globex).await.expect(200).json["ok"], true);
    let nobodys = format!("/admin/ledger/verify?tenant={}", uuid::Uuid::now_v7());
    assert_eq!(app.operator().get(&nobodys).await.status, 404);
    assert_eq!(acme.dashboard.get("/admin/ledger/verify").await.status, 401);

    // The next confirmation has the books verified, and that job dies with what it found.
    acme.top_up("USDC", "1").await;
    let dead = until("the verification is dead", || async {
        let page = app.operator().get("/admin/jobs?status=dead").await.expect(200).json;
        page["data"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!((&dead["kind"], &dead["attempts"]), (&json!("verify_ledger"), &json!(1)));
    assert!(dead["last_error"].as_str().unwrap().contains("account treasury USDC says"), "{dead}");

    // Once the books are right a retry succeeds.
    sqlx::query("update ledger_account set posted_credits = posted_credits - 5 where kind = 'treasury'")
        .execute(&mut app.sql().await)
        .await
        .unwrap();
    let id = dead["id"].as_str().unwrap();
    let retried = app.operator().post(&format!("/admin/jobs/{id}/retry"), Value::Null).await.expect(200).json;
    assert_eq!(retried, json!({"id": id, "status": "waiting"}));
    until("the verification is done", || async {
        let page = app.operator().get("/admin/jobs?status=done").await.expect(200).json;
        page["data"].as_array().unwrap().iter().any(|job| job["id"] == id).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_deposit_that_contradicts_its_transfer_is_found() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    acme.customer("+2250700000001").await;
    acme.fund("+2250700000001", "dep_1", "1").await.expect(202);
    acme.until_deposit_is("dep_1", "SETTLED").await;
    sqlx::query("update deposit set status = 'FAILED'").execute(&mut app.sql().await).await.unwrap();
    sqlx::query("update topup set status = 'PENDING', confirmed_at = null, confirmed_by = null")
        .execute(&mut app.sql().await)
        .await
        .unwrap();

    let verified = app.operator().get("/admin/ledger/verify").await.expect(200).json;

    let found: Vec<&str> =
        verified["discrepancies"].as_array().unwrap().iter().map(|d| d["what"].as_str().unwrap()).collect();
    assert_eq!(found[0], "transfer deposit:dep_1 of 1000000 is posted, deposit dep_1 of 1000000 is FAILED");
    assert!(found[1].ends_with("there is no confirmed top-up"), "{found:?}");
}
