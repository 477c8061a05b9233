//! The local money: paid, refused, retried, returned, confirmed by a person.

use std::time::Duration;

use insta::assert_snapshot;
use serde_json::json;
use uuid::Uuid;

use super::{JANE, acme};
use crate::harness::app::TestApp;
use crate::harness::payout_network::{FakePawaPay, Fate, Line};
use crate::harness::until;
use crate::harness::withdrawals::{book, books_agree, row, steps, until_is, until_refund_is, usdc, withdraw};

pub const TOKEN: &str = "a-token-of-pawapay";

/// A server whose payouts are made by this provider; refused ones go back after so long.
pub async fn app_paid_by(fake: &FakePawaPay, refund_after: &str) -> TestApp {
    TestApp::with(|variables| {
        variables.insert("PAYOUT_PROVIDER", "pawapay".to_owned());
        variables.insert("PAYOUT_URL", fake.url.clone());
        variables.insert("PAYOUT_TOKEN", TOKEN.to_owned());
        variables.insert("PAYOUT_TIMEOUT_MS", "500".to_owned());
        variables.insert("PAYOUT_REFUND_AFTER_SECONDS", refund_after.to_owned());
        variables.insert("PAYOUT_NETWORKS", "orange_money:CI:XOF:07,mtn_momo:CI:XOF:05,wave:CI:XOF".to_owned());
    })
    .await
}

async fn app_paid_by_people() -> TestApp {
    TestApp::with(|variables| {
        variables.insert("PAYOUT_PROVIDER", "manual".to_owned());
    })
    .await
}

#[tokio::test]
async fn a_real_provider_pays_the_number_once() {
    let fake = FakePawaPay::start(TOKEN).await;
    let app = app_paid_by(&fake, "600").await;
    let acme = acme(&app, "10").await;

    let id = withdraw(&acme.live, JANE, "10").await;
    let done = until_is(&app, &id, "COMPLETED").await;

    let paid = fake.paid();
    assert_eq!(paid.len(), 1);
    let body = &paid[0].body;
    assert_eq!(body["recipient"]["accountDetails"], json!({"phoneNumber": "2250700000001", "provider": "ORANGE_CIV"}));
    assert_eq!((&body["amount"], &body["currency"]), (&json!("5576"), &json!("XOF")));
    assert_eq!(paid[0].withdrawal(), done["id"]);
    assert_eq!(done["payout_reference"], format!("NET-{}", paid[0].id.simple()));
    fake.pays_nobody_twice();
    books_agree(&app).await;
}

#[tokio::test]
async fn a_call_back_makes_the_server_look_and_is_not_believed() {
    let fake = FakePawaPay::start(TOKEN).await;
    fake.fate(Fate::Waits);
    let app = app_paid_by(&fake, "600").await;
    let acme = acme(&app, "10").await;
    let id = withdraw(&acme.live, JANE, "10").await;
    let payout = until("the provider has it", || async { fake.payouts().first().cloned() }).await;
    // From now on nobody would look for hours.
    let never = "update payout set next_at = now() + interval '1 hour'";
    until("its looks are over", || async {
        let asks = fake.asks();
        sqlx::query(never).execute(&mut app.sql().await).await.unwrap();
        tokio::time::sleep(Duration::from_millis(700)).await;
        (fake.asks() == asks).then_some(())
    })
    .await;

    let call_back = format!("{}/v1/callbacks/payouts", app.base_url);
    let lie = json!({"payoutId": payout.id, "status": "COMPLETED"});
    let asks = fake.asks();
    app.nobody().post("/v1/callbacks/payouts", lie).await.expect(204);
    until("the provider is asked", || async { (fake.asks() > asks).then_some(()) }).await;
    assert_eq!(row(&app, &id).await["status"], "CRYPTO_RECEIVED");
    app.nobody().post("/v1/callbacks/payouts", json!({"payoutId": Uuid::new_v4()})).await.expect(204);

    sqlx::query(never).execute(&mut app.sql().await).await.unwrap();
    fake.calls_back(&call_back);
    fake.ends(payout.id, None).await;
    until_is(&app, &id, "COMPLETED").await;
    fake.pays_nobody_twice();
}

