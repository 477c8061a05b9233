//! Somebody with tokens and keys of their own, who owes us nothing.

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::Encodable2718;
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use diolkos::chain::contracts::IERC20::transferCall;
use diolkos::dev::contracts;
use serde_json::{Value, json};

use super::services::Services;
use super::until;

/// An account of its own on one chain.
pub struct Outsider {
    key: PrivateKeySigner,
    rpc_url: String,
}

/// What a chain answers.
pub async fn ask(rpc_url: &str, method: &str, params: Value) -> Value {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer: Value = client.post(rpc_url).json(&call).send().await.unwrap().json().await.unwrap();
    assert!(answer.get("error").is_none(), "{method}: {answer}");
    answer["result"].clone()
}

/// Replaces the newest `depth` blocks. Those of `kept` are in the first of the new ones, everything else is gone.
pub async fn reorg(rpc_url: &str, depth: u64, kept: &[Bytes]) {
    let kept: Vec<Value> = kept.iter().map(|raw| json!([raw, 0])).collect();
    ask(rpc_url, "anvil_reorg", json!([depth, kept])).await;
}

impl Outsider {
    /// One with native coin and 1,000,000 USDC.
    pub async fn on(services: &Services, rpc_url: &str) -> Self {
        let key = PrivateKeySigner::random();
        contracts::give_native(rpc_url, key.address(), U256::from(10).pow(U256::from(20))).await.unwrap();
        services.mint(rpc_url, key.address(), 1_000_000_000_000).await;
        Self { key, rpc_url: rpc_url.to_owned() }
    }

    /// Whoever has this key.
    pub fn with_key(key: PrivateKeySigner, rpc_url: &str) -> Self {
        Self { key, rpc_url: rpc_url.to_owned() }
    }

    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// A signed transfer of base units of a token.
    pub fn transfer(&self, nonce: u64, token: Address, to: Address, amount: u64) -> Bytes {
        let transaction = TxEip1559 {
            chain_id: 137,
            nonce,
            gas_limit: 200_000,
            max_fee_per_gas: 100_000_000_000,
            max_priority_fee_per_gas: 2_000_000_000,
            to: TxKind::Call(token),
            value: U256::ZERO,
            access_list: Default::default(),
            input: transferCall { to, value: U256::from(amount) }.abi_encode().into(),
        };
        let signature = self.key.sign_hash_sync(&transaction.signature_hash()).unwrap();
        TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
    }

    /// Sends a signed transaction and waits until it is in a block; the block's number.
    pub async fn send(&self, raw: &Bytes) -> u64 {
        let hash: B256 =
            ask(&self.rpc_url, "eth_sendRawTransaction", json!([raw])).await.as_str().unwrap().parse().unwrap();
        until("the outsider's transfer is in a block", || async {
            let receipt = ask(&self.rpc_url, "eth_getTransactionReceipt", json!([hash])).await;
            let number = receipt["blockNumber"].as_str()?;
            u64::from_str_radix(number.trim_start_matches("0x"), 16).ok()
        })
        .await
    }
}
