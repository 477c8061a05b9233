//! Several RPC endpoints: the healthiest is asked, a late answer is not waited for, one that lags or lies is set aside and
//! comes back by itself.

use std::time::{Duration, Instant};

use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::eips::{BlockNumberOrTag, Encodable2718};
use alloy::network::TxSignerSync;
use alloy::primitives::{Bytes, TxKind, U256};
use alloy::signers::local::PrivateKeySigner;
use diolkos::chain::{Refusal, Rpc, RpcError};
use diolkos::dev::anvil::{Anvil, AnvilOptions};
use diolkos::dev::contracts;
use serde_json::json;

use crate::harness::app::TestApp;
use crate::harness::engine::{TestEngine, stranger};
use crate::harness::rpc_proxy::{Fault, RpcProxy};
use crate::harness::services::services;
use crate::harness::until;

const BLOCK: &str = "eth_getBlockByNumber";
const SEND: &str = "eth_sendRawTransaction";
const LIMIT: Duration = Duration::from_secs(4);

/// Two proxies in front of one chain.
struct Pair {
    first: RpcProxy,
    second: RpcProxy,
    rpc: Rpc,
}

impl Pair {
    async fn new() -> Self {
        let url = &services().rpc_url;
        let (first, second) = (RpcProxy::start(url).await, RpcProxy::start(url).await);
        let urls = [&first, &second].map(|proxy| proxy.url.parse().unwrap());
        Self { rpc: Rpc::of_chain(137, &urls, LIMIT), first, second }
    }

    /// How often each was asked for a block.
    fn blocks_asked(&self) -> (usize, usize) {
        (self.first.calls(BLOCK).len(), self.second.calls(BLOCK).len())
    }
}

#[tokio::test]
async fn the_first_is_preferred_while_both_are_well() {
    let pair = Pair::new().await;
    for _ in 0..5 {
        pair.rpc.head().await.unwrap();
    }
    assert_eq!(pair.blocks_asked(), (5, 0));
}

#[tokio::test]
async fn one_that_fails_rests_and_comes_back_by_itself() {
    let pair = Pair::new().await;
    pair.first.next(2, BLOCK, Fault::Garbage);
    pair.rpc.head().await.unwrap();
    pair.rpc.head().await.unwrap();
    assert_eq!(pair.blocks_asked(), (1, 2), "the second is asked at once while the first rests");
    let [first, second] = pair.rpc.endpoints().try_into().unwrap();
    assert!(first.rests && first.health == 0 && !second.rests, "{first:?} {second:?}");

    until("the first has rested", || async {
        pair.rpc.look_at_all().await;
        (!pair.rpc.endpoints()[0].rests).then_some(())
    })
    .await;
    // Whichever is the healthier by now: it serves again.
    pair.second.next(1, BLOCK, Fault::Garbage);
    let before = pair.blocks_asked();
    pair.rpc.head().await.unwrap();
    assert!(pair.blocks_asked().0 > before.0, "the first serves again");
}

#[tokio::test]
async fn a_late_answer_is_not_waited_for() {
    let pair = Pair::new().await;
    for _ in 0..40 {
        pair.rpc.head().await.unwrap();
    }
    pair.first.next(1, BLOCK, Fault::DoAndHang);
    let begin = Instant::now();
    pair.rpc.head().await.unwrap();
    assert!(begin.elapsed() < LIMIT / 2, "{:?}", begin.elapsed());
    assert_eq!(pair.blocks_asked(), (41, 1));
}

#[tokio::test]
async fn bytes_that_two_nodes_are_given_are_one_transaction() {
    let pair = Pair::new().await;
    let payer = PrivateKeySigner::random();
    contracts::give_native(&services().rpc_url, payer.address(), U256::from(10).pow(U256::from(18))).await.unwrap();
    let jane = stranger();
    let mut transaction = TxEip1559 {
        chain_id: 137,
        nonce: 0,
        gas_limit: 21_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 2_000_000_000,
        to: TxKind::Call(jane),
        value: U256::from(7),
        ..Default::default()
    };
    let signature = payer.sign_transaction_sync(&mut transaction).unwrap();
    let raw: Bytes = transaction.into_signed(signature).encoded_2718().into();

    // The first takes it and does not say so: the second knows it by then.
    pair.first.next(1, SEND, Fault::DoAndHang);
    let begin = Instant::now();
    match pair.rpc.send_raw(&raw).await {
        Ok(hash) => assert_eq!(hash, alloy::primitives::keccak256(&raw)),
        // It was mined meanwhile.
        Err(RpcError::Refused { kind: Refusal::NonceTooLow, .. }) => {}
        Err(error) => panic!("{error}"),
    }
    assert!(begin.elapsed() < LIMIT / 2, "{:?}", begin.elapsed());
    assert_eq!((pair.first.calls(SEND).len(), pair.second.calls(SEND).len()), (1, 1));
    until("it is mined", || async { (!pair.rpc.balance(jane).await.unwrap().is_zero()).then_some(()) }).await;
    assert_eq!(pair.rpc.balance(jane).await.unwrap(), U256::from(7));
    assert_eq!(pair.rpc.nonce(payer.address(), BlockNumberOrTag::Latest).await.unwrap(), 1);
}

