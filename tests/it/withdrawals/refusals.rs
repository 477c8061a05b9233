//! What is refused before anything is sent, and what fails on chain.

use insta::assert_snapshot;
use serde_json::json;

use super::{JANE, acme};
use crate::harness::app::TestApp;
use crate::harness::rpc_proxy::Fault;
use crate::harness::tenant::phone;
use crate::harness::withdrawals::{book, books_agree, send, until_is, usdc, withdraw_body};

#[tokio::test]
async fn a_request_that_makes_no_sense_is_a_400_that_names_the_field() {
    let app = TestApp::new().await;
    let acme = acme(&app, "5").await;
    for (field, value, error) in [
        ("phone", "0700000001", "invalid_phone"),
        ("amount", "0", "invalid_amount"),
        ("amount", "-1", "invalid_amount"),
        ("amount", "1e3", "invalid_amount"),
        ("amount", "1.0000001", "invalid_amount"),
        ("amount", "0.000001", "invalid_amount"),
        ("token", "EUR", "invalid_token"),
        ("payout_mobile", "0700000001", "invalid_phone"),
        ("payout_mobile", "+2250500000001", "invalid_payout_mobile"),
        ("payout_mobile", "+2252123456789", "invalid_payout_mobile"),
        ("payout_mobile", "+233241234567", "invalid_payout_network"),
        ("payout_mobile", "+14155552671", "invalid_payout_network"),
        ("payout_network", "western_union", "invalid_payout_network"),
        ("payout_network", "", "invalid_payout_network"),
        ("idempotency_key", "", "invalid_idempotency_key"),
        ("idempotency_key", "a b", "invalid_idempotency_key"),
    ] {
        let mut body = withdraw_body(JANE, "1", None);
        body[field] = json!(value);
        let answer = acme.live.post("/v1/users/withdraw", body).await;
        assert_eq!((answer.status, answer.error()), (400, error), "{field} {value}: {answer}");
    }
    // Less than a franc, and more than is there.
    let dust = acme.live.post("/v1/users/withdraw", withdraw_body(JANE, "0.001700", None)).await;
    assert_snapshot!(dust, @r#"400 {"error":"invalid_amount","message":"amount is worth less than the least of XOF"}"#);
    let more = acme.live.post("/v1/users/withdraw", withdraw_body(JANE, "5.000001", None)).await;
    assert_snapshot!(more, @r#"400 {"error":"insufficient_balance","message":"the wallet's USDC does not cover this amount beside its payments that are under way"}"#);
    assert_eq!(app.nobody().post("/v1/users/withdraw", withdraw_body(JANE, "1", None)).await.status, 401);
    let unknown = acme.live.post("/v1/users/withdraw", withdraw_body(&phone(9), "1", None)).await;
    assert_eq!((unknown.status, unknown.error()), (404, "wallet_not_provisioned"));
}

#[tokio::test]
async fn a_withdrawal_that_cannot_be_stored_is_a_500_that_tells_nothing_and_promises_nothing() {
    let app = TestApp::new().await;
    let acme = acme(&app, "5").await;
    let broken = "update tenant set wrapped_key = '\\x00'";
    sqlx::query(broken).execute(&mut app.sql().await).await.unwrap();
    let answer = acme.live.post("/v1/users/withdraw", withdraw_body(JANE, "1", None)).await;
    assert_snapshot!(answer, @r#"500 {"error":"internal_error","message":"an unexpected error occurred; x-request-id identifies it"}"#);
    assert_eq!(book(&app, "payouts").await, (0, 0));
    let sent = send(&acme.live, JANE, &phone(9), "5").await;
    assert_eq!(sent.error(), "recipient_not_provisioned");
}

#[tokio::test]
async fn without_a_chain_or_a_rate_nothing_is_promised() {
    let app = TestApp::new().await;
    let acme = acme(&app, "5").await;
    app.rpc_proxy.next(usize::MAX, "eth_call", Fault::Refuse(-32000, "header not found"));
    let answer = acme.live.post("/v1/users/withdraw", withdraw_body(JANE, "1", None)).await;
    assert!(matches!((answer.status, answer.error()), (502 | 503, "chain_unavailable")), "{answer}");
    app.rpc_proxy.heal();

    let mut unrated = TestApp::with(|variables| {
        variables.insert("FX_URL", "http://127.0.0.1:9/rates".to_owned());
        variables.insert("FX_TIMEOUT_MS", "200".to_owned());
    })
    .await;
    let globex = super::acme(&unrated, "5").await;
    let answer = globex.live.post("/v1/users/withdraw", withdraw_body(JANE, "1", None)).await;
    assert_snapshot!(answer, @r#"502 {"error":"fx_unavailable","message":"the exchange rate cannot be had at the moment; try again"}"#);
    assert_eq!(book(&unrated, "payouts").await, (0, 0));
    unrated.stop().await;
}

/// FAULTS 17, 21: withdrawals and transfers of one wallet, which its first payment deploys.
#[tokio::test]
async fn withdrawals_and_transfers_promise_from_the_same_wallet() {
    let app = TestApp::new().await;
    let acme = acme(&app, "10").await;
    let john = acme.customer(&phone(2)).await;

    let second = phone(2);
    let (one, two) = tokio::join!(
        acme.live.post("/v1/users/withdraw", withdraw_body(JANE, "6", None)),
        send(&acme.live, JANE, &second, "6"),
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 400], "{one} {two}");
    let three = send(&acme.live, JANE, &phone(2), "4").await.expect(202);
    until_is(&app, three.json["transfer_id"].as_str().unwrap(), "SETTLED").await;
    if two.status == 202 {
        until_is(&app, two.json["transfer_id"].as_str().unwrap(), "SETTLED").await;
    } else {
        until_is(&app, one.json["withdrawal_id"].as_str().unwrap(), "COMPLETED").await;
    }
    let johns = if two.status == 202 { 10_000_000 } else { 4_000_000 };
    assert_eq!((usdc(&app, john).await, usdc(&app, acme.customer(JANE).await).await), (johns, 0));
    books_agree(&app).await;
}
