//! Addresses of customers' wallets, computed without asking the chain.

use alloy::primitives::{Address, B256, address, hex, keccak256};
use alloy::sol_types::{SolCall, SolValue};

use super::contracts::IBatchAccount::initializeCall;

/// The canonical SimpleAccountFactory of EntryPoint v0.8.
pub const ACCOUNT_FACTORY: Address = address!("13E9ed32155810FDbd067D4522C492D6f68E5944");

/// The SimpleAccount that the factory's proxies point to.
pub const ACCOUNT_IMPLEMENTATION: Address = address!("28426d752372D68d34340bd94390950DcE3C9ec3");

/// Creation code of the proxy that the factory deploys (part of the factory's own byte code).
const PROXY_CODE: &[u8] = &hex!(
    "60806040526102a88038038061001481610168565b92833981016040828203126101645781516001600160a01b038116929091908383"
    "03610164576020810151906001600160401b03821161016457019281601f8501121561016457835161006e610069826101a1565b6101"
    "68565b9481865260208601936020838301011161016457815f926020809301865e86010152823b15610152577f360894a13ba1a32106"
    "67c828492db98dca3e2076cc3735a920a3ca505d382bbc80546001600160a01b031916821790557fbc7cd75a20ee27fd9adebab32041"
    "f755214dbc6bffa90cc0225b39da2e5c2d3b5f80a282511561013a575f8091610122945190845af43d15610132573d91610113610069"
    "846101a1565b9283523d5f602085013e6101bc565b505b604051608d908161021b8239f35b6060916101bc565b505050341561012457"
    "63b398979f60e01b5f5260045ffd5b634c9c8ce360e01b5f5260045260245ffd5b5f80fd5b6040519190601f01601f19168201600160"
    "0160401b0381118382101761018d57604052565b634e487b7160e01b5f52604160045260245ffd5b6001600160401b03811161018d57"
    "601f01601f191660200190565b906101e057508051156101d157805190602001fd5b63d6bda27560e01b5f5260045ffd5b8151158061"
    "0211575b6101f1575090565b639996b31560e01b5f9081526001600160a01b0391909116600452602490fd5b50803b156101e956fe60"
    "806040525f8073ffffffffffffffffffffffffffffffffffffffff7f360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3"
    "ca505d382bbc5416368280378136915af43d5f803e156053573d5ff35b3d5ffdfea264697066735822122012ef914fc5c0fe0eff9504"
    "7a7f10780a737a1ca4f30269b985bcf38a18e4d23464736f6c634300081c0033"
);

/// Computes where the factory puts the wallet of an owner and a salt (CREATE2, EIP-1014).
#[derive(Clone, Copy, Debug)]
pub struct WalletFactory {
    owner: Address,
}

impl WalletFactory {
    /// A factory of wallets that this key owns.
    pub fn new(owner: Address) -> Self {
        Self { owner }
    }

    /// The key that owns the wallets; the address of a wallet depends on it.
    pub fn owner(&self) -> Address {
        self.owner
    }

    /// The wallet's address, equal to the factory's `getAddress(owner, salt)`.
    pub fn address(&self, salt: [u8; 32]) -> Address {
        let initialize = initializeCall { owner: self.owner }.abi_encode();
        let arguments = (ACCOUNT_IMPLEMENTATION, alloy::primitives::Bytes::from(initialize)).abi_encode_params();
        let init_code_hash = keccak256([PROXY_CODE, &arguments].concat());
        ACCOUNT_FACTORY.create2(B256::from(salt), init_code_hash)
    }
}
