//! Withdrawals and transfers, as the database has them.

use alloy::primitives::{Address, U256};
use diolkos::chain::Rpc;
use serde_json::{Value, json};
use uuid::Uuid;

use super::actor::{Actor, Answer};
use super::app::TestApp;
use super::until;

/// The body of a withdrawal of USDC to the customer's own number.
pub fn withdraw_body(phone: &str, amount: &str, key: Option<&str>) -> Value {
    let mut body = json!({"phone": phone, "amount": amount, "payout_mobile": phone, "payout_network": "orange_money"});
    if let Some(key) = key {
        body["idempotency_key"] = json!(key);
    }
    body
}

/// The body of a transfer of USDC by name.
pub fn send_body(from: &str, to: &str, amount: &str) -> Value {
    json!({"sender_phone": from, "recipient_phone": to, "quote_id": format!("DIRECT_CRYPTO:USDC:{amount}")})
}

/// Asks for a withdrawal that is accepted; its id.
pub async fn withdraw(caller: &Actor, phone: &str, amount: &str) -> String {
    let answer = caller.post("/v1/users/withdraw", withdraw_body(phone, amount, None)).await.expect(202);
    answer.json["withdrawal_id"].as_str().unwrap().to_owned()
}

/// Asks for a transfer.
pub async fn send(caller: &Actor, from: &str, to: &str, amount: &str) -> Answer {
    caller.post("/v1/transfers/send", send_body(from, to, amount)).await
}

/// The row behind a public id, as JSON.
pub async fn row(app: &TestApp, public_id: &str) -> Value {
    let (prefix, simple) = public_id.split_once('_').unwrap();
    let table = if prefix == "wdrl" { "withdrawal" } else { "transfer" };
    let query = format!("select to_jsonb(t) from {table} t where id = $1");
    sqlx::query_scalar(sqlx::AssertSqlSafe(query))
        .bind(Uuid::try_parse(simple).unwrap())
        .fetch_one(&mut app.sql().await)
        .await
        .unwrap()
}

/// Waits until a withdrawal or a transfer has this status.
pub async fn until_is(app: &TestApp, public_id: &str, status: &str) -> Value {
    until(&format!("{public_id} is {status}"), || async {
        let row = row(app, public_id).await;
        (row["status"] == status).then_some(row)
    })
    .await
}

/// Waits until the tokens of a withdrawal whose payout was refused have come so far.
pub async fn until_refund_is(app: &TestApp, public_id: &str, refund: &str) -> Value {
    until(&format!("the refund of {public_id} is {refund}"), || async {
        let row = row(app, public_id).await;
        (row["refund"] == refund).then_some(row)
    })
    .await
}

/// The states that a withdrawal went through.
pub async fn steps(app: &TestApp, public_id: &str) -> Vec<String> {
    let id = Uuid::try_parse(public_id.split_once('_').unwrap().1).unwrap();
    sqlx::query_scalar("select state from withdrawal_step where withdrawal_id = $1 order by seq")
        .bind(id)
        .fetch_all(&mut app.sql().await)
        .await
        .unwrap()
}

/// USDC base units that an account holds on chain.
pub async fn usdc(app: &TestApp, account: Address) -> u64 {
    let rpc: Rpc = app.rpc();
    let held: U256 = rpc.token_balance(app.services.contracts.usdc, account).await.unwrap();
    held.to()
}

/// Posted credits less posted debits of an account of the ledger in USDC, and what is reserved on it.
pub async fn book(app: &TestApp, kind: &str) -> (i64, i64) {
    let query = "select coalesce(sum(posted_credits - posted_debits), 0)::bigint, \
        coalesce(sum(pending_debits + pending_credits), 0)::bigint from ledger_account where kind = $1 and token = 'USDC'";
    sqlx::query_as(query).bind(kind).fetch_one(&mut app.sql().await).await.unwrap()
}

/// The operators' verification finds nothing.
pub async fn books_agree(app: &TestApp) {
    let verified = app.operator().get("/admin/ledger/verify").await.expect(200);
    assert_eq!(verified.json["ok"], true, "{verified}");
}
