//! Accounts that tokens can leave.

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolCall;

use super::contracts::ISimpleAccountFactory::createAccountCall;
use super::wallet::{ACCOUNT_FACTORY, WalletFactory};

/// A customer's wallet (SimpleAccount), with what it was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SmartWallet {
    /// The key that owns it and signs for it.
    pub owner: Address,
    /// The CREATE2 salt.
    pub salt: B256,
}

impl SmartWallet {
    /// Where it is, whether it is deployed or not.
    pub fn address(&self) -> Address {
        WalletFactory::new(self.owner).address(self.salt.0)
    }

    /// What deploys it when its user operation is executed (ERC-4337 §`initCode`): the factory and the call to it.
    pub fn init_code(&self) -> Bytes {
        let (factory, call) = self.factory_call();
        [factory.as_slice(), &call].concat().into()
    }

    /// The same, apart.
    pub fn factory_call(&self) -> (Address, Bytes) {
        let call = createAccountCall { owner: self.owner, salt: U256::from_be_bytes(self.salt.0) };
        (ACCOUNT_FACTORY, call.abi_encode().into())
    }
}

/// The account that tokens leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payer {
    /// The house's treasury.
    Treasury(Address),
    /// A customer's wallet.
    Wallet(SmartWallet),
}

impl Payer {
    /// Its address.
    pub fn address(&self) -> Address {
        match self {
            Self::Treasury(address) => *address,
            Self::Wallet(wallet) => wallet.address(),
        }
    }

    /// The wallet, if it is one.
    pub fn wallet(&self) -> Option<SmartWallet> {
        match self {
            Self::Treasury(_) => None,
            Self::Wallet(wallet) => Some(*wallet),
        }
    }
}
