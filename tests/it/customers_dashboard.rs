//! Customers at the dashboard: the list, whose wallet it is, and one customer with wallet, balances and history.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::harness::actor::Actor;
use crate::harness::app::TestApp;
use crate::harness::rpc_proxy::Fault;
use crate::harness::tenant::{TestTenant, fund_body, phone};
use crate::harness::until;
use crate::harness::withdrawals::{send, until_is, withdraw};

const JANE: &str = "+2250700000001";
const JOHN: &str = "+2250700000002";
const LIST: &str = "/v1/dashboard/users";

async fn provision(caller: &Actor, phone: &str) -> Value {
    caller.post("/v1/users/provision", json!({"phone_number": phone})).await.expect(200).json
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

async fn show(acme: &TestTenant, blind_index: &str) -> Value {
    acme.dashboard.get(&format!("{LIST}/{blind_index}")).await.expect(200).json
}

/// Kind, id, amount and status of each movement.
fn movements(profile: &Value) -> Vec<String> {
    let words = |movement: &Value| ["kind", "id", "amount", "token", "status"].map(|key| text(movement, key)).join(" ");
    profile["history"].as_array().unwrap().iter().map(words).collect()
}

async fn until_test_deposit_is(acme: &TestTenant, deposit: &str, status: &str) {
    until(&format!("{deposit} is {status}"), || async {
        let answer = acme.dashboard.get(&format!("/v1/dashboard/deposits/{deposit}?mode=test")).await;
        (answer.json["status"] == status).then_some(())
    })
    .await;
}

#[tokio::test]
async fn customers_are_listed_newest_first_page_by_page() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let mut live = Vec::new();
    for index in 1..=5 {
        live.push(provision(&acme.live, &phone(index)).await);
        provision(&globex.live, &phone(index)).await;
    }
    let test = provision(&acme.test, JANE).await;
    live.reverse();

    // A dashboard user needs no special permission to read.
    let all = acme.clerk.get(LIST).await.expect(200);
    assert_eq!(all.json["next_cursor"], Value::Null);
    let records = |page: &Value| page["data"].as_array().unwrap().clone();
    for (record, made) in records(&all.json).iter().zip(&live) {
        let expected = json!({
            "blind_index": made["blind_index"], "wallet_address": made["wallet_address"], "mode": "live",
            "created_at": made["created_at"],
        });
        assert_eq!(*record, expected);
    }
    assert_eq!(records(&all.json).len(), 5);

    let (mut paged, mut path) = (Vec::new(), format!("{LIST}?limit=2"));
    let mut sizes = Vec::new();
    loop {
        let page = acme.dashboard.get(&path).await.expect(200).json;
        sizes.push(records(&page).len());
        paged.extend(records(&page));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("{LIST}?limit=2&cursor={cursor}");
    }
    assert_eq!((sizes, &paged), (vec![2, 2, 1], &records(&all.json)));

    let of_test = acme.dashboard.get(&format!("{LIST}?mode=test")).await.expect(200).json;
    assert_eq!(records(&of_test).len(), 1);
    assert_eq!((&of_test["data"][0]["blind_index"], text(&of_test["data"][0], "mode")), (&test["blind_index"], "test"));

    // `from` is part of the period, `to` is not.
    let (third, newest) = (text(&live[2], "created_at"), text(&live[0], "created_at"));
    let some = acme.dashboard.get(&format!("{LIST}?from={third}&to={newest}")).await.expect(200).json;
    assert_eq!(records(&some), paged[1..=2]);
}

#[tokio::test]
async fn a_list_that_makes_no_sense_is_a_400_that_names_the_parameter() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    for (parameter, value) in
        [("limit", "0"), ("limit", "101"), ("cursor", "x"), ("mode", "both"), ("from", "monday"), ("to", "0")]
    {
        let refused = acme.dashboard.get(&format!("{LIST}?{parameter}={value}")).await.expect(400);
        assert_eq!(refused.error(), format!("invalid_{parameter}"), "{refused}");
    }
}

