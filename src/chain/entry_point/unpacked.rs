//! A user operation with its fields apart, as bundlers and paymasters speak of it over JSON-RPC (ERC-7769, ERC-7677).

use alloy::primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

use super::two_halves;
use crate::chain::contracts::PackedUserOperation;

/// A user operation of EntryPoint v0.7 and later in its JSON-RPC form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserOperation {
    /// The account.
    pub sender: Address,
    /// Its nonce: key and sequence number.
    pub nonce: U256,
    /// What deploys the account; `None` when it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factory: Option<Address>,
    /// The call to the factory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factory_data: Option<Bytes>,
    /// What the account does.
    pub call_data: Bytes,
    /// Gas for that.
    #[serde(with = "alloy::serde::quantity")]
    pub call_gas_limit: u64,
    /// Gas for the account's validation and its deployment.
    #[serde(with = "alloy::serde::quantity")]
    pub verification_gas_limit: u64,
    /// Gas that the bundler is paid beside what is measured.
    #[serde(with = "alloy::serde::quantity")]
    pub pre_verification_gas: u64,
    /// Wei a gas at most.
    #[serde(with = "alloy::serde::quantity")]
    pub max_fee_per_gas: u128,
    /// Wei a gas above the base fee at most.
    #[serde(with = "alloy::serde::quantity")]
    pub max_priority_fee_per_gas: u128,
    /// Who pays, if not the account.
    #[serde(flatten)]
    pub paymaster: Option<Paymaster>,
    /// The owner's signature over the hash.
    pub signature: Bytes,
}

/// A contract that pays for a user operation, and what it wants to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Paymaster {
    /// The contract.
    #[serde(rename = "paymaster")]
    pub address: Address,
    /// Gas for its validation.
    #[serde(rename = "paymasterVerificationGasLimit", with = "alloy::serde::quantity")]
    pub verification_gas: u64,
    /// Gas for what it does afterwards.
    #[serde(rename = "paymasterPostOpGasLimit", with = "alloy::serde::quantity")]
    pub post_op_gas: u64,
    /// What it validates.
    #[serde(rename = "paymasterData")]
    pub data: Bytes,
}

impl UserOperation {
    /// All gas that it may take, together.
    pub fn gas(&self) -> u64 {
        let paymaster = self
            .paymaster
            .as_ref()
            .map_or(0, |paymaster| paymaster.verification_gas.saturating_add(paymaster.post_op_gas));
        [self.call_gas_limit, self.verification_gas_limit, self.pre_verification_gas, paymaster]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// The form that the EntryPoint takes and that the hash is made of.
    pub fn pack(&self) -> PackedUserOperation {
        let factory = self.factory.iter().flat_map(|factory| factory.as_slice());
        let init_code = factory.chain(self.factory_data.iter().flat_map(|data| data.as_ref()));
        PackedUserOperation {
            sender: self.sender,
            nonce: self.nonce,
            initCode: init_code.copied().collect::<Vec<u8>>().into(),
            callData: self.call_data.clone(),
            accountGasLimits: two_halves(self.verification_gas_limit.into(), self.call_gas_limit.into()),
            preVerificationGas: U256::from(self.pre_verification_gas),
            gasFees: two_halves(self.max_priority_fee_per_gas, self.max_fee_per_gas),
            paymasterAndData: self.paymaster.as_ref().map(Paymaster::pack).unwrap_or_default(),
            signature: self.signature.clone(),
        }
    }

    /// Reads the packed form; `None` when a part is too short or a gas limit beyond 64 bits.
    pub fn unpack(packed: &PackedUserOperation) -> Option<Self> {
        let (verification_gas, call_gas) = halves(packed.accountGasLimits);
        let (max_tip, max_fee) = halves(packed.gasFees);
        let (factory, factory_data) = match packed.initCode.split_at_checked(20) {
            None if packed.initCode.is_empty() => (None, None),
            None => return None,
            Some((factory, data)) => (Some(Address::from_slice(factory)), Some(Bytes::copy_from_slice(data))),
        };
        let paymaster = match packed.paymasterAndData.is_empty() {
            true => None,
            false => Some(Paymaster::unpack(&packed.paymasterAndData)?),
        };
        Some(Self {
            sender: packed.sender,
            nonce: packed.nonce,
            factory,
            factory_data,
            call_data: packed.callData.clone(),
            call_gas_limit: call_gas.try_into().ok()?,
            verification_gas_limit: verification_gas.try_into().ok()?,
            pre_verification_gas: packed.preVerificationGas.try_into().ok()?,
            max_fee_per_gas: max_fee,
            max_priority_fee_per_gas: max_tip,
            paymaster,
            signature: packed.signature.clone(),
        })
    }
}

impl Paymaster {
    /// `paymasterAndData`: the address, the two limits of 16 bytes each, the data.
    fn pack(&self) -> Bytes {
        let limits = two_halves(self.verification_gas.into(), self.post_op_gas.into());
        [self.address.as_slice(), limits.as_slice(), &self.data].concat().into()
    }