#[tokio::test]
async fn a_refusal_of_the_second_does_not_outdo_the_firsts_consent() {
    let pair = Pair::new().await;
    let consent = json!(alloy::primitives::B256::repeat_byte(7));
    pair.first.next(1, SEND, Fault::AnswerLate(Duration::from_millis(900), consent));
    pair.second.next(1, SEND, Fault::Refuse(-32000, "nonce too high"));
    let hash = pair.rpc.send_raw(&Bytes::from_static(b"signed")).await.unwrap();
    assert_eq!(hash, alloy::primitives::B256::repeat_byte(7));
    assert_eq!(pair.second.calls(SEND).len(), 1);
}

#[tokio::test]
async fn what_one_node_refuses_for_good_no_other_is_asked() {
    let pair = Pair::new().await;
    pair.first.next(1, SEND, Fault::Refuse(-32603, "nonce too low"));
    let refused = pair.rpc.send_raw(&Bytes::from_static(b"signed")).await.unwrap_err();
    assert!(matches!(refused, RpcError::Refused { kind: Refusal::NonceTooLow, .. }), "{refused}");
    assert!(pair.second.calls(SEND).is_empty());
}

#[tokio::test]
async fn a_head_that_is_behind_the_others_is_not_believed_while_they_answer() {
    let pair = Pair::new().await;
    until("there are some blocks", || async { (pair.rpc.head().await.unwrap().number > 30).then_some(()) }).await;
    pair.rpc.look_at_all().await;
    let old = json!({"number": "0x5", "hash": alloy::primitives::B256::repeat_byte(5), "baseFeePerGas": "0x7"});
    pair.first.next(usize::MAX, BLOCK, Fault::Answer(old));
    assert!(pair.rpc.head().await.unwrap().number > 30);
    let behind = &pair.rpc.endpoints()[0];
    assert!(behind.behind > 20 && behind.health <= 50, "{behind:?}");
    let asked = pair.first.calls("eth_getBalance").len();
    pair.rpc.balance(stranger()).await.unwrap();
    assert_eq!(pair.first.calls("eth_getBalance").len(), asked, "it is set aside for everything");

    // Those who know better are gone: an old block is better than none.
    pair.second.next(usize::MAX, BLOCK, Fault::Garbage);
    assert_eq!(pair.rpc.head().await.unwrap().number, 5);

    pair.first.heal();
    pair.second.heal();
    pair.rpc.look_at_all().await;
    assert_eq!(pair.rpc.endpoints()[0].behind, 0, "it has caught up");
}

#[tokio::test]
async fn a_block_that_one_node_does_not_have_is_asked_of_another() {
    let pair = Pair::new().await;
    let number = pair.rpc.head().await.unwrap().number;
    pair.first.next(usize::MAX, "eth_getBlockReceipts", Fault::Answer(json!(null)));
    assert!(pair.rpc.block_receipts(number).await.unwrap().is_some());
    assert!(pair.rpc.block_receipts(number + 1_000_000).await.unwrap().is_none());
}

#[tokio::test]
async fn nothing_is_asked_of_an_endpoint_before_it_has_said_which_chain_it_serves() {
    let pair = Pair::new().await;
    pair.first.next(usize::MAX, "eth_chainId", Fault::Answer(json!("0x1")));
    pair.rpc.head().await.unwrap();
    assert_eq!(pair.blocks_asked(), (0, 1));
    assert_eq!(pair.rpc.endpoints()[0].other_chain, Some(1));

    // None serves the right one.
    pair.second.next(1, BLOCK, Fault::Garbage);
    pair.second.next(usize::MAX, "eth_chainId", Fault::Answer(json!("0x2")));
    pair.rpc.head().await.unwrap_err();
    let refused = pair.rpc.head().await.unwrap_err();
    assert!(matches!(refused, RpcError::OtherChain { expected: 137, .. }), "{refused}");
    assert_eq!(pair.blocks_asked(), (0, 2));
}

