//! Lists as CSV.

use std::collections::HashSet;
use std::net::SocketAddr;

use insta::assert_snapshot;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::harness::tenant::{TestTenant, fund_body};
use crate::harness::until;
use crate::harness::withdrawals::{send_body, withdraw_body};

const JANE: &str = "+2250700000001";
const JOHN: &str = "+2250700000002";
const DEPOSITS: &str = "/v1/dashboard/deposits";
const TRANSFERS: &str = "/v1/dashboard/transfers";
const WITHDRAWALS: &str = "/v1/dashboard/withdrawals";

/// A server that only serves HTTP, and a tenant whose test customers are Jane and John.
async fn acme() -> (TestApp, TestTenant) {
    let app = TestApp::with(|variables| {
        variables.insert("ROLES", "api".to_owned());
    })
    .await;
    let acme = app.tenant("acme").await;
    for phone in [JANE, JOHN] {
        acme.test.post("/v1/users/provision", json!({"phone_number": phone})).await.expect(200);
    }
    (app, acme)
}

/// Test deposits `dep_1` … `dep_<count>`, in order, each with a reason of this many letters that compress badly.
async fn plant(app: &TestApp, count: i32, letters: i32) {
    let planted = sqlx::query(
        "insert into deposit (tenant_id, mode, deposit_id, id, customer_id, wallet, token, amount, local_fiat_amount,
            status, failure)
        select c.tenant_id, 'test', 'dep_' || n, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, c.id,
            w.address, 'USDC', n, 1, case when n % 3 = 0 then 'FAILED' else 'SETTLED' end,
            left((select string_agg(md5(n::text || i), '') from generate_series(0, $2 / 32) i), $2)
        from (select * from customer order by id limit 1) c
        join wallet w on w.tenant_id = c.tenant_id and w.customer_id = c.id, generate_series(1, $1) n",
    );
    let done = planted.bind(count).bind(letters).execute(&mut app.sql().await).await.unwrap();
    assert_eq!(done.rows_affected(), u64::try_from(count).unwrap());
}

fn csv_of(caller: &Actor) -> Actor {
    caller.with("accept", "text/csv")
}

/// The cells of each row, the header's first; the text is read as RFC 4180 says.
fn rows(answer: &Answer) -> Vec<Vec<String>> {
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8", "{answer}");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(answer.text.as_bytes());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn three_thousand_rows_come_whole_and_in_order() {
    let (app, acme) = acme().await;
    plant(&app, 3_000, 10).await;
    let clerk = csv_of(&acme.clerk);

    let answer = clerk.get(&format!("{DEPOSITS}?mode=test")).await.expect(200);
    let file = format!("attachment; filename=\"deposits-{}.csv\"", app.app.clock.now().format("%Y-%m-%d"));
    assert_eq!(answer.header("content-disposition"), file);
    assert!(answer.headers.get_all("vary").iter().any(|value| value == "accept"));
    assert_eq!(answer.text.matches("\r\n").count(), 3_001);
    let rows_of_all = rows(&answer);
    assert_snapshot!(rows_of_all[0].join(","), @"deposit_id,status,target_token,stablecoin_amount,local_fiat_amount,wallet_address,blind_index,tx_hash,block_number,failure_reason,created_at");
    let ids = rows_of_all[1..].iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    assert_eq!(ids, (1..=3_000).rev().map(|n| format!("dep_{n}")).collect::<Vec<_>>());
    assert_eq!(rows_of_all[1][3], "0.003000");

    let failed = rows(&clerk.get(&format!("{DEPOSITS}?mode=test&status=FAILED")).await.expect(200));
    assert_eq!(failed.len(), 1 + 1_000);
    assert!(failed[1..].iter().all(|row| row[1] == "FAILED"));
    // Nothing to list is a file, too.
    assert_eq!(rows(&clerk.get(&format!("{DEPOSITS}?mode=test&from=2999-01-01T00:00:00Z")).await).len(), 1);
    assert_eq!(rows(&clerk.get(DEPOSITS).await).len(), 1, "live when absent");
}

