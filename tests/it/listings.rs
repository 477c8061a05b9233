//! The dashboard's lists of transfers and withdrawals, and what one of them went through.

use chrono::{DateTime, Utc};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::fx::quote;
use crate::harness::actor::Actor;
use crate::harness::app::TestApp;
use crate::harness::payout_network::{FakePawaPay, Fate};
use crate::harness::tenant::{TestTenant, fund_body};
use crate::harness::withdrawals::{row, send, send_body, until_is, until_refund_is, withdraw, withdraw_body};
use crate::withdrawals::payouts::{TOKEN, app_paid_by};

const JANE: &str = "+2250700000001";
const JOHN: &str = "+2250700000002";
const TRANSFERS: &str = "/v1/dashboard/transfers";
const WITHDRAWALS: &str = "/v1/dashboard/withdrawals";
const PENDING: &str = "/v1/dashboard/withdrawals/pending-payouts";

/// A tenant whose test customers are Jane and John, and their wallets.
async fn acme(app: &TestApp) -> (TestTenant, [String; 2]) {
    let acme = app.tenant("acme").await;
    let provision = async |phone| {
        let answer = acme.test.post("/v1/users/provision", json!({"phone_number": phone})).await.expect(200);
        answer.json["wallet_address"].as_str().unwrap().to_owned()
    };
    let wallets = [provision(JANE).await, provision(JOHN).await];
    (acme, wallets)
}

/// A server that only serves HTTP, so that everything stays where it was put.
async fn without_workers() -> TestApp {
    TestApp::with(|variables| {
        variables.insert("ROLES", "api".to_owned());
    })
    .await
}

async fn transfer(caller: &Actor, from: &str, to: &str, amount: &str) -> String {
    send(caller, from, to, amount).await.expect(202).json["transfer_id"].as_str().unwrap().to_owned()
}

/// The ids of a page's records.
fn ids(page: &Value) -> Vec<String> {
    let id = |record: &Value| {
        let id = record.get("transfer_id").or(record.get("withdrawal_id")).or(record.get("deposit_id"));
        id.unwrap().as_str().unwrap().to_owned()
    };
    page["data"].as_array().unwrap().iter().map(id).collect()
}

/// The ids of all pages of a list of two a page.
async fn walk(caller: &Actor, list: &str) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = caller.get(&format!("{list}?mode=test&limit=2{cursor}")).await.expect(200).json;
        all.extend(ids(&page));
        let Some(next) = page["next_cursor"].as_str() else { return all };
        assert_eq!(ids(&page).len(), 2, "{page}");
        cursor = format!("&cursor={next}");
    }
}

/// Refusals that every list has.
async fn refuses_what_makes_no_sense(acme: &TestTenant, list: &str, more: &[(&str, &str)]) {
    let common = [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("cursor=x", "cursor"),
        ("mode=both", "mode"),
    ];
    for (query, field) in common.iter().chain(more) {
        let answer = acme.clerk.get(&format!("{list}?{query}")).await;
        assert_eq!((answer.status, answer.error()), (400, &*format!("invalid_{field}")), "{list}?{query}: {answer}");
    }
}

const FILTERS: [(&str, &str); 5] = [
    ("status=settled", "status"),
    ("from=yesterday", "from"),
    ("to=-200000-01-01T00:00:00Z", "to"),
    ("to=2026-01-01", "to"),
    ("wallet_address=0x12", "wallet_address"),
];

#[tokio::test]
async fn transfers_are_listed_newest_first_in_pages_without_gaps_or_repeats() {
    let app = without_workers().await;
    let (acme, _) = acme(&app).await;
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.push(transfer(&acme.test, JANE, JOHN, "1").await);
    }
    sent.reverse();
    assert_eq!(walk(&acme.clerk, TRANSFERS).await, sent);

    // What comes while somebody reads neither moves what is there nor shows up among it.
    let first = acme.clerk.get(&format!("{TRANSFERS}?mode=test&limit=2")).await.expect(200).json;
    transfer(&acme.test, JANE, JOHN, "1").await;
    let next = format!("{TRANSFERS}?mode=test&limit=100&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(ids(&acme.clerk.get(&next).await.expect(200).json), sent[2..]);
    assert_eq!(ids(&acme.clerk.get(TRANSFERS).await.expect(200).json), [""; 0], "live when absent");
}

