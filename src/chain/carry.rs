//! User operations become bundles: simulated, signed, stored, and only then sent.

use std::time::Duration;

use alloy::primitives::{Bytes, U256};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::{SolCall, SolError};

use super::bundler::FILL_EVERY;
use super::contracts::IEntryPoint::{FailedOp, FailedOpWithRevert, handleOpsCall};
use super::contracts::PackedUserOperation;
use super::deployment::Deployment;
use super::engine::{Engine, Result};
use super::entry_point::{ENTRY_POINT, bundle_gas};
use super::fees::Fees;
use super::gather::unpack;
use super::refusal::Refusal;
use super::rpc::Head;
use super::rpc_error::RpcError;
use super::store::{self, Lease, NewBundle, OpenUserOp, Purpose, Version};
use super::transaction::Draft;
use crate::foundation::FailPoint;

/// A transaction's bytes, less room for its envelope: nodes refuse more than 128 KB.
pub(super) const MAX_CALL_DATA: usize = 126 * 1024;

/// How long a user operation waits whose affairs could not be looked into, so that others come before it.
const SHORT_WAIT: Duration = Duration::from_secs(5);

/// User operations that are looked at for one bundle.
const PASSENGERS: i64 = 64;

/// How long a user operation waits that cannot be carried as things stand.
pub(super) const LONG_WAIT: Duration = Duration::from_secs(30);

/// A user operation that is ready to be carried.
pub(super) struct Passenger {
    pub(super) user_op: OpenUserOp,
    version: Version,
    packed: PackedUserOperation,
}

impl Engine {
    /// Sends user operations that nothing carries, until none is left or the lane has enough in flight.
    pub(super) async fn carry(&mut self, lease: &mut Lease, head: &Head) -> Result<()> {
        while self.nonces_in_flight(lease).await? < self.chain.settings().in_flight {
            let passengers = self.passengers(lease, head).await?;
            let Some(draft) = self.board(lease, passengers).await? else { return Ok(()) };
            let (passengers, draft) = draft;
            let user_ops = passengers.iter().map(|passenger| passenger.user_op.id).collect();
            let fees = self.chain.settings().fees.suggest(self.chain.rpc(), head).await?;
            let nonce = lease.next_nonce;
            let bundle = self.store(lease, head, nonce, Purpose::UserOps, user_ops, &draft, fees).await?;
            let Some(bundle) = bundle else { return Ok(()) };
            self.broadcast(&bundle, head).await?;
        }
        Ok(())
    }

    async fn passengers(&mut self, lease: &Lease, head: &Head) -> Result<Vec<Passenger>> {
        let mut passengers = Vec::new();
        for user_op in store::open(self.chain.db(), lease.lane, self.chain.bundler_takes(), PASSENGERS).await? {
            let version = match self.current_version(lease, &user_op, head).await {
                Ok(Some(version)) => version,
                Ok(None) => continue,
                Err(error) => {
                    store::hold(self.chain.db(), user_op.id, SHORT_WAIT, &error.to_string()).await?;
                    return Err(error);
                }
            };
            match unpack(&version) {
                Some(packed) => passengers.push(Passenger { user_op, version, packed }),
                None => {
                    tracing::error!(user_op = %user_op.id, "the stored bytes of a user operation cannot be read");
                    store::hold(self.chain.db(), user_op.id, LONG_WAIT, "its stored bytes cannot be read").await?;
                }
            }
        }
        Ok(passengers)
    }

    /// The signature that fits the account as it is now; `None` when there is none at the moment.
    async fn current_version(&mut self, lease: &Lease, user_op: &OpenUserOp, head: &Head) -> Result<Option<Version>> {
        let deployment = self.deployment(user_op).await?;
        let deploys = deployment == Deployment::Needed;
        match &user_op.version {
            // Somebody else deploys the wallet: this one goes after that.
            _ if deployment == Deployment::UnderWay => Ok(None),
            Some(version) if version.deploys == deploys && version.offer.is_none() => Ok(Some(version.clone())),
            _ => self.sign(lease, user_op, deploys, head).await,
        }
    }

    /// Leaves out what fails validation; `None` when nobody is left.
    async fn board(
        &mut self,
        lease: &Lease,
        mut passengers: Vec<Passenger>,
    ) -> Result<Option<(Vec<Passenger>, Draft)>> {
        while !passengers.is_empty() {
            let draft = self.draft(lease, &passengers);
            let too_big = draft.gas_limit > self.chain.settings().max_gas || draft.input.len() > MAX_CALL_DATA;
            if too_big && passengers.len() > 1 {
                passengers.pop();
                continue;
            }
            let request = TransactionRequest::default()
                .from(lease.lane)
                .to(ENTRY_POINT)
                .gas_limit(draft.gas_limit)
                .input(draft.input.clone().into());
            let (index, reason) = match self.chain.rpc().simulate(&request).await {
                Ok(_) => return Ok(Some((passengers, draft))),
                Err(RpcError::Refused { data: Some(data), .. }) => failed_op(&data),
                Err(RpcError::Refused { kind: Refusal::Reverted, message, .. }) => (0, message),
                Err(error) => {
                    // Should one of them be the cause, it does not keep the others waiting for ever.
                    store::hold(self.chain.db(), passengers[0].user_op.id, SHORT_WAIT, &error.to_string()).await?;
                    return Err(error.into());
                }
            };
            let left_out = passengers.remove(index.min(passengers.len() - 1));
            self.leave_behind(&left_out.user_op, &reason).await?;
        }
        Ok(None)
    }

