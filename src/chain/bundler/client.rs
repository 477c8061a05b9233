//! The bundler's methods (ERC-7769).

use alloy::primitives::B256;
use serde::Deserialize;
use serde_json::json;

use super::endpoint::{Endpoint, EndpointError};
use crate::chain::entry_point::{ENTRY_POINT, UserOperation};

/// A bundler.
pub struct Client(pub(super) Endpoint);

/// Gas limits that a bundler estimates.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// `preVerificationGas`.
    #[serde(with = "alloy::serde::quantity")]
    pub pre_verification_gas: u64,
    /// `verificationGasLimit`.
    #[serde(with = "alloy::serde::quantity")]
    pub verification_gas_limit: u64,
    /// `callGasLimit`.
    #[serde(with = "alloy::serde::quantity")]
    pub call_gas_limit: u64,
    /// `paymasterVerificationGasLimit`, when a paymaster pays.
    #[serde(default, with = "alloy::serde::quantity::opt")]
    pub paymaster_verification_gas_limit: Option<u64>,
    /// `paymasterPostOpGasLimit`, when a paymaster pays.
    #[serde(default, with = "alloy::serde::quantity::opt")]
    pub paymaster_post_op_gas_limit: Option<u64>,
}

#[derive(Deserialize)]
struct UserOpReceipt {
    receipt: TransactionReceipt,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransactionReceipt {
    #[serde(with = "alloy::serde::quantity")]
    block_number: u64,
}

impl Client {
    /// Gas limits of a user operation whose signature only has the right length.
    pub async fn estimate(&self, op: &UserOperation) -> Result<Estimate, EndpointError> {
        self.0.call("eth_estimateUserOperationGas", json!([op, ENTRY_POINT])).await
    }

    /// Hands a signed user operation over, which must be stored before. An answer with another hash is none.
    pub async fn send(&self, op: &UserOperation, hash: B256) -> Result<(), EndpointError> {
        let answer: B256 = self.0.call("eth_sendUserOperation", json!([op, ENTRY_POINT])).await?;
        if answer != hash {
            return Err(self.0.absurd(format!("calls user operation {hash} {answer}")));
        }
        Ok(())
    }

    /// The block in which the bundler believes a user operation to be; a hint where to look, and no more.
    pub async fn block_of(&self, hash: B256) -> Result<Option<u64>, EndpointError> {
        let receipt: Option<UserOpReceipt> = self.0.call("eth_getUserOperationReceipt", json!([hash])).await?;
        Ok(receipt.map(|found| found.receipt.block_number))
    }
}
