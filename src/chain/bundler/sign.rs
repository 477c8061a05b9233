//! Signing for the bundler: who pays, how much gas, which fees; and storing it before the bundler sees it.

use alloy::primitives::{Bytes, hex};
use alloy::sol_types::SolValue;

use super::Bundler;
use super::cause::Asked;
use super::client::Estimate;
use crate::chain::engine::{Engine, Result};
use crate::chain::entry_point::{self, DEPLOYMENT_GAS, ENTRY_POINT, UserOperation, VERIFICATION_GAS};
use crate::chain::fees::Fees;
use crate::chain::rpc::Head;
use crate::chain::sign::{Calls, Signed, unpack};
use crate::chain::store::{self, Basis, Lease, Offer, OpenUserOp, Version};

/// For estimates: a signature from which some address recovers, or validation would end early, without a zero byte, or it
/// would be too cheap. `r` and `s` are the x of secp256k1's generator, which is low enough for an `s` (EIP-2).
const STUB_SIGNATURE: [u8; 65] = {
    let x = hex!("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
    let mut signature = [27; 65];
    let mut index = 0;
    while index < 32 {
        signature[index] = x[index];
        signature[32 + index] = x[index];
        index += 1;
    }
    signature
};

/// Pre-verification gas at most, which is paid whether it is used or not: what a bundle costs beside its user operations,
const LARGEST_OVERHEAD: u64 = 100_000;

/// and twice the dearest price of each byte of call data.
const LARGEST_BYTE: u64 = 2 * 16;

/// How many times the tip that our own policy suggests a bundler may drive us to.
const LARGEST_TIP: u128 = 4;

/// What the next signature should have that the newest has not.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wish {
    /// Nothing in particular: it is the first, or the account or the paymaster's word has changed.
    Anything,
    /// Higher fees: an eighth more, and at least this much.
    HigherFees(Asked),
    /// Twice the verification gas.
    MoreVerificationGas,
    /// Twice the paymaster's verification gas.
    MorePaymasterGas,
    /// Twice the pre-verification gas, or this much and a tenth.
    MorePreVerificationGas(Option<u64>),
}

/// The least that a signature has, whatever is estimated.
#[derive(Clone, Copy, Debug)]
struct Least {
    verification_gas: u64,
    pre_verification_gas: u64,
    paymaster_gas: u64,
}

impl Least {
    fn new(newest: Option<&UserOperation>, deploys: bool, wish: Wish) -> Self {
        let own = if deploys { DEPLOYMENT_GAS } else { VERIFICATION_GAS };
        let mut least = Self { verification_gas: own, pre_verification_gas: 0, paymaster_gas: 0 };
        let Some(newest) = newest else { return least };
        let paymaster_gas = newest.paymaster.as_ref().map_or(0, |paymaster| paymaster.verification_gas);
        match wish {
            Wish::Anything | Wish::HigherFees(_) => {}
            Wish::MoreVerificationGas => {
                least.verification_gas = newest.verification_gas_limit.max(own).saturating_mul(2)
            }
            Wish::MorePaymasterGas => least.paymaster_gas = paymaster_gas.max(50_000).saturating_mul(2),
            Wish::MorePreVerificationGas(asked) => {
                let doubled = newest.pre_verification_gas.saturating_mul(2);
                least.pre_verification_gas = asked.map_or(doubled, |asked| asked.saturating_add(asked / 10));
            }
        }
        least
    }
}