    fn draft(&self, lease: &Lease, passengers: &[Passenger]) -> Draft {
        let ops = passengers.iter().map(|passenger| passenger.packed.clone()).collect();
        let input: Bytes = handleOpsCall { ops, beneficiary: lease.lane }.abi_encode().into();
        let gas_limit = bundle_gas(
            passengers.iter().map(|passenger| passenger.version.call_gas + passenger.version.verification_gas),
            &input,
        );
        Draft { to: ENTRY_POINT, value: U256::ZERO, input, gas_limit, authorization: None }
    }

    /// Perhaps somebody carried it already; if not, it is looked at again later, when it has been made sure that the
    /// treasury still has its code.
    async fn leave_behind(&mut self, user_op: &OpenUserOp, reason: &str) -> Result<()> {
        if self.locate(user_op).await? {
            return Ok(());
        }
        let used_up = reason.starts_with("AA25");
        tracing::warn!(user_op = %user_op.id, reason, "a user operation fails validation and waits");
        metrics::counter!("diolkos_user_ops_left_behind_total").increment(1);
        self.delegated &= used_up;
        self.deployed.remove(&user_op.account);
        let wait = if used_up { Duration::from_secs(2) } else { LONG_WAIT };
        Ok(store::hold(self.chain.db(), user_op.id, wait, reason).await?)
    }

    /// Signs for a nonce of the lane and stores the bytes, and the nonce's use, in one transaction; `None` when another
    /// lane took the passengers meanwhile.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the stored row")]
    pub(super) async fn store(
        &self,
        lease: &mut Lease,
        head: &Head,
        nonce: u64,
        purpose: Purpose,
        user_ops: Vec<uuid::Uuid>,
        draft: &Draft,
        fees: Fees,
    ) -> Result<Option<NewBundle>> {
        let chain_id = self.chain.settings().chain_id;
        let (hash, raw) = draft.sign(self.lane.as_ref(), chain_id, nonce, fees).await?;
        FailPoint::BundleSigned.reached();
        let bundle = NewBundle {
            hash,
            lane: self.lane.address(),
            nonce,
            purpose,
            user_ops,
            raw,
            gas_limit: draft.gas_limit,
            fees,
            stored_block: head.number,
        };
        let mut tx = self.chain.db().engine().await?;
        store::confirm(&mut tx, lease).await?;
        let is_first = nonce == lease.next_nonce;
        if purpose == Purpose::Deposit {
            let known = store::deposits(&mut tx, lease.lane, head.number.saturating_sub(FILL_EVERY)).await?;
            if is_first && (known.under_way || known.made_lately) {
                return Ok(None);
            }
        }
        if purpose == Purpose::Refill && is_first && !self.note_refill(&mut tx, lease, head, draft).await? {
            return Ok(None);
        }
        if is_first && !store::lock_for_boarding(&mut tx, lease.lane, &bundle.user_ops).await? {
            return Ok(None);
        }
        store::insert_bundle(&mut tx, &bundle).await?;
        if is_first {
            store::set_next_nonce(&mut tx, lease, nonce + 1).await?;
        }
        tx.commit().await?;
        FailPoint::BundleStored.reached();
        Ok(Some(bundle))
    }

    /// Sends stored bytes. A refusal is noted and left to the upkeep of the lane.
    pub(super) async fn broadcast(&self, bundle: &NewBundle, head: &Head) -> Result<()> {
        let refusal = match self.chain.rpc().send_raw(&bundle.raw).await {
            Ok(_) => {
                FailPoint::Broadcast.reached();
                for waited in store::mark_sent(self.chain.db(), bundle.hash, head.number).await? {
                    metrics::histogram!("diolkos_chain_stage_seconds", "stage" => "submitted").record(waited);
                }
                self.chain.announce();
                FailPoint::Sent.reached();
                store::set_note(self.chain.db(), bundle.lane, None).await?;
                return Ok(());
            }
            Err(refusal) => refusal,
        };
        tracing::warn!(lane = %bundle.lane, nonce = bundle.nonce, error = %refusal, "a bundle was not taken");
        let note = format!("nonce {}: {refusal}", bundle.nonce);
        store::set_note(self.chain.db(), bundle.lane, Some(&note)).await?;
        Ok(store::set_failure(self.chain.db(), bundle.hash, &refusal.to_string()).await?)
    }
}

/// Which user operation the EntryPoint refuses, and why (`FailedOp`, `FailedOpWithRevert`).
fn failed_op(data: &Bytes) -> (usize, String) {
    if let Ok(FailedOp { opIndex, reason }) = FailedOp::abi_decode(data) {
        return (opIndex.saturating_to(), reason);
    }
    if let Ok(FailedOpWithRevert { opIndex, reason, .. }) = FailedOpWithRevert::abi_decode(data) {
        return (opIndex.saturating_to(), reason);
    }
    (0, format!("reverts with {data}"))
}
