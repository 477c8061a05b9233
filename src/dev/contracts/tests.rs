//! What `contracts/PreauthEscrow.sol` promises, on a chain of its own.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use alloy::network::Ethereum;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::{Provider, RootProvider};
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::sol;
use alloy::sol_types::{SolCall, SolError, SolEvent};

use super::sender::DEPLOYING;
use super::{Contracts, FUNDED_ADDRESS, USDC, blacklist, deploy, mint, unblacklist};
use crate::dev::anvil::{Anvil, AnvilOptions};
use crate::dev::rpc;

sol! {
    function approve(address spender, uint256 amount) external returns (bool);
    function balanceOf(address account) external view returns (uint256);
    function authorize(bytes32 id, address payer, address token, uint256 amount, address recipient, uint64 expiresAt) external;
    function settle(bytes32 id, uint256 amount) external;
    function cancel(bytes32 id) external;
    function expire(bytes32 id) external;
    function claim(address token, address payer) external;
    event RefundDeferred(bytes32 indexed id, address indexed payer, address token, uint256 amount);
    error AlreadyUsed(bytes32 id);
    error NotHeld(bytes32 id, uint8 state);
    error NotYetExpired(bytes32 id, uint64 expiresAt);
    error PastExpiry(bytes32 id, uint64 expiresAt);
    error ExceedsHold(bytes32 id, uint256 requested, uint256 held);
    error AccessControlUnauthorizedAccount(address account, bytes32 neededRole);
}

const OPERATOR: Address = DEPLOYING;
const PAYER: Address = FUNDED_ADDRESS;
const SHOP: Address = Address::repeat_byte(0x5a);

struct Escrow {
    anvil: Anvil,
    contracts: Contracts,
    chain: RootProvider<Ethereum>,
}

impl Escrow {
    /// The payer holds 1,000 and has approved the escrow for all of it.
    async fn new() -> Escrow {
        let anvil = Anvil::start(AnvilOptions { block_time: 0.1, ..Default::default() }).await.unwrap();
        let contracts = deploy(&anvil.url()).await.unwrap();
        mint(&anvil.url(), USDC, PAYER, U256::from(1000)).await.unwrap();
        let chain = rpc::local(&anvil.url()).unwrap();
        let escrow = Escrow { anvil, contracts, chain };
        let approval = approveCall { spender: contracts.preauth_escrow, amount: U256::from(1000) };
        assert!(escrow.send(PAYER, USDC, &approval).await.status());
        escrow
    }

    async fn send(&self, from: Address, to: Address, call: &impl SolCall) -> TransactionReceipt {
        let request = TransactionRequest { gas: Some(1_000_000), ..request(from, to, call) };
        let hash: B256 = self.chain.raw_request("eth_sendTransaction".into(), (request,)).await.unwrap();
        loop {
            if let Some(receipt) = self.chain.get_transaction_receipt(hash).await.unwrap() {
                return receipt;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    async fn succeeds(&self, from: Address, call: impl SolCall) -> TransactionReceipt {
        let receipt = self.send(from, self.contracts.preauth_escrow, &call).await;
        assert!(receipt.status(), "{} reverted", std::any::type_name_of_val(&call));
        receipt
    }

    async fn is_refused<E: SolError>(&self, from: Address, call: impl SolCall) {
        let request = request(from, self.contracts.preauth_escrow, &call);
        let error = self.chain.call(request).await.unwrap_err();
        let data = error.as_error_resp().unwrap().as_revert_data().unwrap();
        assert_eq!(data[..4], E::SELECTOR, "not {} but {data}", E::SIGNATURE);
    }

    async fn authorized(&self, id: u8, amount: u64) -> B256 {
        let id = B256::repeat_byte(id);
        self.succeeds(OPERATOR, self.authorization(id, amount).await).await;
        id
    }

    async fn authorization(&self, id: B256, amount: u64) -> authorizeCall {
        let latest = self.chain.get_block(alloy::eips::BlockId::latest()).await.unwrap().unwrap();
        let (token, amount) = (USDC, U256::from(amount));
        authorizeCall { id, payer: PAYER, token, amount, recipient: SHOP, expiresAt: latest.header.timestamp + 600 }
    }

    async fn expiry(&self) {
        self.chain.raw_request::<_, serde_json::Value>("evm_increaseTime".into(), (601,)).await.unwrap();
        // A call sees the time of the latest block.
        self.send(PAYER, PAYER, &balanceOfCall { account: PAYER }).await;
    }

    /// Of payer, shop and escrow.
    async fn balances(&self) -> [u64; 3] {
        let mut balances = [0; 3];
        for (balance, account) in balances.iter_mut().zip([PAYER, SHOP, self.contracts.preauth_escrow]) {
            let answer = self.chain.call(request(PAYER, USDC, &balanceOfCall { account })).await.unwrap();
            *balance = U256::from_be_slice(&answer).to();
        }
        balances
    }
}

fn request(from: Address, to: Address, call: &impl SolCall) -> TransactionRequest {
    TransactionRequest::default().from(from).to(to).input(call.abi_encode().into())
}

#[tokio::test]
async fn the_escrow_locks_pays_and_refunds() {
    let escrow = Escrow::new().await;
    let settled = escrow.authorized(1, 100).await;
    assert_eq!(escrow.balances().await, [900, 0, 100]);
    let amount = U256::from(30);
    escrow.is_refused::<AlreadyUsed>(OPERATOR, escrow.authorization(settled, 100).await).await;
    escrow.is_refused::<AccessControlUnauthorizedAccount>(PAYER, cancelCall { id: settled }).await;
    escrow.is_refused::<ExceedsHold>(OPERATOR, settleCall { id: settled, amount: U256::from(101) }).await;
    escrow.is_refused::<NotYetExpired>(PAYER, expireCall { id: settled }).await;
    escrow.succeeds(OPERATOR, settleCall { id: settled, amount }).await;
    assert_eq!(escrow.balances().await, [970, 30, 0]);
    escrow.is_refused::<NotHeld>(OPERATOR, settleCall { id: settled, amount }).await;
    escrow.is_refused::<AlreadyUsed>(OPERATOR, escrow.authorization(settled, 100).await).await;

    let cancelled = escrow.authorized(2, 100).await;
    escrow.succeeds(OPERATOR, cancelCall { id: cancelled }).await;
    let expired = escrow.authorized(3, 100).await;
    escrow.expiry().await;
    escrow.is_refused::<PastExpiry>(OPERATOR, settleCall { id: expired, amount }).await;
    escrow.succeeds(PAYER, expireCall { id: expired }).await;
    assert_eq!(escrow.balances().await, [970, 30, 0]);
    escrow.anvil.stop().await.unwrap();
}

#[tokio::test]
async fn a_payer_who_is_barred_meanwhile_does_not_keep_the_shop_from_being_paid() {
    let escrow = Escrow::new().await;
    let id = escrow.authorized(1, 100).await;
    blacklist(&escrow.anvil.url(), USDC, PAYER).await.unwrap();
    let receipt = escrow.succeeds(OPERATOR, settleCall { id, amount: U256::from(30) }).await;
    assert!(receipt.logs().iter().any(|log| log.topic0() == Some(&RefundDeferred::SIGNATURE_HASH)));
    assert_eq!(escrow.balances().await, [900, 30, 70]);

    unblacklist(&escrow.anvil.url(), USDC, PAYER).await.unwrap();
    escrow.succeeds(OPERATOR, claimCall { token: USDC, payer: PAYER }).await;
    assert_eq!(escrow.balances().await, [970, 30, 0]);
    escrow.anvil.stop().await.unwrap();
}
