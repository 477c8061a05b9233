//! What is particular to EntryPoint v0.8: packing, hash, nonces, gas. The next version is one more such file.

mod unpacked;

use alloy::primitives::{Address, B256, Bytes, U256, Uint, address};
use alloy::sol_types::{Eip712Domain, SolStruct, eip712_domain};
use uuid::Uuid;

pub use unpacked::{Paymaster, UserOperation};

use super::contracts::{PackedUserOperation, typed};

/// The canonical EntryPoint v0.8, the same on every chain.
pub const ENTRY_POINT: Address = address!("4337084D9E255Ff0702461CF8895CE9E3b5Ff108");

/// Gas for `validateUserOp` of our accounts: an `ecrecover`, the first use of a nonce key, and room.
pub const VERIFICATION_GAS: u64 = 150_000;

/// The same when the wallet is deployed first (measured: 185k more).
pub const DEPLOYMENT_GAS: u64 = 450_000;

/// Gas that the EntryPoint itself spends on one user operation beside its two limits.
const OVERHEAD_GAS: u64 = 60_000;

/// A nonce key: 192 bits, of which ours use the 128 of the user operation's id.
pub type NonceKey = Uint<192, 3>;

/// The nonce key of its own that a user operation has, made of its id.
pub fn nonce_key(id: Uuid) -> NonceKey {
    NonceKey::from(id.as_u128())
}

/// The nonce: the key, and 0 as the sequence number within it (ERC-4337 §semi-abstracted nonces).
pub fn nonce(key: NonceKey) -> U256 {
    U256::from(key) << 64
}

/// A user operation that pays no fees (its lane pays for gas), not signed yet.
pub fn unsigned(
    sender: Address,
    key: NonceKey,
    init_code: Bytes,
    call_data: Bytes,
    verification_gas: u64,
    call_gas: u64,
) -> PackedUserOperation {
    PackedUserOperation {
        sender,
        nonce: nonce(key),
        initCode: init_code,
        callData: call_data,
        accountGasLimits: two_halves(verification_gas.into(), call_gas.into()),
        preVerificationGas: U256::ZERO,
        gasFees: B256::ZERO,
        paymasterAndData: Bytes::new(),
        signature: Bytes::new(),
    }
}

/// The hash that the account's owner signs as it is (v0.8: the EIP-712 hash, no personal-message prefix).
pub fn hash(op: &PackedUserOperation, entry_point: Address, chain_id: u64) -> B256 {
    let domain: Eip712Domain = eip712_domain! {
        name: "ERC4337",
        version: "1",
        chain_id: chain_id,
        verifying_contract: entry_point,
    };
    typed::PackedUserOperation {
        sender: op.sender,
        nonce: op.nonce,
        initCode: op.initCode.clone(),
        callData: op.callData.clone(),
        accountGasLimits: op.accountGasLimits,
        preVerificationGas: op.preVerificationGas,
        gasFees: op.gasFees,
        paymasterAndData: op.paymasterAndData.clone(),
    }
    .eip712_signing_hash(&domain)
}

/// The gas limit of a `handleOps` transaction with this call data that carries user operations of these gas limits, for
/// validation and calls together.
///
/// Room for the 63/64 rule (EIP-150) at both levels, and at least the floor price of call data (EIP-7623).
pub fn bundle_gas(limits: impl Iterator<Item = u64>, call_data: &[u8]) -> u64 {
    let execution: u64 = limits.map(|gas| gas + OVERHEAD_GAS).sum();
    (intrinsic_gas(call_data) + execution * 64 / 63 + execution / 63).max(21_000 + 10 * call_data_tokens(call_data))
}

/// What a transaction with this call data takes before its call begins.
pub fn intrinsic_gas(call_data: &[u8]) -> u64 {
    21_000 + 4 * call_data_tokens(call_data)
}

/// Bytes that are zero count once, others four times (EIP-7623).
fn call_data_tokens(call_data: &[u8]) -> u64 {
    call_data.iter().map(|byte| if *byte == 0 { 1 } else { 4 }).sum()
}

fn two_halves(high: u128, low: u128) -> B256 {
    B256::from((U256::from(high) << 128) | U256::from(low))
}