#[tokio::test]
async fn answers_that_get_lost_pay_nobody_twice() {
    for line in [
        Line::LosesAnswers,
        Line::Late(Duration::from_secs(2)),
        Line::HearsLate(Duration::from_secs(1)),
        Line::Garbles(502, "<html>".to_owned()),
        Line::Refuses(503, "{}".to_owned()),
    ] {
        let fake = FakePawaPay::start(TOKEN).await;
        fake.send_line(line.clone());
        let app = app_paid_by(&fake, "0").await;
        let acme = acme(&app, "10").await;
        let id = withdraw(&acme.live, JANE, "10").await;
        until("it was sent", || async { (fake.sends() > 0).then_some(()) }).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        fake.send_line(Line::Good);
        until_is(&app, &id, "COMPLETED").await;
        fake.pays_nobody_twice();
        assert_eq!(fake.times_paid().into_values().collect::<Vec<_>>(), [1], "{line:?}");
        assert_eq!((book(&app, "payouts").await, book(&app, "house").await), ((0, 0), (10_000_000, 0)));
        books_agree(&app).await;
    }
}

#[tokio::test]
async fn tokens_of_a_refused_payout_go_back_to_the_wallet() {
    let fake = FakePawaPay::start(TOKEN).await;
    fake.fate(Fate::Fails("RECIPIENT_NOT_FOUND"));
    let app = app_paid_by(&fake, "1").await;
    let acme = acme(&app, "10").await;
    let jane = acme.customer(JANE).await;

    let id = withdraw(&acme.live, JANE, "10").await;
    let refused = until_is(&app, &id, "PAYOUT_FAILED").await;
    assert_eq!(refused["failure"], "RECIPIENT_NOT_FOUND");
    let back = until_refund_is(&app, &id, "returned").await;

    assert_eq!(back["status"], "PAYOUT_FAILED");
    assert!(back["refund_tx_hash"].is_string());
    assert_eq!(usdc(&app, jane).await, 10_000_000);
    assert_eq!(
        steps(&app, &id).await,
        ["PENDING", "SUBMITTED", "CRYPTO_RECEIVED", "PAYOUT_FAILED", "REFUND_SENT", "REFUND_RETURNED"]
    );
    assert_eq!((book(&app, "payouts").await, book(&app, "house").await), ((0, 0), (0, 0)));
    assert_eq!(book(&app, "customers").await, (10_000_000, 0));
    assert!(fake.paid().is_empty());
    books_agree(&app).await;
    // Nothing is left to decide, and the tokens can be withdrawn again.
    let decided = decide(&app, &id, "retry").await;
    assert_snapshot!(decided, @r#"409 {"error":"payout_not_refused","message":"the withdrawal has no payout that was refused, or its tokens are on their way back","refund":"returned","status":"PAYOUT_FAILED"}"#);
    assert_eq!(confirm(&acme.dashboard, &id, "MP1").await.error(), "no_payout_pending");
    fake.fate(Fate::Pays);
    let again = withdraw(&acme.live, JANE, "10").await;
    until_is(&app, &again, "COMPLETED").await;
    books_agree(&app).await;
}

async fn decide(app: &TestApp, id: &str, action: &str) -> crate::harness::actor::Answer {
    app.operator().post(&format!("/admin/withdrawals/{id}/payout"), json!({"action": action})).await
}

async fn confirm(caller: &crate::harness::actor::Actor, id: &str, reference: &str) -> crate::harness::actor::Answer {
    let path = format!("/v1/dashboard/withdrawals/{id}/confirm-payout");
    caller.post(&path, json!({"payout_reference": reference, "note": "seen at the bank"})).await
}

#[tokio::test]
async fn an_operator_has_a_refused_payout_tried_again() {
    let fake = FakePawaPay::start(TOKEN).await;
    fake.fate(Fate::Fails("PAWAPAY_WALLET_OUT_OF_FUNDS"));
    let app = app_paid_by(&fake, "600").await;
    let acme = acme(&app, "10").await;
    let id = withdraw(&acme.live, JANE, "10").await;
    assert_eq!(decide(&app, &id, "retry").await.error(), "payout_not_refused");
    until_is(&app, &id, "PAYOUT_FAILED").await;

    fake.fate(Fate::Pays);
    let decided = decide(&app, &id, "retry").await;
    assert_snapshot!(decided.redacted(), @r#"200 {"withdrawal_id":"wdrl_[id]","status":"CRYPTO_RECEIVED"}"#);
    until_is(&app, &id, "COMPLETED").await;

    assert_eq!(
        steps(&app, &id).await,
        ["PENDING", "SUBMITTED", "CRYPTO_RECEIVED", "PAYOUT_FAILED", "PAYOUT_RETRIED", "COMPLETED"]
    );
    fake.pays_nobody_twice();
    assert_eq!(fake.paid().len(), 1);
    assert_eq!((book(&app, "payouts").await, book(&app, "house").await), ((0, 0), (10_000_000, 0)));
    books_agree(&app).await;
}

#[tokio::test]
async fn tokens_that_cannot_go_back_wait_for_an_operator() {
    let fake = FakePawaPay::start(TOKEN).await;
    fake.fate(Fate::Waits);
    let app = app_paid_by(&fake, "1").await;
    let acme = acme(&app, "10").await;
    let jane = acme.customer(JANE).await;
    let id = withdraw(&acme.live, JANE, "10").await;
    let payout = until("the provider has it", || async { fake.payouts().first().cloned() }).await;
    app.services.blacklist(app.services.contracts.usdc, jane).await;
    fake.ends(payout.id, Some("RECIPIENT_NOT_FOUND")).await;

    until_refund_is(&app, &id, "failed").await;
    assert_eq!((book(&app, "payouts").await, usdc(&app, jane).await), ((10_000_000, 0), 0));
    assert_eq!(steps(&app, &id).await.last().unwrap(), "REFUND_FAILED");
    books_agree(&app).await;

    // Another attempt fails alike; then the customer is paid by hand.
    decide(&app, &id, "refund").await.expect(200);
    until("the second refund fails", || async {
        let failed = steps(&app, &id).await.iter().filter(|step| *step == "REFUND_FAILED").count();
        (failed == 2).then_some(())
    })
    .await;
    confirm(&acme.dashboard, &id, "BANK-7").await.expect(200);
    assert_eq!((book(&app, "payouts").await, book(&app, "house").await), ((0, 0), (10_000_000, 0)));
    books_agree(&app).await;
}

#[tokio::test]
async fn people_pay_where_no_provider_does() {
    let app = app_paid_by_people().await;
    let acme = acme(&app, "10").await;
    let id = withdraw(&acme.live, JANE, "10").await;
    assert_eq!(confirm(&acme.dashboard, &id, "MP1").await.error(), "no_payout_pending");
    until_is(&app, &id, "CRYPTO_RECEIVED").await;

    assert_eq!(confirm(&acme.clerk, &id, "MP1").await.status, 403);
    assert_eq!(confirm(&app.nobody(), &id, "MP1").await.status, 401);
    assert_eq!(confirm(&acme.dashboard, "wdrl_x", "MP1").await.status, 404);
    assert_eq!(confirm(&acme.dashboard, &id, "").await.error(), "invalid_payout_reference");
    let answers =
        futures::future::join_all((0..10).map(|_| confirm(&acme.dashboard, &id, "MP260625.1200.A12345"))).await;
    for answer in &answers {
        assert!(matches!(answer.status, 200 | 409), "{answer}");
    }
    let confirmed = confirm(&acme.dashboard, &id, "MP260625.1200.A12345").await;
    assert_snapshot!(confirmed.redacted(), @r#"200 {"withdrawal_id":"wdrl_[id]","status":"COMPLETED","payout_reference":"MP260625.1200.A12345"}"#);
    let other = confirm(&acme.dashboard, &id, "MP2").await;
    assert_snapshot!(other, @r#"409 {"error":"no_payout_pending","message":"the withdrawal does not wait for local money","status":"COMPLETED"}"#);
    assert_eq!(steps(&app, &id).await, ["PENDING", "SUBMITTED", "CRYPTO_RECEIVED", "COMPLETED"]);
    assert_eq!((book(&app, "payouts").await, book(&app, "house").await), ((0, 0), (10_000_000, 0)));
    books_agree(&app).await;
}

#[tokio::test]
async fn what_nobody_can_pay_by_hand_goes_back() {
    let app = app_paid_by_people().await;
    let acme = acme(&app, "10").await;
    let jane = acme.customer(JANE).await;
    let id = withdraw(&acme.live, JANE, "10").await;
    until_is(&app, &id, "CRYPTO_RECEIVED").await;
    assert_eq!(decide(&app, "wdrl_x", "refund").await.status, 404);
    assert_eq!(decide(&app, &id, "retry").await.status, 409);
    decide(&app, &id, "refund").await.expect(200);
    until_refund_is(&app, &id, "returned").await;
    assert_eq!((usdc(&app, jane).await, book(&app, "customers").await), (10_000_000, (10_000_000, 0)));
    books_agree(&app).await;
}

#[tokio::test]
async fn money_that_a_provider_may_have_paid_is_waited_for() {
    let fake = FakePawaPay::start(TOKEN).await;
    fake.fate(Fate::Waits);
    let app = app_paid_by(&fake, "0").await;
    let acme = acme(&app, "10").await;
    let id = withdraw(&acme.live, JANE, "10").await;
    let payout = until("the provider has it", || async { fake.payouts().first().cloned() }).await;
    for action in ["refund", "retry"] {
        assert_eq!(decide(&app, &id, action).await.error(), "payout_not_refused", "{action}");
    }
    fake.status_line(Line::Hangs);
    let silent = decide(&app, &id, "refund").await;
    assert_snapshot!(silent, @r#"502 {"error":"payout_provider_unavailable","message":"the payout's provider gives no answer; try again"}"#);
    fake.status_line(Line::Good);
    assert_eq!(decide(&app, &id, "pay").await.error(), "invalid_action");
    // It was refused, and then thought better of.
    fake.ends(payout.id, Some("PROCESSING_ERROR")).await;
    fake.sets(payout.id, "COMPLETED");
    app.nobody().post("/v1/callbacks/payouts", json!({"payoutId": payout.id})).await.expect(204);
    until_is(&app, &id, "COMPLETED").await;
    assert_eq!((book(&app, "payouts").await, book(&app, "house").await), ((0, 0), (10_000_000, 0)));
    books_agree(&app).await;
}

#[tokio::test]
async fn a_provider_that_changes_its_mind_before_the_tokens_go_back_has_paid() {
    let fake = FakePawaPay::start(TOKEN).await;
    fake.fate(Fate::Fails("PROCESSING_ERROR"));
    let app = app_paid_by(&fake, "3").await;
    let acme = acme(&app, "10").await;
    let jane = acme.customer(JANE).await;
    let id = withdraw(&acme.live, JANE, "10").await;
    until_is(&app, &id, "PAYOUT_FAILED").await;
    fake.sets(fake.payouts()[0].id, "COMPLETED");
    assert_eq!(decide(&app, &id, "retry").await.error(), "payout_not_refused");
    let done = until_is(&app, &id, "COMPLETED").await;
    assert_eq!((usdc(&app, jane).await, &done["refund"]), (0, &json!(null)));
    assert_eq!((book(&app, "payouts").await, book(&app, "house").await), ((0, 0), (10_000_000, 0)));
    books_agree(&app).await;
}

/// FAULTS 1, 4: an id that its provider had is never sent again, whatever the provider has forgotten.
#[tokio::test]
async fn a_provider_that_forgets_is_not_asked_for_the_money_again() {
    let fake = FakePawaPay::start(TOKEN).await;
    fake.fate(Fate::Waits);
    let app = app_paid_by(&fake, "0").await;
    let acme = acme(&app, "10").await;
    let id = withdraw(&acme.live, JANE, "10").await;
    let payout = until("the provider has it", || async { fake.payouts().first().cloned() }).await;
    let asks = fake.asks();
    until("it is known to have it", || async {
        let heard: Option<String> =
            sqlx::query_scalar("select heard_at::text from payout").fetch_one(&mut app.sql().await).await.unwrap();
        heard
    })
    .await;

    fake.forgets(payout.id);
    for _ in 0..3 {
        app.nobody().post("/v1/callbacks/payouts", json!({"payoutId": payout.id})).await.expect(204);
        let before = fake.asks();
        until("the provider is asked", || async { (fake.asks() > before).then_some(()) }).await;
    }
    assert!(fake.asks() > asks && fake.sends() == 1, "sent {} times", fake.sends());
    assert_eq!(row(&app, &id).await["status"], "CRYPTO_RECEIVED");
    // It may have paid: the tokens stay until a person knows.
    assert_eq!(decide(&app, &id, "refund").await.error(), "payout_not_refused");
    fake.pays_nobody_twice();
    confirm(&acme.dashboard, &id, "NET-7").await.expect(200);
    books_agree(&app).await;
}

#[tokio::test]
async fn a_payout_that_no_provider_will_hear_of_goes_back() {
    let fake = FakePawaPay::start(TOKEN).await;
    fake.send_line(Line::Refuses(400, r#"{"failureReason":{"failureCode":"INVALID_PARAMETER"}}"#.to_owned()));
    let app = app_paid_by(&fake, "0").await;
    let acme = acme(&app, "10").await;
    let jane = acme.customer(JANE).await;
    let id = withdraw(&acme.live, JANE, "10").await;
    until("it was sent", || async { (fake.sends() > 0).then_some(()) }).await;
    until("an operator has it back", || async {
        let decided = decide(&app, &id, "refund").await;
        (decided.status == 200).then_some(())
    })
    .await;
    until_refund_is(&app, &id, "returned").await;
    assert_eq!((usdc(&app, jane).await, fake.paid().len()), (10_000_000, 0));
    books_agree(&app).await;
}
