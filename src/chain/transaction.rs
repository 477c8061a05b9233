//! Signing a lane's transactions.

use alloy::consensus::{SignableTransaction, TxEip1559, TxEip7702};
use alloy::eips::Encodable2718;
use alloy::eips::eip7702::SignedAuthorization;
use alloy::primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use alloy::signers::Signer;

use super::fees::Fees;

/// What a lane's transaction does; its nonce and its fees are given when it is signed.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The called account.
    pub to: Address,
    /// Wei that it moves.
    pub value: U256,
    /// Call data.
    pub input: Bytes,
    /// Gas limit.
    pub gas_limit: u64,
    /// An EIP-7702 authorization that it carries.
    pub authorization: Option<SignedAuthorization>,
}

impl Draft {
    /// Uses up a nonce: nothing, to oneself.
    pub fn cancel(lane: Address) -> Self {
        Self { to: lane, value: U256::ZERO, input: Bytes::new(), gas_limit: 21_000, authorization: None }
    }

    /// Signs and returns the transaction's hash and its bytes (EIP-2718).
    pub async fn sign(
        &self,
        signer: &(dyn Signer + Send + Sync),
        chain_id: u64,
        nonce: u64,
        fees: Fees,
    ) -> Result<(B256, Bytes), alloy::signers::Error> {
        let Fees { max_fee, max_tip } = fees;
        match self.authorization.clone() {
            None => {
                let transaction = TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit: self.gas_limit,
                    max_fee_per_gas: max_fee,
                    max_priority_fee_per_gas: max_tip,
                    to: TxKind::Call(self.to),
                    value: self.value,
                    access_list: Default::default(),
                    input: self.input.clone(),
                };
                signed(transaction, signer).await
            }
            Some(authorization) => {
                let transaction = TxEip7702 {
                    chain_id,
                    nonce,
                    gas_limit: self.gas_limit,
                    max_fee_per_gas: max_fee,
                    max_priority_fee_per_gas: max_tip,
                    to: self.to,
                    value: self.value,
                    access_list: Default::default(),
                    authorization_list: vec![authorization],
                    input: self.input.clone(),
                };
                signed(transaction, signer).await
            }
        }
    }
}

async fn signed<T>(transaction: T, signer: &(dyn Signer + Send + Sync)) -> Result<(B256, Bytes), alloy::signers::Error>
where
    T: SignableTransaction<Signature>,
    alloy::consensus::Signed<T>: Encodable2718,
{
    let signature = signer.sign_hash(&transaction.signature_hash()).await?;
    let signed = transaction.into_signed(signature);
    let raw: Bytes = signed.encoded_2718().into();
    Ok((alloy::primitives::keccak256(&raw), raw))
}