#[tokio::test]
async fn a_wallet_tells_whose_it_is_in_either_mode() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    for (caller, mode) in [(&acme.live, "live"), (&acme.test, "test")] {
        let made = provision(caller, JANE).await;
        let address = text(&made, "wallet_address");
        for written in [address.to_owned(), address.to_lowercase()] {
            let found = acme.clerk.get(&format!("{LIST}/lookup?wallet_address={written}")).await.expect(200).json;
            let expected = json!({
                "blind_index": made["blind_index"], "wallet_address": address, "mode": mode,
                "created_at": made["created_at"],
            });
            assert_eq!(found, expected);
        }
    }

    let jane = provision(&acme.live, JANE).await;
    let lookup = async |query: &str| acme.dashboard.get(&format!("{LIST}/lookup{query}")).await;
    assert_snapshot!(lookup("").await, @r#"400 {"error":"missing_field","message":"wallet_address is required"}"#);
    let right = text(&jane, "wallet_address");
    let letter = right.rfind(|c: char| c.is_ascii_alphabetic() && c != 'x').unwrap();
    let mut wrong: Vec<char> = right.chars().collect();
    wrong[letter] = match wrong[letter] {
        upper if upper.is_ascii_uppercase() => upper.to_ascii_lowercase(),
        lower => lower.to_ascii_uppercase(),
    };
    let wrong: String = wrong.into_iter().collect();
    for text in ["", "0x12", &right[2..], &wrong] {
        let refused = lookup(&format!("?wallet_address={text}")).await;
        assert_eq!((refused.status, refused.error()), (400, "invalid_wallet_address"), "{refused}");
        let why = "wallet_address must be an address of 0x and 40 hexadecimal digits; mixed case must carry the EIP-55 checksum";
        assert_eq!(refused.json["message"], why);
    }
    let nobodys = lookup("?wallet_address=0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359").await;
    assert_snapshot!(nobodys, @r#"404 {"error":"customer_not_found","message":"there is no such customer"}"#);
}

#[tokio::test]
async fn a_customer_is_shown_with_live_balances_and_all_movements() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    let jane = provision(&acme.live, JANE).await;
    let john = provision(&acme.live, JOHN).await;
    let (janes, johns) = (text(&jane, "blind_index"), text(&john, "blind_index"));

    let new = show(&acme, janes).await;
    let expected = json!({
        "blind_index": jane["blind_index"], "wallet_address": jane["wallet_address"], "mode": "live",
        "created_at": jane["created_at"],
        "balances": [{"token": "USDC", "balance": "0.000000"}, {"token": "USDT", "balance": "0.000000"}],
        "history": [], "phone_changes": [],
    });
    assert_eq!(new, expected);

    acme.fund(JANE, "dep_1", "20").await.expect(202);
    let deposit = acme.until_deposit_is("dep_1", "SETTLED").await;
    let out = send(&acme.live, JANE, JOHN, "10.50").await.expect(202).json;
    until_is(&app, text(&out, "transfer_id"), "SETTLED").await;
    let back = send(&acme.live, JOHN, JANE, "3").await.expect(202).json;
    until_is(&app, text(&back, "transfer_id"), "SETTLED").await;
    let withdrawal = withdraw(&acme.live, JANE, "5").await;
    let withdrawn = until_is(&app, &withdrawal, "COMPLETED").await;

    let profile = show(&acme, janes).await;
    let (out, back) = (text(&out, "transfer_id"), text(&back, "transfer_id"));
    let expected = [
        format!("withdrawal {withdrawal} 5.000000 USDC COMPLETED"),
        format!("transfer_in {back} 3.000000 USDC SETTLED"),
        format!("transfer_out {out} 10.500000 USDC SETTLED"),
        "deposit dep_1 20.000000 USDC SETTLED".to_owned(),
    ];
    assert_eq!(movements(&profile), expected);
    // 20 - 10.5 + 3 - 5
    assert_eq!(profile["balances"][0], json!({"token": "USDC", "balance": "7.500000"}));
    assert_eq!(profile["history"][3]["tx_hash"], deposit["tx_hash"]);
    let sweep = text(&withdrawn, "tx_hash").trim_start_matches("\\x").to_owned();
    assert_eq!(text(&profile["history"][0], "tx_hash"), format!("0x{sweep}"));
    let times: Vec<&str> = profile["history"].as_array().unwrap().iter().map(|m| text(m, "created_at")).collect();
    assert!(times.is_sorted_by(|newer, older| newer > older), "{times:?}");

    // The same two transfers as John sees them; nothing else of Jane's.
    let expected =
        [format!("transfer_out {back} 3.000000 USDC SETTLED"), format!("transfer_in {out} 10.500000 USDC SETTLED")];
    let profile = show(&acme, johns).await;
    assert_eq!(movements(&profile), expected);
    assert_eq!(profile["balances"][0]["balance"], "7.500000");
}