#[tokio::test]
async fn transfers_are_filtered_by_status_time_and_the_wallet_of_either_side() {
    let app = without_workers().await;
    let (acme, [jane, john]) = acme(&app).await;
    let body = json!({"phone_number": "+2250700000003"});
    let jim = acme.test.post("/v1/users/provision", body).await.expect(200).json;
    let sent = [
        transfer(&acme.test, JANE, JOHN, "1").await,
        transfer(&acme.test, JOHN, JANE, "1").await,
        transfer(&acme.test, JOHN, "+2250700000003", "1").await,
    ];
    sqlx::query("update transfer set status = 'SUBMITTED' where id::text = $1")
        .bind(uuid::Uuid::try_parse(&sent[1][4..]).unwrap().to_string())
        .execute(&mut app.sql().await)
        .await
        .unwrap();
    let mut times = Vec::new();
    for id in &sent {
        let shown = acme.clerk.get(&format!("{TRANSFERS}/{id}")).await.expect(200).json;
        times.push(shown["created_at"].as_str().unwrap().to_owned());
    }
    let list =
        async |query: String| ids(&acme.clerk.get(&format!("{TRANSFERS}?mode=test&{query}")).await.expect(200).json);
    let only = |which: &[usize]| which.iter().map(|n| sent[*n].clone()).collect::<Vec<_>>();

    assert_eq!(list("status=SUBMITTED".into()).await, only(&[1]));
    assert_eq!(list(format!("from={}", times[1])).await, only(&[2, 1]));
    assert_eq!(list(format!("to={}", times[1])).await, only(&[0]));
    assert_eq!(list(format!("wallet_address={jane}")).await, only(&[1, 0]));
    assert_eq!(list(format!("wallet_address={}", john.to_lowercase())).await, only(&[2, 1, 0]));
    assert_eq!(list(format!("wallet_address={}", jim["wallet_address"].as_str().unwrap())).await, only(&[2]));
    assert_eq!(list(format!("wallet_address=0x{}", "11".repeat(20))).await, only(&[]));
    refuses_what_makes_no_sense(&acme, TRANSFERS, &FILTERS).await;
}

