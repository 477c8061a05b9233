//! A paymaster: `contracts/test/SignerPaymaster.sol` with a deposit, and its ERC-7677 service, one for each test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use alloy::primitives::{Address, B256, Bytes, U256, address, aliases::U48, keccak256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol;
use alloy::sol_types::{SolCall, SolStruct, SolValue, eip712_domain};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use diolkos::chain::contracts::IEntryPoint::depositToCall;
use diolkos::chain::entry_point::{ENTRY_POINT, UserOperation};
use diolkos::dev::contracts;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::until;

const ARTIFACT: &str = include_str!("../../../contracts/out/test/SignerPaymaster.json");
pub const DEPLOYER: Address = address!("4e59b44847b379578588920ca78fbf26c0b4956c");

/// Account 7 of anvil's mnemonic, which anvil signs for.
const PAYER: Address = address!("14dC79964da2C08b23698B3D3cc7Ca32193d9955");

sol! {
    /// What the paymaster's signer signs (OpenZeppelin's `PaymasterSigner`).
    struct UserOperationRequest {
        address sender;
        uint256 nonce;
        bytes initCode;
        bytes callData;
        bytes32 accountGasLimits;
        uint256 preVerificationGas;
        bytes32 gasFees;
        uint256 paymasterVerificationGasLimit;
        uint256 paymasterPostOpGasLimit;
        uint48 validAfter;
        uint48 validUntil;
    }
}

/// The contract that all tests share, and who signs for it.
#[derive(Clone)]
struct Contract {
    address: Address,
    signer: PrivateKeySigner,
}

static CONTRACT: OnceCell<Contract> = OnceCell::const_new();

/// A paymaster's service.
#[derive(Clone)]
pub struct TestPaymaster {
    pub url: String,
    contract: Contract,
    /// Answers that are good no more when they are given.
    expired: Arc<AtomicUsize>,
    /// Signatures so far.
    signed: Arc<AtomicU64>,
}

