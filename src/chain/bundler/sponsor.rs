//! The paymaster's web service (ERC-7677): who pays for a user operation, and the data by which its contract knows that
//! it was asked.

use alloy::primitives::{Address, Bytes, U64};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Estimate;
use super::endpoint::{Endpoint, EndpointError};
use crate::chain::entry_point::{ENTRY_POINT, Paymaster, UserOperation};

/// Bytes of paymaster data at most: a signature, a range of time and room.
const LONGEST_DATA: usize = 8 * 1024;

/// A paymaster's service.
pub struct Sponsor {
    pub(super) endpoint: Endpoint,
    /// What its operator wants to be told (a policy's id, for instance).
    pub(super) context: Value,
    pub(super) chain_id: u64,
}

/// Who would pay, with data of the right length.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stub {
    paymaster: Address,
    #[serde(default)]
    paymaster_data: Bytes,
    #[serde(default, with = "alloy::serde::quantity::opt")]
    paymaster_verification_gas_limit: Option<u64>,
    #[serde(default, with = "alloy::serde::quantity::opt")]
    paymaster_post_op_gas_limit: Option<u64>,
    #[serde(default)]
    is_final: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Word {
    paymaster: Address,
    paymaster_data: Bytes,
}

impl Sponsor {
    /// Asks who would pay, for the estimate of gas.
    pub async fn stub(&self, op: &UserOperation) -> Result<Stub, EndpointError> {
        let stub: Stub = self.endpoint.call("pm_getPaymasterStubData", self.params(op)).await?;
        self.checked(&stub.paymaster_data)?;
        Ok(stub)
    }

    /// Asks for data that pay for this user operation, whose gas and fees are settled.
    pub async fn pay(&self, op: &mut UserOperation, stub: &Stub) -> Result<(), EndpointError> {
        if stub.is_final {
            return Ok(());
        }
        let word: Word = self.endpoint.call("pm_getPaymasterData", self.params(op)).await?;
        self.checked(&word.paymaster_data)?;
        if let Some(paymaster) = &mut op.paymaster {
            (paymaster.address, paymaster.data) = (word.paymaster, word.paymaster_data);
        }
        Ok(())
    }

    fn params(&self, op: &UserOperation) -> Value {
        json!([op, ENTRY_POINT, U64::from(self.chain_id), self.context])
    }

    fn checked(&self, data: &Bytes) -> Result<(), EndpointError> {
        match data.len() {
            ..=LONGEST_DATA => Ok(()),
            length => Err(self.endpoint.absurd(format!("answers with {length} bytes of data"))),
        }
    }
}

impl Stub {
    /// The paymaster as it is estimated with.
    pub fn paymaster(&self) -> Paymaster {
        Paymaster {
            address: self.paymaster,
            verification_gas: self.paymaster_verification_gas_limit.unwrap_or(0),
            post_op_gas: self.paymaster_post_op_gas_limit.unwrap_or(0),
            data: self.paymaster_data.clone(),
        }
    }

    /// The paymaster with gas limits: its own word counts, then the bundler's.
    pub fn limited(&self, estimate: &Estimate, least_verification_gas: u64) -> Paymaster {
        let own = |own: Option<u64>, estimated: Option<u64>| own.or(estimated).unwrap_or(0);
        let verification_gas = own(self.paymaster_verification_gas_limit, estimate.paymaster_verification_gas_limit);
        Paymaster {
            verification_gas: verification_gas.max(least_verification_gas),
            post_op_gas: own(self.paymaster_post_op_gas_limit, estimate.paymaster_post_op_gas_limit),
            ..self.paymaster()
        }
    }
}
