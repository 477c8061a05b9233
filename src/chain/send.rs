//! Bundles are signed, stored, and only then sent.

use alloy::primitives::{Address, B256, Bytes};
use futures_util::stream::{self, StreamExt};
use uuid::Uuid;

use super::Chain;
use super::board::Boarded;
use super::bundler::FILL_EVERY;
use super::engine::{Engine, Result};
use super::fees::Fees;
use super::rpc::Head;
use super::rpc_error::RpcError;
use super::store::{self, Lease, NewBundle, Purpose};
use super::transaction::Draft;
use crate::foundation::FailPoint;

/// Transactions that are on their way to a node at once: begun in the order of their nonces.
const SENT_AT_ONCE: usize = 4;

/// A transaction of the lane that carries nobody.
pub(super) struct Errand {
    pub(super) nonce: u64,
    pub(super) purpose: Purpose,
    pub(super) user_ops: Vec<Uuid>,
    pub(super) draft: Draft,
    pub(super) fees: Fees,
}

/// Stored bytes on their way to a node.
pub(super) struct Outgoing {
    pub(super) lane: Address,
    pub(super) nonce: u64,
    pub(super) hash: B256,
    pub(super) raw: Bytes,
}

impl From<NewBundle> for Outgoing {
    fn from(NewBundle { lane, nonce, hash, raw, .. }: NewBundle) -> Self {
        Self { lane, nonce, hash, raw }
    }
}

impl Engine {
    /// Signs bundles for the lane's next nonces and stores the bytes, and the nonces' use, in one transaction. Returns those
    /// stored: where another lane took a passenger meanwhile, the bundle and those after it are left for the next wave.
    pub(super) async fn store_wave(&self, lease: &mut Lease, head: &Head, wave: Vec<Boarded>) -> Result<Vec<Outgoing>> {
        if wave.is_empty() {
            return Ok(Vec::new());
        }
        let fees = self.chain.settings().fees.suggest(self.chain.rpc(), head).await?;
        let mut bundles = Vec::with_capacity(wave.len());
        for (nonce, one) in (lease.next_nonce..).zip(wave) {
            let purpose = Purpose::UserOps;
            let errand = Errand { nonce, purpose, user_ops: one.user_ops, draft: one.draft, fees };
            bundles.push(self.sign_bundle(head, errand).await?);
        }
        FailPoint::BundleSigned.reached();
        let mut tx = self.chain.db().engine().await?;
        store::confirm(&mut tx, lease).await?;
        let user_ops: Vec<Uuid> = bundles.iter().flat_map(|bundle| bundle.user_ops.iter().copied()).collect();
        let free = store::lock_for_boarding(&mut tx, lease.lane, self.stuck_since(head), &user_ops).await?;
        let is_free = |bundle: &NewBundle| bundle.user_ops.iter().all(|user_op| free.contains(user_op));
        let stored = bundles.iter().take_while(|bundle| is_free(bundle)).count();
        bundles.truncate(stored);
        let Some(last) = bundles.last() else { return Ok(Vec::new()) };
        store::insert_bundles(&mut tx, &bundles).await?;
        store::set_next_nonce(&mut tx, lease, last.nonce + 1).await?;
        tx.commit().await?;
        FailPoint::BundleStored.reached();
        metrics::histogram!("diolkos_chain_wave_bundles").record(u32::try_from(bundles.len()).unwrap_or(u32::MAX));
        Ok(bundles.into_iter().map(Outgoing::from).collect())
    }

    /// Signs for a nonce of the lane and stores the bytes, and the nonce's use, in one transaction; `None` when it would
    /// be a deposit or a refill and another is on its way or was made lately.
    pub(super) async fn store(&self, lease: &mut Lease, head: &Head, errand: Errand) -> Result<Option<NewBundle>> {
        let gift = (errand.draft.to, errand.draft.value);
        let bundle = self.sign_bundle(head, errand).await?;
        FailPoint::BundleSigned.reached();
        let mut tx = self.chain.db().engine().await?;
        store::confirm(&mut tx, lease).await?;
        let is_first = bundle.nonce == lease.next_nonce;
        if bundle.purpose == Purpose::Deposit {
            let known = store::deposits(&mut tx, lease.lane, head.number.saturating_sub(FILL_EVERY)).await?;
            if is_first && (known.under_way || known.made_lately) {
                return Ok(None);
            }
        }
        if bundle.purpose == Purpose::Refill && is_first && !self.note_refill(&mut tx, lease, head, gift).await? {
            return Ok(None);
        }
        store::insert_bundles(&mut tx, std::slice::from_ref(&bundle)).await?;
        if is_first {
            store::set_next_nonce(&mut tx, lease, bundle.nonce + 1).await?;
        }
        tx.commit().await?;
        FailPoint::BundleStored.reached();
        Ok(Some(bundle))
    }

    /// The same, and sends it.
    pub(super) async fn run_errand(&self, lease: &mut Lease, head: &Head, errand: Errand) -> Result<()> {
        match self.store(lease, head, errand).await? {
            Some(bundle) => self.chain.broadcast(&[bundle.into()], head).await,
            None => Ok(()),
        }
    }

    async fn sign_bundle(&self, head: &Head, errand: Errand) -> Result<NewBundle> {
        let Errand { nonce, purpose, user_ops, draft, fees } = errand;
        let (hash, raw) = draft.sign(self.lane.as_ref(), self.chain.settings().chain_id, nonce, fees).await?;
        let (lane, gas_limit, stored_block) = (self.lane.address(), draft.gas_limit, head.number);
        Ok(NewBundle { hash, lane, nonce, purpose, user_ops, raw, gas_limit, fees, stored_block })
    }
}

impl Chain {
    /// Sends stored bytes. A refusal is noted and left to the upkeep of the lane.
    pub(super) async fn broadcast(&self, bundles: &[Outgoing], head: &Head) -> Result<()> {
        let Some(lane) = bundles.first().map(|bundle| bundle.lane) else { return Ok(()) };
        let mut sends = Vec::with_capacity(bundles.len());
        for bundle in bundles {
            sends.push(async move { (bundle, self.rpc().send_raw(&bundle.raw).await) });
        }
        let answers: Vec<(&Outgoing, std::result::Result<B256, RpcError>)> =
            stream::iter(sends).buffered(SENT_AT_ONCE).collect().await;
        let taken: Vec<B256> =
            answers.iter().filter(|(_, answer)| answer.is_ok()).map(|(bundle, _)| bundle.hash).collect();
        if !taken.is_empty() {
            FailPoint::Broadcast.reached();
            for waited in store::mark_sent(self.db(), &taken, head.number).await? {
                metrics::histogram!("diolkos_chain_stage_seconds", "stage" => "submitted").record(waited);
            }
            self.announce();
            FailPoint::Sent.reached();
        }
        let mut note = None;
        for (bundle, answer) in answers {
            let Err(refusal) = answer else { continue };
            tracing::warn!(%lane, nonce = bundle.nonce, error = %refusal, "a bundle was not taken");
            note.get_or_insert_with(|| format!("nonce {}: {refusal}", bundle.nonce));
            store::set_failure(self.db(), bundle.hash, &refusal.to_string()).await?;
        }
        Ok(store::set_note(self.db(), lane, note.as_deref()).await?)
    }
}