impl Engine {
    /// Signs a user operation for the bundler, under the nonce that it has whatever was signed before, and stores the
    /// signature. `None` when it was halved, goes by lane, waits, or was signed by another lane's engine meanwhile.
    #[expect(clippy::too_many_arguments, reason = "each is a part of what is signed")]
    pub(super) async fn offer(
        &mut self,
        bundler: &Bundler,
        lease: &Lease,
        user_op: &OpenUserOp,
        newest: Option<&Version>,
        deploys: bool,
        head: &Head,
        wish: Wish,
    ) -> Result<Option<Version>> {
        let chain = self.chain.clone();
        let operations = store::operations(chain.db(), &[user_op.id]).await?.remove(&user_op.id).unwrap_or_default();
        let Some(calls) = self.plan(lease, user_op, &operations, deploys, head).await? else { return Ok(None) };
        if calls.reverts {
            // The bundler would refuse it; the chain says why it fails.
            store::give_to_lanes(chain.db(), user_op.id, "its calls revert").await?;
            return Ok(None);
        }
        let Some(fees) = self.fees_for(newest, head, wish).await? else {
            return self.at_the_cap(newest, user_op).await;
        };
        let Some(signer) = self.signer(user_op) else {
            tracing::error!(user_op = %user_op.id, "no owner key is configured for a wallet");
            return Ok(None);
        };
        let earlier = newest.and_then(unpack).as_ref().and_then(UserOperation::unpack);
        let least = Least::new(earlier.as_ref(), deploys, wish);
        let drafted = draft(user_op, &calls, deploys, fees);
        // Should the bundler say that calls revert which do not for our node, a lane carries all of them: not halved, or a
        // bundler that lies would make single payments of every batch.
        let mut op = self.with_gas(bundler, lease, drafted, least).await?;
        let hash = entry_point::hash(&op.pack(), ENTRY_POINT, chain.settings().chain_id);
        op.signature = signer.sign_hash(&hash).await?.as_bytes().into();
        let version = Version {
            hash,
            call_gas: op.call_gas_limit,
            verification_gas: op.verification_gas_limit,
            deploys,
            packed: op.pack().abi_encode(),
            offer: Some(Offer { fees, stored_block: head.number, sent_block: None }),
        };
        let basis = Basis { operations: calls.operations, newest: newest.map(|version| version.hash) };
        Ok(self.keep(lease, vec![Signed { user_op: user_op.id, basis, version }]).await?.remove(&user_op.id))
    }

    /// Fees of the policy, and more than the newest signature's if that is what it takes; `None` at the cap of fees, or of
    /// the tip, which unlike the rest is always paid.
    async fn fees_for(&self, newest: Option<&Version>, head: &Head, wish: Wish) -> Result<Option<Fees>> {
        let policy = &self.chain.settings().fees;
        let mut suggested = policy.suggest(self.chain.rpc(), head).await?;
        let Wish::HigherFees(asked) = wish else { return Ok(Some(suggested)) };
        let largest_tip = suggested.max_tip.saturating_mul(LARGEST_TIP).min(policy.max_fee);
        suggested.max_tip = suggested.max_tip.max(asked.max_tip.unwrap_or(0).min(largest_tip));
        suggested.max_fee = suggested.max_fee.max(asked.max_fee.unwrap_or(0)).max(suggested.max_tip);
        let earlier = newest.and_then(|version| version.offer.as_ref()).map(|offer| offer.fees);
        let fees = match earlier {
            Some(earlier) => policy.replace(earlier, suggested),
            None => (suggested.max_fee <= policy.max_fee).then_some(suggested),
        };
        Ok(fees.filter(|fees| fees.max_tip <= largest_tip))
    }

    /// It is sent again as it is, and an operator hears of it.
    async fn at_the_cap(&self, newest: Option<&Version>, user_op: &OpenUserOp) -> Result<Option<Version>> {
        metrics::counter!("diolkos_chain_fee_cap_reached_total").increment(1);
        tracing::error!(user_op = %user_op.id, "a user operation waits at the cap of fees");
        let why = "the bundler wants more than the cap of fees";
        store::refuse(self.chain.db(), user_op.id, super::patience::pause(user_op.refusals + 1), why).await?;
        Ok(newest.filter(|version| version.offer.as_ref().is_some_and(|offer| offer.sent_block.is_some())).cloned())
    }