#[tokio::test]
async fn a_test_customer_is_shown_from_the_simulated_chain() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = provision(&acme.test, JANE).await;
    provision(&acme.test, JOHN).await;
    acme.test.post("/v1/users/fund", fund_body(JANE, "dep_1", "50")).await.expect(202);
    until_test_deposit_is(&acme, "dep_1", "SETTLED").await;
    let sent = send(&acme.test, JANE, JOHN, "7.50").await.expect(202).json;
    until_is(&app, text(&sent, "transfer_id"), "SETTLED").await;
    acme.test.post("/v1/users/fund", fund_body(JANE, "dep_2", "5.000001")).await.expect(202);
    until_test_deposit_is(&acme, "dep_2", "FAILED").await;

    // Nobody asks the chain's node, which could not answer.
    app.rpc_proxy.next(1000, "eth_call", Fault::CutShort);
    let profile = show(&acme, text(&jane, "blind_index")).await;
    app.rpc_proxy.heal();

    assert_eq!(text(&profile, "mode"), "test");
    let balances = json!([{"token": "USDC", "balance": "42.500000"}, {"token": "USDT", "balance": "0.000000"}]);
    assert_eq!(profile["balances"], balances);
    let expected = [
        "deposit dep_2 5.000001 USDC FAILED".to_owned(),
        format!("transfer_out {} 7.500000 USDC SETTLED", text(&sent, "transfer_id")),
        "deposit dep_1 50.000000 USDC SETTLED".to_owned(),
    ];
    assert_eq!(movements(&profile), expected);
    assert!(profile["history"].as_array().unwrap().iter().all(|movement| movement["tx_hash"].is_null()), "{profile}");
}

#[tokio::test]
async fn the_newest_50_movements_are_shown() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = provision(&acme.test, JANE).await;
    for index in 1..=52 {
        acme.test.post("/v1/users/fund", fund_body(JANE, &format!("dep_{index}"), "1")).await.expect(202);
    }
    let profile = show(&acme, text(&jane, "blind_index")).await;
    let ids: Vec<&str> = profile["history"].as_array().unwrap().iter().map(|movement| text(movement, "id")).collect();
    let expected: Vec<String> = (3..=52).rev().map(|index| format!("dep_{index}")).collect();
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn a_customer_who_moved_is_found_by_the_new_reference_and_no_number_is_told() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = provision(&acme.live, JANE).await;
    let body = json!({"old_phone_number": JANE, "new_phone_number": JOHN});
    acme.live.post("/v1/users/update-phone", body).await.expect(200);
    let moved = provision(&acme.live, JOHN).await;
    assert_eq!(moved["wallet_address"], jane["wallet_address"]);

    let profile = acme.dashboard.get(&format!("{LIST}/{}", text(&moved, "blind_index"))).await.expect(200);
    assert_eq!(profile.json["wallet_address"], jane["wallet_address"]);
    let changes = profile.json["phone_changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1);
    assert!(changes[0].as_str().unwrap() > text(&jane, "created_at"), "{profile}");
    for number in [JANE, JOHN] {
        assert!(!profile.text.contains(&number[1..]), "{profile}");
    }
    let gone = acme.dashboard.get(&format!("{LIST}/{}", text(&jane, "blind_index"))).await;
    assert_snapshot!(gone, @r#"404 {"error":"customer_not_found","message":"there is no such customer"}"#);
}

#[tokio::test]
async fn a_customer_is_not_shown_while_the_chain_cannot_be_read() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = provision(&acme.live, JANE).await;
    let path = format!("{LIST}/{}", text(&jane, "blind_index"));

    app.rpc_proxy.next(1000, "eth_call", Fault::CutShort);
    let answer = acme.dashboard.get(&path).await;
    assert_snapshot!(answer, @r#"503 {"error":"chain_unavailable","message":"the chain cannot be read at the moment; try again"}"#);
    assert_eq!(answer.header("retry-after"), "1");
    app.rpc_proxy.heal();
    app.rpc_proxy.next(1000, "eth_call", Fault::Refuse(-32602, "invalid params"));
    let answer = acme.dashboard.get(&path).await;
    assert_snapshot!(answer, @r#"502 {"error":"chain_unavailable","message":"the chain cannot be read at the moment; try again"}"#);
    app.rpc_proxy.heal();
    acme.dashboard.get(&path).await.expect(200);
}

#[tokio::test]
async fn who_may_not_see_customers_is_told_so_and_strangers_see_none() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let jane = provision(&acme.live, JANE).await;
    let lookup = format!("{LIST}/lookup?wallet_address={}", text(&jane, "wallet_address"));
    let one = format!("{LIST}/{}", text(&jane, "blind_index"));

    let other = Actor::bearer(&app.base_url, &app.token(acme.id, &["other"]));
    for path in [LIST, &lookup, &one] {
        app.nobody().get(path).await.expect(401);
        acme.live.get(path).await.expect(401);
        other.get(path).await.expect(403);
    }
    assert_eq!(globex.dashboard.get(LIST).await.expect(200).json, json!({"data": []}));
    for path in [&lookup, &one] {
        assert_eq!(globex.dashboard.get(path).await.expect(404).error(), "customer_not_found");
    }
}
