//! FAULT 14, seen from the indexer: what others send to our accounts appears, disappears with its block, and appears
//! again; and whatever a node answers, nothing is entered that the chain does not have.

use std::time::Duration;

use alloy::primitives::Address;
use diolkos::chain::Chain;
use diolkos::chain::indexer::{Indexer, IndexerSettings, balances_at, indexed_balance, progress};
use diolkos::dev::anvil::{Anvil, AnvilOptions};
use diolkos::dev::contracts;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::harness::engine::{TestEngine, stranger};
use crate::harness::outsider::{Outsider, ask, reorg};
use crate::harness::rpc_proxy::Fault;
use crate::harness::until;

/// A chain that remembers its states, so that it can be reorganised.
async fn chain() -> Anvil {
    let options = AnvilOptions { block_time: 0.2, past_states: 300, ..Default::default() };
    let anvil = Anvil::start(options).await.unwrap();
    contracts::deploy(&anvil.url()).await.unwrap();
    anvil
}

/// An indexer that runs.
struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

const SETTINGS: IndexerSettings = IndexerSettings { start_block: None, range: 1_000 };

impl Running {
    fn of(engine: &TestEngine, settings: IndexerSettings) -> Self {
        // As a process of its own would have it.
        let chain = Chain::new(engine.db.clone(), engine.settings.clone());
        let stop = CancellationToken::new();
        let indexer = Indexer::new(chain, vec![engine.services.contracts.usdc], settings);
        let task = tokio::spawn(indexer.run(stop.clone()));
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// As by `kill -9`.
    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// The wallet of a new customer.
async fn wallet(engine: &TestEngine) -> Address {
    let (wallet, customer) = (stranger(), Uuid::now_v7());
    let mut sql = engine.sql().await;
    sqlx::query(
        "with c as (insert into customer (tenant_id, id, mode, blind_index, phone_sealed, wrapped_key)
             values ($1, $2, 'live', $2::text, '', ''))
         insert into wallet (tenant_id, id, customer_id, mode, kind, address, salt, owner, is_primary)
         values ($1, $2, $2, 'live', 'smart', $3, decode(repeat('00', 32), 'hex'), $3, true)",
    )
    .bind(engine.tenant.0)
    .bind(customer)
    .bind(wallet.as_slice())
    .execute(&mut sql)
    .await
    .unwrap();
    wallet
}

/// Movements of an account as they stand, `+5@12` for 5 received in block 12, in order.
async fn movements(engine: &TestEngine, account: Address, state: &str) -> Vec<String> {
    let mut sql = engine.sql().await;
    sqlx::query_scalar(
        "select case direction when 'in' then '+' else '-' end || amount || '@' || block_number from token_movement
         where account = $1 and state = $2 order by block_number, log_index",
    )
    .bind(account.as_slice())
    .bind(state)
    .fetch_all(&mut sql)
    .await
    .unwrap()
}

async fn until_present(engine: &TestEngine, account: Address, expected: &[String]) {
    let mut seen = Vec::new();
    for _ in 0..300 {
        seen = movements(engine, account, "present").await;
        if seen == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("expected {expected:?}, there are {seen:?}; undone: {:?}", movements(engine, account, "undone").await);
}

/// Waits until the indexer has all that the chain has at this moment.
async fn caught_up(engine: &TestEngine) {
    let head = engine.rpc().head().await.unwrap().number;
    until("the indexer is up to date", || async {
        let progress = progress(&engine.chain).await.unwrap()?;
        (progress.head?.number >= head).then_some(())
    })
    .await;
}

/// Every transfer on the chain that touches the account is a present movement, and nothing else is.
async fn agrees_with_the_chain(engine: &TestEngine, account: Address) {
    caught_up(engine).await;
    let topic = |address: Address| address.into_word();
    let transfer = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
    let mut on_chain = Vec::new();
    for (sign, topics) in [("+", json!([transfer, null, topic(account)])), ("-", json!([transfer, topic(account)]))] {
        let filter = json!([{"fromBlock": "0x0", "address": engine.services.contracts.usdc, "topics": topics}]);
        for log in ask(&engine.proxy.target, "eth_getLogs", filter).await.as_array().unwrap() {
            let number = |field: &str| {
                let digits = log[field].as_str().unwrap().trim_start_matches("0x").trim_start_matches('0').to_owned();
                u64::from_str_radix(if digits.is_empty() { "0" } else { &digits }, 16).unwrap()
            };
            on_chain.push((
                number("blockNumber"),
                number("logIndex"),
                format!("{sign}{}@{}", number("data"), number("blockNumber")),
            ));
        }
    }
    on_chain.sort();
    let on_chain: Vec<String> = on_chain.into_iter().map(|(_, _, text)| text).collect();
    until_present(engine, account, &on_chain).await;
}

#[tokio::test]
async fn fault_14_deposits_from_outside_follow_the_chain_through_reorgs_of_every_depth() {
    let anvil = chain().await;
    let engine = TestEngine::on(&anvil.url(), |settings| settings.confirmations = 12).await;
    let jane = wallet(&engine).await;
    let usdc = engine.services.contracts.usdc;
    let running = Running::of(&engine, SETTINGS);
    until("it begins", || async { progress(&engine.chain).await.unwrap()?.head }).await;
    let mut outsiders = Vec::new();
    for _ in 0..20 {
        outsiders.push(Outsider::on(engine.services, &anvil.url()).await);
    }
    // What they hold is not to vanish.
    ask(&anvil.url(), "anvil_mine", json!([20])).await;
    for depth in 1..=10 {
        // No reorg is to reach what was sent for the one before.
        ask(&anvil.url(), "anvil_mine", json!([16])).await;
        // One vanishes, one is put into another block, by accounts that have nothing to do with each other.
        let (vanishing, staying) = (outsiders.pop().unwrap(), outsiders.pop().unwrap());
        let (gone, kept) =
            (vanishing.transfer(0, usdc, jane, 1_000 + depth), staying.transfer(0, usdc, jane, 2_000 + depth));
        let (first, second) = tokio::join!(vanishing.send(&gone), staying.send(&kept));
        let block = first.min(second);
        until("both are seen", || async {
            let seen = movements(&engine, jane, "present").await;
            let both = [1_000 + depth, 2_000 + depth].map(|amount| format!("+{amount}@"));
            both.iter().all(|start| seen.iter().any(|one| one.starts_with(start))).then_some(())
        })
        .await;
        let head = until("the block is deep", || async {
            let head = engine.rpc().head().await.unwrap().number;
            (head + 1 >= block + depth).then_some(head)
        })
        .await;
        // Anvil counts from the head, which may have moved by one.
        reorg(&anvil.url(), head - block + 2, std::slice::from_ref(&kept)).await;

        agrees_with_the_chain(&engine, jane).await;
        let present = movements(&engine, jane, "present").await;
        assert!(!present.iter().any(|one| one.starts_with(&format!("+{}@", 1_000 + depth))), "{present:?}");
        assert_eq!(present.iter().filter(|one| one.starts_with(&format!("+{}@", 2_000 + depth))).count(), 1);

        // What vanished is sent again: seen, undone, seen again.
        let again = vanishing.send(&gone).await;
        until("it is seen again", || async {
            let seen = movements(&engine, jane, "present").await;
            seen.contains(&format!("+{}@{again}", 1_000 + depth)).then_some(())
        })
        .await;
    }
    agrees_with_the_chain(&engine, jane).await;
    let held: u64 = (1..=10).map(|depth| 3_000 + 2 * depth).sum();
    assert_eq!(engine.holds(jane).await, held);
    assert_eq!(served(&engine, jane).await, held, "the balance is the chain's");
    assert!(movements(&engine, jane, "undone").await.len() >= 20, "what was dropped is kept as undone");
    running.stop().await;
    anvil.stop().await.unwrap();
}

/// What the index says that a wallet holds, as soon as it says anything.
async fn served(engine: &TestEngine, wallet: Address) -> u64 {
    until("the index tells a balance", || async {
        let mut tx = engine.db.tenant(engine.tenant).begin().await.unwrap();
        let told = indexed_balance(&mut tx, 137, engine.services.contracts.usdc, wallet).await.unwrap();
        told.map(|amount| u64::try_from(amount.base_units()).unwrap())
    })
    .await
}

#[tokio::test]
async fn a_gap_larger_than_the_range_is_read_in_ranges_that_the_node_gives() {
    let anvil = chain().await;
    let engine = TestEngine::on(&anvil.url(), |settings| settings.confirmations = 3).await;
    let jane = wallet(&engine).await;
    let usdc = engine.services.contracts.usdc;
    let outsider = Outsider::on(engine.services, &anvil.url()).await;
    let mut expected = Vec::new();
    for nonce in 0..5 {
        let block = outsider.send(&outsider.transfer(nonce, usdc, jane, 10 + nonce)).await;
        expected.push(format!("+{}@{block}", 10 + nonce));
        ask(&anvil.url(), "anvil_mine", json!([40])).await;
    }
    engine.proxy.next(6, "eth_getLogs", Fault::Refuse(-32005, "query returned more than 10000 results"));

    let running = Running::of(&engine, IndexerSettings { start_block: Some(1), range: 50 });

    until_present(&engine, jane, &expected).await;
    agrees_with_the_chain(&engine, jane).await;
    let widths: Vec<u64> = engine.proxy.calls("eth_getLogs").iter().filter_map(width).collect();
    let narrowest = widths.iter().position(|width| *width == 12 || *width == 6).expect("halved, and halved again");
    assert!(widths[narrowest..].contains(&50), "and grown again: {widths:?}");
    assert!(widths.iter().all(|width| *width <= 50), "{widths:?}");
    running.stop().await;
    anvil.stop().await.unwrap();
}

/// Blocks that a call for logs asks about, if it names them by number.
fn width(params: &serde_json::Value) -> Option<u64> {
    let number = |name: &str| u64::from_str_radix(params[0][name].as_str()?.trim_start_matches("0x"), 16).ok();
    Some(number("toBlock")? - number("fromBlock")? + 1)
}

#[tokio::test]
async fn of_two_indexers_one_works_and_the_other_takes_over() {
    let anvil = chain().await;
    let engine = TestEngine::on(&anvil.url(), |settings| settings.lease = Duration::from_millis(800)).await;
    let jane = wallet(&engine).await;
    let usdc = engine.services.contracts.usdc;
    let outsider = Outsider::on(engine.services, &engine.proxy.target).await;
    let (first, second) = (Running::of(&engine, SETTINGS), Running::of(&engine, SETTINGS));
    caught_up(&engine).await;
    let holder = || async { progress(&engine.chain).await.unwrap()?.holder };
    let at_work = until("one is at work", holder).await;

    let mut expected = Vec::new();
    for nonce in 0..2 {
        let block = outsider.send(&outsider.transfer(nonce, usdc, jane, 5 + nonce)).await;
        expected.push(format!("+{}@{block}", 5 + nonce));
        until_present(&engine, jane, &expected).await;
    }
    // Whichever it is: both are killed in turn, and a third finds everything where they left it.
    first.kill().await;
    caught_up(&engine).await;
    second.kill().await;
    let block = outsider.send(&outsider.transfer(2, usdc, jane, 7)).await;
    let third = Running::of(&engine, SETTINGS);
    expected.push(format!("+7@{block}"));
    until_present(&engine, jane, &expected).await;
    assert_ne!(until("one is at work", holder).await, at_work);
    assert_eq!(served(&engine, jane).await, 18);
    third.stop().await;
    anvil.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_that_lies_or_lags_makes_nothing_up_and_loses_nothing() {
    let anvil = chain().await;
    let engine = TestEngine::on(&anvil.url(), |_| {}).await;
    let jane = wallet(&engine).await;
    let usdc = engine.services.contracts.usdc;
    let outsider = Outsider::on(engine.services, &engine.proxy.target).await;
    let running = Running::of(&engine, SETTINGS);
    caught_up(&engine).await;

    // Logs of a transfer that no block has: they name a block that the node was not asked for.
    let wrong = json!([{
        "address": usdc, "blockHash": format!("0x{}", "ab".repeat(32)), "blockNumber": "0x1",
        "transactionHash": format!("0x{}", "cd".repeat(32)), "transactionIndex": "0x0", "logIndex": "0x0",
        "removed": false, "data": format!("0x{:064x}", 999),
        "topics": ["0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
            outsider.address().into_word(), jane.into_word()],
    }]);
    engine.proxy.next(5, "eth_getLogs", Fault::Answer(wrong));
    let first = outsider.send(&outsider.transfer(0, usdc, jane, 11)).await;
    until_present(&engine, jane, &[format!("+11@{first}")]).await;

    // No logs, though the block says that there are some: the receipts are asked for.
    engine.proxy.next(5, "eth_getLogs", Fault::Answer(json!([])));
    let second = outsider.send(&outsider.transfer(1, usdc, jane, 12)).await;
    until_present(&engine, jane, &[format!("+11@{first}"), format!("+12@{second}")]).await;

    // And no receipts either: nothing is entered until the node has them.
    engine.proxy.next(5, "eth_getLogs", Fault::Answer(json!([])));
    engine.proxy.next(3, "eth_getBlockReceipts", Fault::Answer(json!([])));
    let third = outsider.send(&outsider.transfer(2, usdc, jane, 13)).await;
    let all = [format!("+11@{first}"), format!("+12@{second}"), format!("+13@{third}")];
    until_present(&engine, jane, &all).await;

    // A node that is behind: its head is an old block, and it has not heard of ours.
    let old = ask(&engine.proxy.target, "eth_getBlockByNumber", json!(["0x2", false])).await;
    engine.proxy.next(4, "eth_getBlockByNumber", Fault::Answer(old));
    engine.proxy.next(2, "eth_getBlockByNumber", Fault::Answer(json!(null)));
    let fourth = outsider.send(&outsider.transfer(3, usdc, jane, 14)).await;
    let all = [&all[..], &[format!("+14@{fourth}")]].concat();
    until_present(&engine, jane, &all).await;

    assert_eq!(served(&engine, jane).await, 50);
    running.stop().await;
    anvil.stop().await.unwrap();
}

#[tokio::test]
async fn many_balances_are_asked_for_in_one_call_or_one_by_one() {
    let anvil = chain().await;
    let engine = TestEngine::on(&anvil.url(), |_| {}).await;
    let usdc = engine.services.contracts.usdc;
    let holders = [stranger(), engine.chain.treasury(), stranger()];
    let rpc = engine.chain.rpc();
    let read = || async {
        until("the head's state is there", || async {
            let head = rpc.head().await.ok()?.hash;
            let amounts = balances_at(rpc, usdc, &holders, head).await.ok()?;
            Some(amounts.iter().map(|amount| amount.base_units()).collect::<Vec<_>>())
        })
        .await
    };
    assert_eq!(read().await, [0, 1_000_000_000_000, 0]);
    assert!(engine.proxy.calls("eth_call").iter().all(|call| call[0]["to"].is_null()), "one call");

    engine.proxy.next(1, "eth_call", Fault::Refuse(-32602, "missing field to"));
    assert_eq!(read().await, [0, 1_000_000_000_000, 0]);

    let head = rpc.head().await.unwrap().hash;
    let no_token = balances_at(rpc, stranger(), &holders, head).await;
    assert!(no_token.is_err(), "what is no token has no balances: {no_token:?}");
    anvil.stop().await.unwrap();
}