impl TestPaymaster {
    /// A service for this chain.
    pub async fn start(rpc_url: &str) -> Self {
        let contract = CONTRACT.get_or_init(|| Contract::deploy(rpc_url)).await.clone();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let paymaster = Self { url, contract, expired: Arc::default(), signed: Arc::default() };
        let router = Router::new().route("/", post(answer)).with_state(paymaster.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        paymaster
    }

    /// The next `times` answers have expired when they are given.
    pub fn expire(&self, times: usize) {
        self.expired.store(times, Ordering::SeqCst);
    }

    /// How often it has signed.
    pub fn signed(&self) -> u64 {
        self.signed.load(Ordering::SeqCst)
    }

    fn data(&self, op: &UserOperation) -> Bytes {
        let is_expired =
            self.expired.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        let valid_until = U48::from(u64::from(is_expired));
        let packed = op.pack();
        let (verification_gas, post_op_gas) =
            op.paymaster.as_ref().map_or((0, 0), |paymaster| (paymaster.verification_gas, paymaster.post_op_gas));
        let request = UserOperationRequest {
            sender: packed.sender,
            nonce: packed.nonce,
            initCode: packed.initCode,
            callData: packed.callData,
            accountGasLimits: packed.accountGasLimits,
            preVerificationGas: packed.preVerificationGas,
            gasFees: packed.gasFees,
            paymasterVerificationGasLimit: U256::from(verification_gas),
            paymasterPostOpGasLimit: U256::from(post_op_gas),
            validAfter: U48::ZERO,
            validUntil: valid_until,
        };
        let domain = eip712_domain! {
            name: "SignerPaymaster",
            version: "1",
            chain_id: 137,
            verifying_contract: self.contract.address,
        };
        let signature = self.contract.signer.sign_hash_sync(&request.eip712_signing_hash(&domain)).unwrap();
        [&[0; 6], &valid_until.to_be_bytes::<6>()[..], &signature.as_bytes()[..]].concat().into()
    }
}

async fn answer(State(paymaster): State<TestPaymaster>, Json(call): Json<Value>) -> Json<Value> {
    let mut asked = call["params"][0].clone();
    // Before the first estimate there are no limits of the paymaster yet.
    asked["signature"] = json!("0x");
    let op: UserOperation = serde_json::from_value(asked).unwrap();
    let result = match call["method"].as_str().unwrap() {
        "pm_getPaymasterStubData" => json!({
            "sponsor": {"name": "tests"},
            "paymaster": paymaster.contract.address,
            "paymasterData": Bytes::from([vec![0; 12], vec![0x11; 64], vec![27]].concat()),
            "paymasterVerificationGasLimit": "0x13880",
            "paymasterPostOpGasLimit": "0x0",
            "isFinal": false,
        }),
        "pm_getPaymasterData" => {
            paymaster.signed.fetch_add(1, Ordering::SeqCst);
            json!({"paymaster": paymaster.contract.address, "paymasterData": paymaster.data(&op)})
        }
        method => {
            let error = json!({"code": -32601, "message": format!("there is no method {method}")});
            return Json(json!({"jsonrpc": "2.0", "id": call["id"], "error": error}));
        }
    };
    Json(json!({"jsonrpc": "2.0", "id": call["id"], "result": result}))
}

/// A paymaster with a deposit that pays for whatever it is shown, and whose `postOp` then reverts.
pub async fn that_undoes(rpc_url: &str) -> Address {
    // validatePaymasterUserOp: (context of one byte, valid). Anything else: revert.
    const CODE: &str = "0x5f3560e01c6352b7512c146011575f5ffd5b60405f52600160405260805ff3";
    let address = PrivateKeySigner::random().address();
    rpc(rpc_url, "anvil_setCode", json!([address, CODE])).await;
    contracts::give_native(rpc_url, PAYER, U256::from(10).pow(U256::from(24))).await.unwrap();
    let deposit = depositToCall { account: address }.abi_encode();
    send(rpc_url, ENTRY_POINT, deposit, U256::from(10).pow(U256::from(20))).await;
    address
}

impl Contract {
    async fn deploy(rpc_url: &str) -> Self {
        let signer = PrivateKeySigner::random();
        let artifact: Value = serde_json::from_str(ARTIFACT).unwrap();
        let code: Bytes = artifact["bytecode"].as_str().unwrap().parse().unwrap();
        let init_code = [code.to_vec(), signer.address().abi_encode()].concat();
        let address = create(rpc_url, B256::ZERO, &init_code).await;
        let deposit = depositToCall { account: address }.abi_encode();
        send(rpc_url, ENTRY_POINT, deposit, U256::from(10).pow(U256::from(23))).await;
        Self { address, signer }
    }
}

/// Deploys a contract by its init code and a salt (CREATE2); its address.
pub async fn create(rpc_url: &str, salt: B256, init_code: &[u8]) -> Address {
    contracts::give_native(rpc_url, PAYER, U256::from(10).pow(U256::from(24))).await.unwrap();
    send(rpc_url, DEPLOYER, [salt.as_slice(), init_code].concat(), U256::ZERO).await;
    DEPLOYER.create2(salt, keccak256(init_code))
}

/// A transaction of an account that anvil signs for, in a block.
pub async fn send(rpc_url: &str, to: Address, input: Vec<u8>, value: U256) {
    let transaction = json!({"from": PAYER, "to": to, "data": Bytes::from(input), "value": value, "gas": "0x4c4b40"});
    let hash = rpc(rpc_url, "eth_sendTransaction", json!([transaction])).await;
    let receipt = until("the paymaster's transaction is in a block", || async {
        let receipt = rpc(rpc_url, "eth_getTransactionReceipt", json!([hash])).await;
        (!receipt.is_null()).then_some(receipt)
    })
    .await;
    assert_eq!(receipt["status"], "0x1", "{receipt}");
}

async fn rpc(url: &str, method: &str, params: Value) -> Value {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let answer: Value = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(url)
        .json(&call)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(answer.get("error").is_none(), "{method}: {answer}");
    answer["result"].clone()
}