    /// Who pays, and gas limits: the bundler's estimates, but no less than we know it takes, and no more than is sane.
    async fn with_gas(
        &self,
        bundler: &Bundler,
        lease: &Lease,
        mut op: UserOperation,
        least: Least,
    ) -> Result<UserOperation> {
        self.renew(lease).await?;
        let stub = match &bundler.sponsor {
            Some(sponsor) => Some(sponsor.stub(&op).await?),
            None => None,
        };
        op.paymaster = stub.as_ref().map(|stub| stub.paymaster());
        self.renew(lease).await?;
        let estimate = bundler.client.estimate(&for_estimate(&op)).await?;
        let Estimate { call_gas_limit, verification_gas_limit, pre_verification_gas, .. } = estimate;
        op.call_gas_limit = call_gas_limit.max(op.call_gas_limit);
        op.verification_gas_limit = verification_gas_limit.max(least.verification_gas);
        op.pre_verification_gas = pre_verification_gas.max(least.pre_verification_gas);
        op.paymaster = stub.as_ref().map(|stub| stub.limited(&estimate, least.paymaster_gas));
        let settings = self.chain.settings();
        if op.pre_verification_gas > largest_pre_verification_gas(&op) {
            let asked = format!("asks for {} pre-verification gas", op.pre_verification_gas);
            return Err(bundler.client.0.absurd(asked).into());
        }
        if op.call_gas_limit > settings.max_call_gas || op.gas() > settings.max_gas {
            let asked = format!("asks for {} gas, {} for calls", op.gas(), op.call_gas_limit);
            return Err(bundler.client.0.absurd(asked).into());
        }
        if let (Some(sponsor), Some(stub)) = (&bundler.sponsor, &stub) {
            self.renew(lease).await?;
            sponsor.pay(&mut op, stub).await?;
        }
        Ok(op)
    }

    /// Keeps the lane between calls of which each may take nearly as long as a lease.
    async fn renew(&self, lease: &Lease) -> Result<()> {
        let mut tx = self.chain.db().engine().await?;
        store::confirm(&mut tx, lease).await?;
        Ok(tx.commit().await?)
    }
}

/// A user operation without gas, paymaster and signature.
fn draft(user_op: &OpenUserOp, calls: &Calls, deploys: bool, fees: Fees) -> UserOperation {
    let init_code = user_op.wallet.filter(|_| deploys).map(|wallet| wallet.factory_call());
    let (factory, factory_data) = init_code.unzip();
    UserOperation {
        sender: user_op.account,
        nonce: entry_point::nonce(user_op.nonce_key()),
        factory,
        factory_data,
        call_data: calls.data.clone(),
        call_gas_limit: calls.gas,
        verification_gas_limit: 0,
        pre_verification_gas: 0,
        max_fee_per_gas: fees.max_fee,
        max_priority_fee_per_gas: fees.max_tip,
        paymaster: None,
        signature: Bytes::from_static(&STUB_SIGNATURE),
    }
}

/// What pre-verification gas may be, by our own reckoning of what the user operation takes of a bundle's call data.
fn largest_pre_verification_gas(op: &UserOperation) -> u64 {
    let bytes = u64::try_from(op.pack().abi_encoded_size()).unwrap_or(u64::MAX);
    bytes.saturating_mul(LARGEST_BYTE).saturating_add(LARGEST_OVERHEAD)
}

/// Without fees when the account itself pays: its deposit need not cover the limits that an estimate is made with.
fn for_estimate(op: &UserOperation) -> UserOperation {
    let mut op = op.clone();
    op.call_gas_limit = 0;
    if op.paymaster.is_none() {
        (op.max_fee_per_gas, op.max_priority_fee_per_gas) = (0, 0);
    }
    op
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{Address, U256};

    fn of(call_data: usize) -> UserOperation {
        UserOperation {
            sender: Address::ZERO,
            nonce: U256::ZERO,
            factory: None,
            factory_data: None,
            call_data: vec![1; call_data].into(),
            call_gas_limit: 0,
            verification_gas_limit: 0,
            pre_verification_gas: 0,
            max_fee_per_gas: 0,
            max_priority_fee_per_gas: 0,
            paymaster: None,
            signature: Bytes::from_static(&STUB_SIGNATURE),
        }
    }

    #[test]
    fn pre_verification_gas_is_limited_by_what_is_in_the_user_operation() {
        let small = largest_pre_verification_gas(&of(0));
        assert!((100_000..130_000).contains(&small), "{small}");
        assert_eq!(largest_pre_verification_gas(&of(3_200)) - small, 32 * 3_200);
    }
}