#[tokio::test]
async fn a_transfer_tells_who_what_and_how_far() {
    let app = TestApp::new().await;
    let (acme, [jane, john]) = acme(&app).await;
    let mut body = send_body(JANE, JOHN, "10.50");
    body["idempotency_key"] = json!("ref_1");
    let sent = acme.test.post("/v1/transfers/send", body).await.expect(202);
    let id = sent.json["transfer_id"].as_str().unwrap();
    until_is(&app, id, "SETTLED").await;

    let shown = acme.clerk.get(&format!("{TRANSFERS}/{id}")).await.expect(200);
    assert_snapshot!(shown.redacted(), @r#"200 {"transfer_id":"txn_[id]","status":"SETTLED","token":"USDC","amount":"10.500000","sender_wallet_address":"[address]","sender_blind_index":"[digest]","recipient_wallet_address":"[address]","recipient_blind_index":"[digest]","quote_id":null,"idempotency_key":"ref_1","tx_hash":null,"block_number":null,"failure_reason":null,"created_at":"[time]","history":[{"status":"QUEUED","at":"[time]"},{"status":"SUBMITTED","at":"[time]"},{"status":"SETTLED","at":"[time]"}]}"#);
    assert_eq!(
        (&shown.json["sender_wallet_address"], &shown.json["recipient_wallet_address"]),
        (&json!(jane), &json!(john))
    );
    let listed = acme.clerk.get(&format!("{TRANSFERS}?mode=test")).await.expect(200).json["data"][0].clone();
    let mut without_history = shown.json.clone();
    without_history.as_object_mut().unwrap().remove("history");
    assert_eq!(listed, without_history);

    let failed = transfer(&acme.test, JANE, JOHN, "5.000001").await;
    until_is(&app, &failed, "FAILED").await;
    let failed = acme.clerk.get(&format!("{TRANSFERS}/{failed}")).await.expect(200).json;
    assert_eq!(failed["failure_reason"], "reverted, as the fraction of the amount asked for");
    assert_eq!(failed["history"].as_array().unwrap().last().unwrap()["status"], "FAILED");
}

#[tokio::test]
async fn a_live_transfer_names_its_quote_its_transaction_and_its_block() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    acme.customer_with(JANE, "30").await;
    acme.customer(JOHN).await;
    let quoted = quote(&acme.live, "XOF", "11000").await.expect(200).json;
    let body = json!({"sender_phone": JANE, "recipient_phone": JOHN, "quote_id": quoted["quote_id"]});
    let sent = acme.live.post("/v1/transfers/send", body).await.expect(202);
    let id = sent.json["transfer_id"].as_str().unwrap();
    let stored = until_is(&app, id, "SETTLED").await;
    let shown = acme.clerk.get(&format!("{TRANSFERS}/{id}")).await.expect(200).json;
    assert_eq!((&shown["quote_id"], &shown["block_number"]), (&quoted["quote_id"], &stored["block_number"]));
    assert_eq!(shown["tx_hash"].as_str().unwrap()[2..], stored["tx_hash"].as_str().unwrap()[2..]);
    assert_eq!(shown["tx_hash"].as_str().unwrap().len(), 66);
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_only_a_dashboard_looks() {
    let app = without_workers().await;
    let (acme, _) = acme(&app).await;
    let globex = app.tenant("globex").await;
    let sent = transfer(&acme.test, JANE, JOHN, "1").await;
    let taken = withdraw(&acme.test, JANE, "1").await;
    let unknown = acme.clerk.get(&format!("{TRANSFERS}/txn_1")).await;
    assert_snapshot!(unknown, @r#"404 {"error":"transfer_not_found","message":"there is no such transfer"}"#);
    let unknown = acme.clerk.get(&format!("{WITHDRAWALS}/wdrl_1")).await;
    assert_snapshot!(unknown, @r#"404 {"error":"withdrawal_not_found","message":"there is no such withdrawal"}"#);
    // By another kind's prefix, and by somebody else.
    for (caller, path) in [
        (&acme.clerk, format!("{TRANSFERS}/wdrl{}", &sent[3..])),
        (&acme.clerk, format!("{TRANSFERS}/txn{}", &taken[4..])),
        (&acme.clerk, format!("{WITHDRAWALS}/wdrl{}", &sent[3..])),
        (&globex.clerk, format!("{TRANSFERS}/{sent}")),
        (&globex.clerk, format!("{WITHDRAWALS}/{taken}")),
    ] {
        assert_eq!(caller.get(&path).await.status, 404, "{path}");
    }
    let nothing = Actor::bearer(&app.base_url, &app.token(acme.id, &["other"]));
    let lists = [TRANSFERS, WITHDRAWALS, PENDING].map(str::to_owned);
    for path in lists.into_iter().chain([format!("{TRANSFERS}/{sent}"), format!("{WITHDRAWALS}/{taken}")]) {
        for caller in [app.nobody(), app.operator(), acme.live.clone()] {
            assert_eq!(caller.get(&path).await.status, 401, "{path}");
        }
        assert_eq!(nothing.get(&path).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn withdrawals_are_listed_newest_first_in_pages_and_by_each_filter() {
    let app = without_workers().await;
    let (acme, [jane, john]) = acme(&app).await;
    let mut made = Vec::new();
    for (phone, network) in
        [(JANE, "orange_money"), (JOHN, "wave"), (JANE, "orange_money"), (JOHN, "orange_money"), (JANE, "wave")]
    {
        let mut body = withdraw_body(phone, "1", None);
        body["payout_network"] = json!(network);
        let answer = acme.test.post("/v1/users/withdraw", body).await.expect(202);
        made.push(answer.json["withdrawal_id"].as_str().unwrap().to_owned());
    }
    sqlx::query("update withdrawal set status = 'SUBMITTED' where wallet = decode($1, 'hex')")
        .bind(&john[2..])
        .execute(&mut app.sql().await)
        .await
        .unwrap();
    let third = acme.clerk.get(&format!("{WITHDRAWALS}/{}", made[2])).await.expect(200).json;
    let third = third["created_at"].as_str().unwrap();
    let list =
        async |query: String| ids(&acme.clerk.get(&format!("{WITHDRAWALS}?mode=test&{query}")).await.expect(200).json);
    let only = |which: &[usize]| which.iter().map(|n| made[*n].clone()).collect::<Vec<_>>();

    assert_eq!(walk(&acme.clerk, WITHDRAWALS).await, only(&[4, 3, 2, 1, 0]));
    assert_eq!(list("status=SUBMITTED".into()).await, only(&[3, 1]));
    assert_eq!(list(format!("from={third}")).await, only(&[4, 3, 2]));
    assert_eq!(list(format!("to={third}")).await, only(&[1, 0]));
    assert_eq!(list(format!("wallet_address={jane}")).await, only(&[4, 2, 0]));
    assert_eq!(list("network=wave".into()).await, only(&[4, 1]));
    assert_eq!(list(format!("network=wave&wallet_address={jane}&status=PENDING")).await, only(&[4]));
    assert_eq!(list("network=nobodys".into()).await, only(&[]));
    refuses_what_makes_no_sense(&acme, WITHDRAWALS, &FILTERS).await;
    refuses_what_makes_no_sense(&acme, PENDING, &[]).await;
}

/// The states of a withdrawal's timeline.
fn states(shown: &Value) -> Vec<&str> {
    shown["timeline"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_withdrawal_tells_all_that_it_went_through() {
    let app = TestApp::new().await;
    let (acme, [jane, _]) = acme(&app).await;
    let show = async |id: &str| acme.clerk.get(&format!("{WITHDRAWALS}/{id}")).await.expect(200);
    let (completed, failed, refunded, stuck) = (
        withdraw(&acme.test, JANE, "19.5").await,
        withdraw(&acme.test, JANE, "5.000001").await,
        withdraw(&acme.test, JANE, "5.000002").await,
        withdraw(&acme.test, JANE, "5.000005").await,
    );

    until_is(&app, &completed, "COMPLETED").await;
    let shown = show(&completed).await;
    assert_snapshot!(shown.redacted().replace(shown.json["payout_reference"].as_str().unwrap(), "[reference]"), @r#"200 {"withdrawal_id":"wdrl_[id]","status":"COMPLETED","token":"USDC","amount":"19.500000","fiat_amount":"10875","currency":"XOF","rate":"557.69750000","payout_network":"orange_money","country":"CI","payout_mobile":"+225********01","payout_reference":"[reference]","wallet_address":"[address]","blind_index":"[digest]","idempotency_key":null,"tx_hash":null,"block_number":null,"failure_reason":null,"refund":null,"refund_tx_hash":null,"created_at":"[time]","timeline":[{"state":"PENDING","at":"[time]","tx_hash":null,"reference":null,"note":null},{"state":"SUBMITTED","at":"[time]","tx_hash":null,"reference":null,"note":null},{"state":"CRYPTO_RECEIVED","at":"[time]","tx_hash":null,"reference":null,"note":null},{"state":"COMPLETED","at":"[time]","tx_hash":null,"reference":"[reference]","note":null}]}"#);
    assert_eq!(shown.json["wallet_address"], jane);
    assert_eq!(shown.json["timeline"][3]["reference"], shown.json["payout_reference"]);

    until_is(&app, &failed, "FAILED").await;
    let shown = show(&failed).await.json;
    assert_eq!(*states(&shown).last().unwrap(), "FAILED");
    assert_eq!(shown["failure_reason"], "reverted, as the fraction of the amount asked for");

    until_refund_is(&app, &refunded, "returned").await;
    let shown = show(&refunded).await.json;
    assert_eq!(
        states(&shown),
        ["PENDING", "SUBMITTED", "CRYPTO_RECEIVED", "PAYOUT_FAILED", "REFUND_SENT", "REFUND_RETURNED"]
    );
    assert_eq!((&shown["status"], &shown["refund"]), (&json!("PAYOUT_FAILED"), &json!("returned")));
    assert_eq!(shown["timeline"][3]["note"], shown["failure_reason"]);
    let times: Vec<&str> =
        shown["timeline"].as_array().unwrap().iter().map(|step| step["at"].as_str().unwrap()).collect();
    assert!(times.iter().all(|at| at.ends_with('Z')), "{times:?}");

    until_refund_is(&app, &stuck, "failed").await;
    let shown = show(&stuck).await.json;
    assert_eq!(*states(&shown).last().unwrap(), "REFUND_FAILED");
}

#[tokio::test]
async fn a_live_withdrawal_names_the_transactions_of_its_steps() {
    let fake = FakePawaPay::start(TOKEN).await;
    fake.fate(Fate::Fails("RECIPIENT_NOT_FOUND"));
    let app = app_paid_by(&fake, "0").await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    acme.customer_with(JANE, "20").await;
    let id = withdraw(&acme.live, JANE, "10").await;
    until_refund_is(&app, &id, "returned").await;
    let shown = acme.clerk.get(&format!("{WITHDRAWALS}/{id}")).await.expect(200).json;
    let of = |state: &str| {
        let steps = shown["timeline"].as_array().unwrap().iter();
        steps.filter(|step| step["state"] == state).map(|step| step["tx_hash"].clone()).next().unwrap()
    };
    assert!(shown["tx_hash"].is_string() && shown["block_number"].is_number() && shown["refund_tx_hash"].is_string());
    assert_eq!(
        (of("CRYPTO_RECEIVED"), of("REFUND_RETURNED")),
        (shown["tx_hash"].clone(), shown["refund_tx_hash"].clone())
    );
}

#[tokio::test]
async fn pending_payouts_are_those_that_local_money_can_be_paid_for_still() {
    let app = TestApp::with(|variables| {
        variables.insert("PAYOUT_PROVIDER", "manual".to_owned());
    })
    .await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    acme.customer_with(JANE, "30").await;
    let pending = async |query: &str| acme.clerk.get(&format!("{PENDING}{query}")).await.expect(200);
    assert_snapshot!(pending("").await, @r#"200 {"data":[]}"#);

    let mut waiting = Vec::new();
    for _ in 0..3 {
        let id = withdraw(&acme.live, JANE, "7").await;
        until_is(&app, &id, "CRYPTO_RECEIVED").await;
        waiting.insert(0, id);
    }
    let shown = pending("?limit=2").await;
    assert_eq!(ids(&shown.json), waiting[..2]);
    let time = |value: &Value| value.as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    let stored = row(&app, &waiting[0]).await;
    assert_eq!(time(&shown.json["data"][0]["received_at"]), time(&stored["received_at"]));
    let rest = pending(&format!("?cursor={}", shown.json["next_cursor"].as_str().unwrap())).await;
    assert_eq!(ids(&rest.json), waiting[2..]);
    assert_snapshot!(rest.redacted(), @r#"200 {"data":[{"withdrawal_id":"wdrl_[id]","status":"CRYPTO_RECEIVED","token":"USDC","amount":"7.000000","fiat_amount":"3903","currency":"XOF","payout_network":"orange_money","country":"CI","payout_mobile":"+225********01","wallet_address":"[address]","provider":"manual","payout_attempts":0,"last_failure":null,"refund":null,"refund_at":null,"received_at":"[time]"}]}"#);
    assert_eq!(ids(&pending("?mode=test").await.json), [""; 0]);

    let confirm = format!("{WITHDRAWALS}/{}/confirm-payout", waiting[1]);
    acme.dashboard.post(&confirm, json!({"payout_reference": "MP1", "note": "by hand"})).await.expect(200);
    assert_eq!(ids(&pending("").await.json), [&*waiting[0], &*waiting[2]]);
    let shown = acme.clerk.get(&format!("{WITHDRAWALS}/{}", waiting[1])).await.expect(200).json;
    let last = shown["timeline"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["state"], &last["reference"], &last["note"]),
        (&json!("COMPLETED"), &json!("MP1"), &json!("confirmed by test: by hand"))
    );
}

#[tokio::test]
async fn refused_local_money_is_pending_while_the_tokens_are_here() {
    let app = TestApp::with(|variables| {
        variables.insert("PAYOUT_REFUND_AFTER_SECONDS", "3600".to_owned());
    })
    .await;
    let (acme, _) = acme(&app).await;
    let refused = withdraw(&acme.test, JANE, "5.000002").await;
    until_refund_is(&app, &refused, "due").await;
    withdraw(&acme.test, JANE, "5.000001").await;

    let list = async || acme.clerk.get(&format!("{PENDING}?mode=test")).await.expect(200).json;
    let page = list().await;
    assert_eq!(ids(&page), [&*refused]);
    let shown = &page["data"][0];
    assert_eq!(
        (&shown["status"], &shown["refund"], &shown["payout_attempts"]),
        (&json!("PAYOUT_FAILED"), &json!("due"), &json!(1))
    );
    assert_eq!(shown["provider"], "simulator");
    assert!(shown["last_failure"].is_string() && shown["refund_at"].is_string(), "{shown}");

    // Tried again and refused again: the second payout's.
    let retry = format!("/admin/withdrawals/{refused}/payout");
    app.operator().post(&retry, json!({"action": "retry"})).await.expect(200);
    until_refund_is(&app, &refused, "due").await;
    assert_eq!(list().await["data"][0]["payout_attempts"], 2);
    let set = "update withdrawal set refund = 'failed', refund_op_id = (select id from chain_op limit 1)";
    sqlx::query(sqlx::AssertSqlSafe(format!("{set} where refund = 'due'")))
        .execute(&mut app.sql().await)
        .await
        .unwrap();
    assert_eq!(list().await["data"][0]["refund"], "failed");

    app.operator().post(&retry, json!({"action": "refund"})).await.expect(200);
    until_refund_is(&app, &refused, "returned").await;
    assert_eq!(ids(&list().await), [""; 0]);
}

#[tokio::test]
async fn deposits_are_filtered_by_wallet() {
    let app = without_workers().await;
    let (acme, [jane, john]) = acme(&app).await;
    acme.test.post("/v1/users/fund", fund_body(JANE, "dep_1", "1")).await.expect(202);
    acme.test.post("/v1/users/fund", fund_body(JOHN, "dep_2", "1")).await.expect(202);
    for (wallet, deposit) in [(&jane, "dep_1"), (&john, "dep_2")] {
        let page =
            acme.clerk.get(&format!("/v1/dashboard/deposits?mode=test&wallet_address={wallet}")).await.expect(200);
        assert_eq!(ids(&page.json), [deposit]);
    }
    refuses_what_makes_no_sense(&acme, "/v1/dashboard/deposits", &FILTERS).await;
}