    fn unpack(packed: &Bytes) -> Option<Self> {
        let (address, rest) = packed.split_at_checked(20)?;
        let (limits, data) = rest.split_at_checked(32)?;
        let (verification_gas, post_op_gas) = halves(B256::from_slice(limits));
        Some(Self {
            address: Address::from_slice(address),
            verification_gas: verification_gas.try_into().ok()?,
            post_op_gas: post_op_gas.try_into().ok()?,
            data: Bytes::copy_from_slice(data),
        })
    }
}

fn halves(both: B256) -> (u128, u128) {
    let both = U256::from_be_bytes(both.0);
    ((both >> 128_u32).to::<u128>(), (both & U256::from(u128::MAX)).to::<u128>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(deploys: bool, sponsored: bool) -> UserOperation {
        UserOperation {
            sender: Address::repeat_byte(1),
            nonce: U256::from(7) << 64,
            factory: deploys.then(|| Address::repeat_byte(2)),
            factory_data: deploys.then(|| Bytes::from_static(&[3, 4])),
            call_data: Bytes::from_static(&[5]),
            call_gas_limit: 6,
            verification_gas_limit: 7,
            pre_verification_gas: 8,
            max_fee_per_gas: 9,
            max_priority_fee_per_gas: 10,
            paymaster: sponsored.then(|| Paymaster {
                address: Address::repeat_byte(11),
                verification_gas: 12,
                post_op_gas: 13,
                data: Bytes::from_static(&[14, 15]),
            }),
            signature: Bytes::from_static(&[16]),
        }
    }

    #[test]
    fn packing_and_json_lose_nothing() {
        for op in [op(false, false), op(true, false), op(false, true), op(true, true)] {
            assert_eq!(UserOperation::unpack(&op.pack()).as_ref(), Some(&op));
            let json = serde_json::to_string(&op).unwrap_or_default();
            assert_eq!(serde_json::from_str::<UserOperation>(&json).ok(), Some(op), "{json}");
        }
        assert_eq!(op(true, true).gas(), 6 + 7 + 8 + 12 + 13);
    }

    #[test]
    fn what_is_cut_short_or_too_large_is_no_user_operation() {
        let good = op(true, true).pack();
        for cut in [1, 19, 21, 51] {
            let paymaster = good.paymasterAndData.slice(..cut);
            assert_eq!(
                UserOperation::unpack(&PackedUserOperation { paymasterAndData: paymaster, ..good.clone() }),
                None
            );
        }
        assert_eq!(
            UserOperation::unpack(&PackedUserOperation { initCode: good.initCode.slice(..19), ..good.clone() }),
            None
        );
        let limits = two_halves(1 << 64, 1);
        assert_eq!(UserOperation::unpack(&PackedUserOperation { accountGasLimits: limits, ..good }), None);
    }
}
