//! Wallet addresses computed offline are those that the deployed factory gives.

use alloy::primitives::{Address, U256};
use alloy::signers::local::PrivateKeySigner;
use diolkos::chain::Rpc;
use diolkos::chain::wallet::{ACCOUNT_FACTORY, WalletFactory};
use rand::Rng;

use crate::harness::services::services;

alloy::sol! {
    function getAddress(address owner, uint256 salt) external view returns (address);
    function accountImplementation() external view returns (address);
}

#[tokio::test]
async fn an_address_computed_offline_is_the_factorys_own_answer() {
    let rpc = Rpc::new(&[services().rpc_url.parse().unwrap()], std::time::Duration::from_secs(10));
    for _ in 0..50 {
        let owner = PrivateKeySigner::random().address();
        let salt: [u8; 32] = rand::rng().random();
        let asked = getAddressCall { owner, salt: U256::from_be_bytes(salt) };
        let on_chain: Address = rpc.view(ACCOUNT_FACTORY, &asked).await.unwrap();
        assert_eq!(WalletFactory::new(owner).address(salt), on_chain);
    }
}

#[tokio::test]
async fn the_implementation_that_addresses_depend_on_is_the_factorys() {
    let rpc = Rpc::new(&[services().rpc_url.parse().unwrap()], std::time::Duration::from_secs(10));
    let implementation = rpc.view(ACCOUNT_FACTORY, &accountImplementationCall {}).await.unwrap();
    assert_eq!(implementation, diolkos::chain::wallet::ACCOUNT_IMPLEMENTATION);
}
