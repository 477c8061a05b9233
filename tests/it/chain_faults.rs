//! The chain engine under the faults of nodes, nonces and recipients: nothing lost, nothing twice, the lane goes on.

use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::eips::{BlockNumberOrTag, Encodable2718};
use alloy::network::TxSignerSync;
use alloy::primitives::{Address, Bytes, TxKind, U256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{SolCall, SolValue};
use diolkos::chain::SmartWallet;
use diolkos::chain::contracts::IBatchAccount::executeBatchCall;
use diolkos::chain::contracts::IEntryPoint::handleOpsCall;
use diolkos::chain::contracts::PackedUserOperation;
use diolkos::chain::entry_point::{self, ENTRY_POINT};
use diolkos::dev::contracts;
use serde_json::json;

use crate::harness::engine::{Path, TestEngine, stranger};
use crate::harness::rpc_proxy::Fault;
use crate::harness::until;
use crate::on_paths;

const SEND: &str = "eth_sendRawTransaction";

impl TestEngine {
    /// A payment to Jane arrives exactly once, and afterwards another one does: the lane goes on by itself.
    pub async fn pays_once_and_goes_on(&self) {
        let jane = stranger();
        let operations = self.pay(&[(jane, 5_000_000)]).await;
        self.arrives_once(jane, &operations).await;
        self.everybody_is_well();
        let john = stranger();
        let operations = self.pay(&[(john, 7_000_000)]).await;
        self.arrives_once(john, &operations).await;
        self.lane_at_rest().await;
    }

    pub async fn arrives_once(&self, recipient: Address, operations: &[uuid::Uuid]) {
        assert_eq!(self.ended(operations).await, ["succeeded"]);
        assert_eq!(self.transfers_to(recipient).await.len(), 1);
    }

    /// A payment whose bundle, or signature for the bundler, is stored but that nobody takes.
    pub async fn payment_stuck_in_the_database(&self, recipient: Address) -> Vec<uuid::Uuid> {
        self.nobody_takes_anything();
        let operations = self.pay(&[(recipient, 5_000_000)]).await;
        let stored = match &self.bundler {
            None => "select exists (select from bundle where purpose = 'user_ops' and state = 'stored')",
            Some(_) => {
                "select exists (select from user_op_version v join user_op u on u.id = v.user_op_id where u.state = 'open')"
            }
        };
        until("what carries the payment is stored", || async {
            let mut sql = self.sql().await;
            sqlx::query_scalar::<_, bool>(stored).fetch_one(&mut sql).await.unwrap().then_some(())
        })
        .await;
        operations
    }

    /// Somebody else executes the newest user operation.
    pub async fn carry_as_stranger(&self) {
        let mut sql = self.sql().await;
        let packed: Vec<u8> = sqlx::query_scalar("select packed from user_op_version order by created_at desc limit 1")
            .fetch_one(&mut sql)
            .await
            .unwrap();
        self.carry_as_stranger_this(PackedUserOperation::abi_decode(&packed).unwrap()).await;
    }

    /// Somebody else has the wallet deployed, by a user operation of another nonce that does nothing.
    pub async fn deploy_as_stranger(&self, wallet: SmartWallet) {
        let call_data = executeBatchCall { calls: vec![] }.abi_encode().into();
        let key = entry_point::nonce_key(uuid::Uuid::now_v7());
        let mut op = entry_point::unsigned(wallet.address(), key, wallet.init_code(), call_data, 500_000, 50_000);
        let hash = entry_point::hash(&op, ENTRY_POINT, 137);
        op.signature = self.settings.wallet_owners[0].sign_hash(&hash).await.unwrap().as_bytes().into();
        self.carry_as_stranger_this(op).await;
    }

    async fn carry_as_stranger_this(&self, op: PackedUserOperation) {
        let carrier = PrivateKeySigner::random();
        let coins = U256::from(10).pow(U256::from(18));
        contracts::give_native(&self.services.rpc_url, carrier.address(), coins).await.unwrap();
        let input = handleOpsCall { ops: vec![op], beneficiary: carrier.address() }.abi_encode();
        self.send_as(&carrier, ENTRY_POINT, input.into(), 1_500_000).await;
    }

    /// An engine at rest, with its treasury delegated.
    async fn at_rest() -> Self {
        Self::at_rest_by(Path::Lanes).await
    }

    /// The same on one of the paths.
    pub async fn at_rest_by(path: Path) -> Self {
        let engine = Self::start_by(path).await;
        let operations = engine.pay(&[(stranger(), 1)]).await;
        engine.ended(&operations).await;
        engine.lane_at_rest().await;
        engine
    }

    /// A transaction of this key, sent around the engine.
    async fn send_as(&self, key: &PrivateKeySigner, to: Address, input: Bytes, gas_limit: u64) {
        let nonce = self.rpc().nonce(key.address(), BlockNumberOrTag::Latest).await.unwrap();
        let mut transaction = TxEip1559 {
            chain_id: 137,
            nonce,
            gas_limit,
            max_fee_per_gas: 100_000_000_000,
            max_priority_fee_per_gas: 2_000_000_000,
            to: TxKind::Call(to),
            value: U256::ZERO,
            access_list: Default::default(),
            input,
        };
        let signature = key.sign_transaction_sync(&mut transaction).unwrap();
        let raw: Bytes = transaction.into_signed(signature).encoded_2718().into();
        self.rpc().send_raw(&raw).await.unwrap();
        until("the foreign transaction is mined", || async {
            let now = self.rpc().nonce(key.address(), BlockNumberOrTag::Latest).await.unwrap();
            (now > nonce).then_some(())
        })
        .await;
    }
}

on_paths!([by_lanes = Lanes, by_bundler = Sponsored] [
    fault_16_a_recipient_that_the_token_refuses_fails_alone,
    fault_16_a_batch_that_fails_on_chain_is_halved_until_the_bad_one_stands_alone,
    fault_17_a_payment_that_reverts_inside_a_successful_transaction_fails,
    fault_17_a_stranger_carries_the_user_operation_first,
    a_payment_survives_the_death_of_the_engine_at_any_moment,
    fault_11_a_node_that_lags_has_no_receipts,
    fault_11_a_node_that_lags_has_blocks_without_our_transactions,
    fault_8_the_lane_was_used_outside_so_that_a_stored_bundle_can_never_be_mined,
    fault_13_what_nodes_say_wedges_nothing,
]);

#[tokio::test]
async fn fault_6_nonce_too_low_inside_an_internal_error() {
    let engine = TestEngine::at_rest().await;
    engine.proxy.next(3, SEND, Fault::Refuse(-32603, "Internal error: nonce too low"));
    engine.pays_once_and_goes_on().await;
}

#[tokio::test]
async fn fault_7_a_nonce_counter_that_ran_ahead_comes_down() {
    let mut engine = TestEngine::at_rest().await;
    engine.kill().await;
    let mut sql = engine.sql().await;
    sqlx::query("update lane set next_nonce = next_nonce + 7").execute(&mut sql).await.unwrap();
    engine.run().await;
    engine.pays_once_and_goes_on().await;
}

#[tokio::test]
async fn fault_7_bundles_stored_above_a_gap_are_reached_by_filling_it() {
    let engine = TestEngine::at_rest().await;
    let ahead = engine.rpc().nonce(engine.settings.lanes[0].address(), BlockNumberOrTag::Latest).await.unwrap() + 3;
    let jane = stranger();
    let operations = engine.payment_stuck_in_the_database(jane).await;
    // A node that is wrong about the nonce makes the engine store the next bundle too high.
    engine.proxy.next(4, "eth_getTransactionCount", Fault::Answer(json!(format!("0x{ahead:x}"))));
    let john = stranger();
    let more = engine.pay(&[(john, 1)]).await;
    until("a bundle lies above a gap", || async {
        let mut sql = engine.sql().await;
        let highest: i64 = sqlx::query_scalar("select max(nonce) from bundle").fetch_one(&mut sql).await.unwrap();
        (highest >= i64::try_from(ahead).unwrap()).then_some(())
    })
    .await;
    engine.proxy.heal();
    engine.arrives_once(jane, &operations).await;
    engine.arrives_once(john, &more).await;
    engine.lane_at_rest().await;
}

async fn fault_8_the_lane_was_used_outside_so_that_a_stored_bundle_can_never_be_mined(path: Path) {
    let engine = TestEngine::at_rest_by(path).await;
    let jane = stranger();
    let operations = engine.payment_stuck_in_the_database(jane).await;
    engine.send_as(&engine.lane, stranger(), Bytes::new(), 21_000).await;
    engine.everybody_is_well();
    engine.arrives_once(jane, &operations).await;
    engine.lane_at_rest().await;
}

#[tokio::test]
async fn fault_9_a_bundle_that_is_refused_for_good_strands_nothing_behind_it() {
    let engine = TestEngine::at_rest().await;
    engine.proxy.next(1, SEND, Fault::Refuse(-32000, "intrinsic gas too low"));
    let (jane, john) = (stranger(), stranger());
    let first = engine.pay(&[(jane, 5_000_000)]).await;
    let second = engine.pay(&[(john, 6_000_000)]).await;
    engine.arrives_once(jane, &first).await;
    engine.arrives_once(john, &second).await;
    engine.lane_at_rest().await;
}

#[tokio::test]
async fn fault_10_a_send_that_timed_out_was_accepted() {
    let engine = TestEngine::at_rest().await;
    engine.proxy.next(2, SEND, Fault::DoAndHang);
    engine.pays_once_and_goes_on().await;
}

async fn fault_11_a_node_that_lags_has_no_receipts(path: Path) {
    let engine = TestEngine::at_rest_by(path).await;
    engine.proxy.next(4, "eth_getBlockReceipts", Fault::Answer(json!(null)));
    engine.proxy.next(4, "eth_getLogs", Fault::Answer(json!([])));
    engine.pays_once_and_goes_on().await;
}

async fn fault_11_a_node_that_lags_has_blocks_without_our_transactions(path: Path) {
    let engine = TestEngine::at_rest_by(path).await;
    engine.proxy.next(12, "eth_getBlockReceipts", Fault::Answer(json!([])));
    engine.pays_once_and_goes_on().await;
}

#[tokio::test]
async fn fault_12_a_replacement_is_overtaken_by_its_earlier_version() {
    let engine = TestEngine::at_rest().await;
    // The node takes the first version and says it did not; every later version it refuses.
    engine.proxy.next(1, SEND, Fault::DoAndRefuse(-32000, "transaction underpriced"));
    engine.proxy.next(20, SEND, Fault::Refuse(-32000, "replacement transaction underpriced"));
    engine.pays_once_and_goes_on().await;
}

async fn fault_13_what_nodes_say_wedges_nothing(path: Path) {
    let engine = TestEngine::at_rest_by(path).await;
    let said = [
        (-32000, "already known"),
        (-32000, "replacement transaction underpriced"),
        (-32000, "insufficient funds for gas * price + value"),
        (-32000, "max fee per gas less than block base fee"),
        (-32000, "txpool is full"),
        (-32005, "limit exceeded"),
        (-32603, "something nobody has heard of"),
    ];
    for (code, message) in said {
        engine.proxy.next(1, SEND, Fault::Refuse(code, message));
        engine.pays_once_and_goes_on().await;
    }
    for fault in [Fault::TooManyRequests, Fault::Garbage, Fault::CutShort] {
        engine.proxy.next(2, SEND, fault.clone());
        engine.proxy.next(2, "eth_getBlockByNumber", fault.clone());
        engine.proxy.next(1, "eth_call", fault);
        engine.pays_once_and_goes_on().await;
    }
}

#[tokio::test]
async fn fault_15_a_base_fee_that_rises_while_bundles_wait_is_followed() {
    let engine = TestEngine::at_rest().await;
    let jane = stranger();
    let operations = engine.payment_stuck_in_the_database(jane).await;
    let mut sql = engine.sql().await;
    let offered = "select max(max_fee)::bigint from bundle where purpose = 'user_ops'";
    let before: i64 = sqlx::query_scalar(offered).fetch_one(&mut sql).await.unwrap();
    engine.proxy.heal();
    engine.proxy.next(1, SEND, Fault::Refuse(-32000, "max fee per gas less than block base fee"));
    engine.arrives_once(jane, &operations).await;
    let after: i64 = sqlx::query_scalar(offered).fetch_one(&mut sql).await.unwrap();
    assert!(after > before + before / 9, "the replacement offers at least a tenth more: {before} {after}");
}

/// Ten payments, one of them to an account that USDC refuses.
async fn one_of_ten_is_blacklisted(engine: &TestEngine) {
    let recipients: Vec<Address> = (0..10).map(|_| stranger()).collect();
    let usdc = engine.services.contracts.usdc;
    engine.services.blacklist(usdc, recipients[6]).await;
    let payments: Vec<(Address, u64)> = recipients.iter().map(|to| (*to, 1_000)).collect();
    let operations = engine.pay(&payments).await;

    let states = engine.ended(&operations).await;

    for (index, recipient) in recipients.iter().enumerate() {
        let (state, transfers) = if index == 6 { ("failed", 0) } else { ("succeeded", 1) };
        assert_eq!(states[index], state, "payment {index}");
        assert_eq!(engine.transfers_to(*recipient).await.len(), transfers, "payment {index}");
    }
    let (_, failure) = engine.state(operations[6]).await;
    assert_eq!(failure.as_deref(), Some("Blacklistable: account is blacklisted"));
    engine.lane_at_rest().await;
}

async fn fault_16_a_recipient_that_the_token_refuses_fails_alone(path: Path) {
    let engine = TestEngine::at_rest_by(path).await;
    one_of_ten_is_blacklisted(&engine).await;
}

async fn fault_16_a_batch_that_fails_on_chain_is_halved_until_the_bad_one_stands_alone(path: Path) {
    let engine = TestEngine::at_rest_by(path).await;
    // The estimate does not see it coming.
    engine.proxy.next(usize::MAX, "eth_estimateGas", Fault::Answer(json!("0xf4240")));
    if let Some(bundler) = &engine.bundler {
        let estimate = json!({
            "preVerificationGas": "0x186a0", "verificationGasLimit": "0x30d40", "callGasLimit": "0xf4240",
            "paymasterVerificationGasLimit": "0x13880", "paymasterPostOpGasLimit": "0x0",
        });
        bundler.next(usize::MAX, "eth_estimateUserOperationGas", Fault::Answer(estimate));
    }
    one_of_ten_is_blacklisted(&engine).await;
    let mut sql = engine.sql().await;
    let failed: i64 = sqlx::query_scalar("select count(*) from user_op where success = false and state = 'ended'")
        .fetch_one(&mut sql)
        .await
        .unwrap();
    assert!(failed >= 4, "10, 5, 2 or 3, and 1: {failed} user operations failed on chain");
}

async fn fault_17_a_payment_that_reverts_inside_a_successful_transaction_fails(path: Path) {
    let engine = TestEngine::at_rest_by(path).await;
    let usdc = engine.services.contracts.usdc;
    let jane = stranger();
    engine.services.blacklist(usdc, jane).await;

    let operations = engine.pay(&[(jane, 5)]).await;

    assert_eq!(engine.ended(&operations).await, ["failed"]);
    assert_eq!(engine.state(operations[0]).await.1.as_deref(), Some("Blacklistable: account is blacklisted"));
    assert!(engine.transfers_to(jane).await.is_empty());
}

async fn fault_17_a_stranger_carries_the_user_operation_first(path: Path) {
    let engine = TestEngine::at_rest_by(path).await;
    let jane = stranger();
    let operations = engine.payment_stuck_in_the_database(jane).await;
    engine.carry_as_stranger().await;

    engine.everybody_is_well();

    engine.arrives_once(jane, &operations).await;
    engine.lane_at_rest().await;
}

async fn a_payment_survives_the_death_of_the_engine_at_any_moment(path: Path) {
    let mut engine = TestEngine::at_rest_by(path).await;
    let mut recipients = Vec::new();
    let mut operations = Vec::new();
    for wait in [0, 20, 60, 120, 200, 300, 450] {
        for _ in 0..5 {
            let recipient = stranger();
            operations.extend(engine.pay(&[(recipient, 3)]).await);
            recipients.push(recipient);
        }
        tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
        engine.kill().await;
        engine.run().await;
    }
    assert!(engine.ended(&operations).await.iter().all(|state| state == "succeeded"));
    for recipient in recipients {
        assert_eq!(engine.transfers_to(recipient).await, [3]);
    }
    engine.lane_at_rest().await;
}