#[tokio::test]
async fn fault_18_an_endpoint_that_begins_to_lie_about_its_chain_is_not_used_until_it_is_honest_again() {
    let liar = RpcProxy::start(&services().rpc_url).await;
    let url = liar.url.parse().unwrap();
    let mut engine = TestEngine::stopped(|settings| settings.rpc_urls.insert(0, url)).await;
    engine.run().await;
    engine.pays_once_and_goes_on().await;
    assert!(!liar.calls(SEND).is_empty() && engine.proxy.calls(SEND).is_empty(), "the first is preferred");

    // It is cut off, and behind its address there is another chain afterwards.
    liar.next(usize::MAX, "eth_chainId", Fault::Answer(json!("0x1")));
    liar.next(1, BLOCK, Fault::CutShort);
    until("the lie is noticed", || async {
        engine.chain.rpc().look_at_all().await;
        let endpoints = engine.chain.rpc().endpoints();
        (endpoints[0].other_chain == Some(1)).then_some(())
    })
    .await;
    let methods = [BLOCK, SEND, "eth_getBlockReceipts", "eth_call", "eth_getTransactionCount"];
    let asked = || methods.map(|method| liar.calls(method).len());
    let before = asked();
    engine.pays_once_and_goes_on().await;
    assert_eq!(asked(), before, "nothing is asked of the liar");

    liar.heal();
    until("it is believed again", || async {
        engine.chain.rpc().look_at_all().await;
        engine.chain.rpc().endpoints()[0].other_chain.is_none().then_some(())
    })
    .await;
    engine.pays_once_and_goes_on().await;
    assert_ne!(asked(), before);
}

#[tokio::test]
async fn fault_18_the_only_endpoint_switches_to_another_network_and_back() {
    let other = Anvil::start(AnvilOptions { block_time: 0.2, chain_id: 80_002, ..Default::default() }).await.unwrap();
    let mut engine = TestEngine::stopped(|_| {}).await;
    engine.run().await;
    engine.pays_once_and_goes_on().await;

    engine.proxy.redirect(&other.url());
    until("the switch is noticed", || async {
        (engine.chain.rpc().endpoints()[0].other_chain == Some(80_002)).then_some(())
    })
    .await;
    let sent = engine.proxy.calls(SEND).len();
    let jane = stranger();
    let operations = engine.pay(&[(jane, 8)]).await;
    let asked = engine.proxy.calls("eth_chainId").len();
    until("it was asked for its chain three times more", || async {
        (engine.proxy.calls("eth_chainId").len() >= asked + 3).then_some(())
    })
    .await;
    assert_eq!(engine.proxy.calls(SEND).len(), sent);
    assert!(matches!(engine.state(operations[0]).await.0.as_str(), "waiting"));

    engine.proxy.redirect(&engine.services.rpc_url);
    engine.arrives_once(jane, &operations).await;
    engine.lane_at_rest().await;
    other.stop().await.unwrap();
}

#[tokio::test]
async fn operators_see_the_endpoints_and_no_key_of_theirs() {
    let other = RpcProxy::start(&services().rpc_url).await;
    other.next(usize::MAX, "eth_chainId", Fault::Answer(json!("0x1")));
    let app = TestApp::with(|variables| {
        let urls = format!("{}/?key=planted-in-a-url,{}/?key=planted-in-a-url", variables["RPC_URLS"], other.url);
        variables.insert("RPC_URLS", urls);
    })
    .await;
    let endpoints = until("the liar is found out", || async {
        let answer = app.operator().get("/admin/chain").await;
        assert!(!answer.to_string().contains("planted"), "{answer}");
        let endpoints = answer.expect(200).json["endpoints"].clone();
        (endpoints[1]["other_chain_id"] == 1).then_some(endpoints)
    })
    .await;
    let host = |url: &str| url.trim_start_matches("http://").to_owned();
    assert_eq!(endpoints[0]["name"], format!("0-{}", host(&app.rpc_proxy.url)));
    assert_eq!(endpoints[0]["other_chain_id"], json!(null));
    assert_eq!((&endpoints[1]["health"], &endpoints[1]["height"]), (&json!(0), &json!(null)));

    let metrics = app.operator().get("/metrics").await.text;
    assert!(!metrics.contains("planted"));
    for line in [
        format!(
            "diolkos_rpc_requests_total{{endpoint=\"0-{}\",method=\"eth_getBlockByNumber\"}}",
            host(&app.rpc_proxy.url)
        ),
        format!("diolkos_rpc_endpoint_other_chain{{endpoint=\"1-{}\"}} 1", host(&other.url)),
        format!("diolkos_rpc_other_chain_total{{endpoint=\"1-{}\"}} 1", host(&other.url)),
        format!("diolkos_rpc_duration_seconds_bucket{{endpoint=\"0-{}\",le=\"0.001\"}}", host(&app.rpc_proxy.url)),
    ] {
        assert!(metrics.contains(&line), "{line}");
    }
}