#[tokio::test]
async fn each_list_is_csv_for_those_who_prefer_it_and_json_otherwise() {
    let (_app, acme) = acme().await;
    acme.test.post("/v1/users/fund", fund_body(JANE, "dep,\"1\"", "1.5")).await.expect(202);
    let mut body = send_body(JANE, JOHN, "10.50");
    body["idempotency_key"] = json!("=ref_1");
    acme.test.post("/v1/transfers/send", body).await.expect(202);
    acme.test.post("/v1/users/withdraw", withdraw_body(JANE, "2", Some("@ref_2"))).await.expect(202);
    let shown = async |list: &str| {
        let answer = csv_of(&acme.clerk).get(&format!("{list}?mode=test")).await.expect(200);
        let file = format!("attachment; filename=\"{}-", list.rsplit('/').next().unwrap());
        assert!(answer.header("content-disposition").starts_with(&file), "{:?}", answer.headers);
        answer.redacted().replace('\r', "")
    };
    assert_snapshot!(shown(DEPOSITS).await, @r#"
    200 deposit_id,status,target_token,stablecoin_amount,local_fiat_amount,wallet_address,blind_index,tx_hash,block_number,failure_reason,created_at
    "dep,""1""",QUEUED,USDC,1.500000,11000.00,[address],[digest],,,,[time]
    "#);
    assert_snapshot!(shown(TRANSFERS).await, @r#"
    200 transfer_id,status,token,amount,sender_wallet_address,sender_blind_index,recipient_wallet_address,recipient_blind_index,quote_id,idempotency_key,tx_hash,block_number,failure_reason,created_at
    txn_[id],QUEUED,USDC,10.500000,[address],[digest],[address],[digest],,'=ref_1,,,,[time]
    "#);
    assert_snapshot!(shown(WITHDRAWALS).await, @r#"
    200 withdrawal_id,status,token,amount,fiat_amount,currency,rate,payout_network,country,payout_mobile,payout_reference,wallet_address,blind_index,idempotency_key,tx_hash,block_number,failure_reason,refund,refund_tx_hash,created_at
    wdrl_[id],PENDING,USDC,2.000000,1115,XOF,557.69750000,orange_money,CI,'+225********01,,[address],[digest],'@ref_2,,,,,,[time]
    "#);

    for list in [DEPOSITS, TRANSFERS, WITHDRAWALS] {
        for (accept, kind) in [
            ("text/csv;q=0.9, application/json;q=0.8", "text/csv; charset=utf-8"),
            ("text/csv, application/json", "application/json"),
            ("text/csv;q=0.5, application/json", "application/json"),
            ("*/*", "application/json"),
        ] {
            let answer = acme.clerk.with("accept", accept).get(&format!("{list}?mode=test")).await.expect(200);
            assert_eq!(answer.header("content-type"), kind, "{accept}");
        }
        // What a client without the header gets.
        assert_eq!(acme.clerk.get(list).await.expect(200).header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn a_file_is_the_whole_list_or_an_error_in_json() {
    let (_app, acme) = acme().await;
    let clerk = csv_of(&acme.clerk);
    let refused = clerk.get(&format!("{DEPOSITS}?limit=5")).await;
    assert_snapshot!(refused, @r#"400 {"error":"invalid_limit","message":"limit is not for text/csv, which is always the whole list"}"#);
    for list in [DEPOSITS, TRANSFERS, WITHDRAWALS] {
        for field in ["limit", "cursor"] {
            let refused = clerk.get(&format!("{list}?{field}=5")).await.expect(400);
            assert_eq!(refused.error(), format!("invalid_{field}"));
        }
        let refused = clerk.get(&format!("{list}?status=x")).await.expect(400);
        assert_eq!(refused.header("content-type"), "application/json");
        csv_of(&acme.live).get(list).await.expect(401);
    }
}

#[tokio::test]
async fn a_file_holds_the_tenants_own_rows_only() {
    let (app, acme) = acme().await;
    plant(&app, 10, 10).await;
    let globex = app.tenant("globex").await;
    assert_eq!(rows(&csv_of(&globex.clerk).get(&format!("{DEPOSITS}?mode=test")).await).len(), 1);
    assert_eq!(rows(&csv_of(&acme.clerk).get(&format!("{DEPOSITS}?mode=test")).await).len(), 11);
}

/// A caller that has asked for a file, and takes it as slowly as it likes: little fits between the server and it.
async fn slow_reader(app: &TestApp, acme: &TestTenant, encoding: &str) -> TcpStream {
    let address: SocketAddr = app.base_url.trim_start_matches("http://").parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let token = app.token(acme.id, &["waas"]);
    let request = format!(
        "GET {DEPOSITS}?mode=test HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\naccept: text/csv\r\n\
         accept-encoding: {encoding}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 200];
    stream.read_exact(&mut head).await.unwrap();
    assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&head));
    stream
}

/// Everything that comes until the connection ends, and whether the answer ended as a whole one does.
async fn rest(mut stream: TcpStream) -> (Vec<u8>, bool) {
    let mut rest = Vec::new();
    let ended = stream.read_to_end(&mut rest).await;
    let is_whole = ended.is_ok() && rest.ends_with(b"\r\n0\r\n\r\n");
    (rest, is_whole)
}

/// How many of the server's connections are in a transaction.
async fn open_transactions(app: &TestApp) -> i64 {
    let query = "select count(*) from pg_stat_activity
        where datname = current_database() and usename = 'diolkos_server' and xact_start is not null";
    sqlx::query_scalar(query).fetch_one(&mut app.sql().await).await.unwrap()
}

#[tokio::test]
async fn a_slow_reader_keeps_nothing_open_and_gets_everything_that_was_there() {
    let (app, acme) = acme().await;
    plant(&app, 20_000, 800).await;
    let stream = slow_reader(&app, &acme, "identity").await;
    // The server stops when nobody takes what it has sent.
    until("nothing is open", || async { (open_transactions(&app).await == 0).then_some(()) }).await;
    // What comes meanwhile is newer than what the file began with.
    acme.test.post("/v1/users/fund", fund_body(JANE, "late", "1.5")).await.expect(202);
    assert_eq!(open_transactions(&app).await, 0);

    let (rest, is_whole) = rest(stream).await;
    let text = String::from_utf8(rest).unwrap();
    assert!(is_whole);
    let ids: HashSet<&str> = text.lines().filter_map(|line| line.split_once(",")).map(|(id, _)| id).collect();
    // The first rows came with the head, and a chunk may end within a name.
    assert!((19_900..=20_040).contains(&ids.len()), "{}", ids.len());
    assert!(ids.contains("dep_1") && !ids.contains("late"));
}

#[tokio::test]
async fn a_download_that_fails_midway_does_not_look_complete() {
    for encoding in ["identity", "gzip"] {
        let (app, acme) = acme().await;
        plant(&app, 20_000, 1_600).await;
        let stream = slow_reader(&app, &acme, encoding).await;
        app.db_proxy.go_down();
        let (rest, is_whole) = rest(stream).await;
        assert!(!is_whole, "{encoding}: {} bytes", rest.len());
        assert!(!rest.ends_with(b"0\r\n\r\n"), "{encoding}");
        app.db_proxy.come_back();
    }
}

#[tokio::test]
async fn a_download_that_cannot_begin_is_an_error() {
    let (app, acme) = acme().await;
    plant(&app, 1, 1).await;
    sqlx::query("alter table deposit rename to gone").execute(&mut app.sql().await).await.unwrap();
    let answer = csv_of(&acme.clerk).get(&format!("{DEPOSITS}?mode=test")).await.expect(500);
    assert_eq!((answer.error(), answer.header("content-type")), ("internal_error", "application/json"));
}
