//! Customers whose wallets pay.
//!
//! ```text
//! Holding::read   what the wallet holds, asked of the chain while no transaction is open
//! spender         the customer's row is locked: nobody else promises from this wallet until the transaction ends
//! cover           what it holds, less what is promised already, covers the amount; 400 otherwise
//! ```

use alloy::primitives::{Address, B256};

use super::{Customer, Directory, balance, store};
use crate::chain::{self, Chain, Held, SmartWallet};
use crate::db::TenantTx;
use crate::foundation::{Amount, Mode, Phone, Rehearsal, Token};
use crate::http::{Error, Result};

/// A customer whose wallet is to pay; nobody else spends from it until the transaction ends.
#[derive(Clone, Debug)]
pub struct Spender {
    /// The customer.
    pub customer: Customer,
    /// The wallet, with what it is made of.
    pub wallet: SmartWallet,
}

/// What a wallet holds of a token.
#[derive(Clone, Copy, Debug)]
pub enum Holding {
    /// On the chain, at a block.
    Live(Held),
    /// A test key's wallet: nobody counts.
    Simulated,
}

impl Holding {
    /// Asks the chain; not to be called while a transaction is open. 502 or 503 when it does not answer.
    pub async fn read(chain: &Chain, mode: Mode, token: &Token, wallet: Address) -> Result<Self> {
        match mode {
            Mode::Test => Ok(Self::Simulated),
            Mode::Live => {
                let held = chain.held(token.contract, wallet).await.map_err(balance::unanswered)?;
                Ok(Self::Live(held))
            }
        }
    }
}

impl Directory {
    /// The customer of the transaction's tenant with this phone number, to spend from the wallet.
    pub async fn spender(&self, tx: &mut TenantTx, phone: &Phone) -> Result<Option<Spender>> {
        let index = self.blind_index(tx, phone);
        let Some((customer, owner, salt)) = store::hold_wallet(tx, self.mode(), &index).await? else {
            return Ok(None);
        };
        let wallet = SmartWallet {
            owner: Address::try_from(owner.as_slice()).map_err(Error::internal)?,
            salt: B256::try_from(salt.as_slice()).map_err(Error::internal)?,
        };
        if wallet.address() != customer.wallet {
            return Err(Error::internal("a wallet is not where its owner and its salt say"));
        }
        Ok(Some(Spender { customer, wallet }))
    }
}

impl Spender {
    /// 400 `insufficient_balance` unless the wallet can pay this beside all that it is to pay already.
    pub async fn cover(&self, tx: &mut TenantTx, holding: Holding, token: &Token, amount: Amount) -> Result<()> {
        let covered = match holding {
            Holding::Simulated => Rehearsal::of(token, amount) != Some(Rehearsal::Insufficient),
            Holding::Live(held) => chain::spendable(tx, self.customer.wallet, token.contract, held).await? >= amount,
        };
        if covered { Ok(()) } else { Err(insufficient(token)) }
    }
}

fn insufficient(token: &Token) -> Error {
    let message =
        format!("the wallet's {} does not cover this amount beside its payments that are under way", token.symbol);
    Error::bad_request("insufficient_balance", message)
}
