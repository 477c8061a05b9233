//! Many accounts' balances in one call.
//!
//! An `eth_call` without a recipient runs its input as a contract's creation and returns what that returns (its "code").
//! The creation here asks one token for the balances of the accounts appended to it; no contract need be deployed for it.

use alloy::primitives::{Address, B256, Bytes, TxKind, U256, hex};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;

use crate::chain::contracts::IERC20;
use crate::chain::{Rpc, RpcError};
use crate::foundation::Amount;

/// What it returns counts as code, which EIP-170 limits to 24,576 bytes, at 200 gas each.
pub const AT_ONCE: usize = 256;

/// ```text
///        codecopy(0x40, ARGS, codesize - ARGS)        the token, then the accounts, a word each
///        mstore(0, balanceOf's selector)              its last four bytes lie before the word at 0x20
///        end = 0x40 + (codesize - ARGS), p = 0x60
/// loop:  if p >= end goto done
///        mstore(0x20, mload(p))
///        if !staticcall(gas, mload(0x40), 0x1c, 0x24, p, 0x20) or returndatasize != 0x20 goto fail
///        p += 0x20, goto loop
/// done:  return(0x60, end - 0x60)
/// fail:  revert(0, 0)
/// ```
const PROGRAM: [u8; 78] = hex!(
    "604e80380380916040396370a082316000526040016060" // as far as p = 0x60; ARGS is 0x4e
    "5b81811015603f5780516020526020816024601c6040515afa3d60201416156048576020016017565b" // loop (0x17), done (0x3f)
    "50606090036060f3" "5b60006000fd" // fail (0x48)
);

/// What accounts held of a token at the end of a block, in order; one call asks for 256 of them at most.
pub async fn at(rpc: &Rpc, token: Address, holders: &[Address], block: B256) -> Result<Vec<Amount>, RpcError> {
    let mut amounts = Vec::with_capacity(holders.len());
    for holders in holders.chunks(AT_ONCE) {
        match together(rpc, token, holders, block).await {
            Ok(some) => amounts.extend(some),
            // A node that does not run creations in calls answers one question at a time.
            Err(RpcError::Refused { .. }) => {
                for holder in holders {
                    amounts.push(alone(rpc, token, *holder, block).await?);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(amounts)
}

async fn together(rpc: &Rpc, token: Address, holders: &[Address], block: B256) -> Result<Vec<Amount>, RpcError> {
    let mut input = PROGRAM.to_vec();
    for address in std::iter::once(&token).chain(holders) {
        input.extend(address.into_word());
    }
    let request = TransactionRequest { to: Some(TxKind::Create), ..TransactionRequest::default() };
    let answer = rpc.simulate_at(&request.input(Bytes::from(input).into()), block).await?;
    if answer.len() != holders.len() * 32 {
        return Err(malformed());
    }
    answer.chunks_exact(32).map(|word| amount(U256::from_be_slice(word))).collect()
}

async fn alone(rpc: &Rpc, token: Address, holder: Address, block: B256) -> Result<Amount, RpcError> {
    let call = IERC20::balanceOfCall { account: holder };
    let request = TransactionRequest::default().to(token).input(call.abi_encode().into());
    let answer = rpc.simulate_at(&request, block).await?;
    amount(IERC20::balanceOfCall::abi_decode_returns(&answer).map_err(|_| malformed())?)
}

fn amount(units: U256) -> Result<Amount, RpcError> {
    u128::try_from(units).ok().and_then(Amount::from_base_units).ok_or_else(malformed)
}

fn malformed() -> RpcError {
    RpcError::Unavailable("a malformed answer of a token".into())
}
