//! A lane's upkeep: its nonce follows the chain, its bundles are sent again or replaced until they are passed.

use std::collections::{BTreeMap, BTreeSet};

use alloy::consensus::Transaction;
use alloy::consensus::TxEnvelope;
use alloy::eips::Decodable2718;
use alloy::primitives::Bytes;

use super::engine::{Engine, Result};
use super::rpc::Head;
use super::send::{Errand, Outgoing};
use super::store::{self, Bundle, Lease, Purpose};
use super::transaction::Draft;

impl Engine {
    /// Compares the lane's nonce with the chain's (`passed`: its transactions in blocks), and closes gaps.
    pub(super) async fn follow_nonce(&self, lease: &mut Lease, passed: u64, head: &Head) -> Result<()> {
        let lane = self.lane.address();
        let db = self.chain.db();
        // A reorg reaches no further back; a node that tells less is wrong.
        let since = head.number.saturating_sub(self.chain.settings().confirmations.max(64));
        let mut tx = db.engine().await?;
        store::confirm(&mut tx, lease).await?;
        store::mark_done(&mut tx, lane, passed, head.number).await?;
        if store::reopen_bundles(&mut tx, lane, passed, since).await? > 0 {
            tracing::warn!(%lane, nonce = passed, "the lane's nonce fell back; its bundles go out again");
        }
        if lease.next_nonce < passed {
            tracing::warn!(%lane, ours = lease.next_nonce, chain = passed, "the lane was used by somebody else");
            store::set_next_nonce(&mut tx, lease, passed).await?;
        }
        tx.commit().await?;

        let taken: BTreeSet<u64> = store::alive(db, lane).await?.iter().map(|bundle| bundle.nonce).collect();
        let free_from = taken.last().map_or(passed, |last| last + 1);
        if lease.next_nonce != free_from {
            tracing::warn!(%lane, ours = lease.next_nonce, next = free_from, "the lane's nonce counter had run away");
            let mut tx = db.engine().await?;
            store::confirm(&mut tx, lease).await?;
            store::set_next_nonce(&mut tx, lease, free_from).await?;
            tx.commit().await?;
        }
        for gap in (passed..free_from).filter(|nonce| !taken.contains(nonce)) {
            tracing::warn!(%lane, nonce = gap, "an unused nonce is filled");
            self.cancel(lease, head, gap).await?;
        }
        Ok(())
    }

    async fn cancel(&self, lease: &mut Lease, head: &Head, nonce: u64) -> Result<()> {
        let fees = self.chain.settings().fees.suggest(self.chain.rpc(), head).await?;
        let draft = Draft::cancel(self.lane.address());
        self.run_errand(lease, head, Errand { nonce, purpose: Purpose::Cancel, user_ops: vec![], draft, fees }).await
    }

    /// Sends, sends again, or replaces the newest version of every nonce that the chain has not passed.
    pub(super) async fn maintain(&self, lease: &mut Lease, head: &Head) -> Result<()> {
        let alive = store::alive(self.chain.db(), self.lane.address()).await?;
        let front = alive.first().map(|bundle| bundle.nonce);
        let newest: BTreeMap<u64, Bundle> = alive.into_iter().map(|bundle| (bundle.nonce, bundle)).collect();
        for (nonce, bundle) in newest {
            match self.remedy(&bundle, front == Some(nonce), head) {
                Remedy::Wait => {}
                Remedy::Send => self.send_again(&bundle, head).await?,
                Remedy::Replace => self.replace(lease, &bundle, head).await?,
                Remedy::Cancel => self.cancel(lease, head, nonce).await?,
            }
        }
        Ok(())
    }

    async fn send_again(&self, bundle: &Bundle, head: &Head) -> Result<()> {
        let raw = store::raw(self.chain.db(), bundle.hash).await?;
        self.chain.broadcast(&[Outgoing { lane: bundle.lane, nonce: bundle.nonce, hash: bundle.hash, raw }], head).await
    }

    fn remedy(&self, bundle: &Bundle, at_front: bool, head: &Head) -> Remedy {
        let settings = self.chain.settings();
        let refused = |word| bundle.failure.as_deref().is_some_and(|failure| failure.starts_with(word));
        if refused("Invalid") && bundle.purpose != Purpose::Cancel {
            return Remedy::Cancel;
        }
        // A lane that cannot spare the deposit may still have coin for gas, and carries on.
        if refused("InsufficientFunds") && bundle.purpose == Purpose::Deposit {
            return Remedy::Cancel;
        }
        if refused("ReplacementUnderpriced") || refused("FeeTooLow") {
            return Remedy::Replace;
        }
        let Some(sent) = bundle.sent_block else { return Remedy::Send };
        let patience = settings.replace_after_blocks;
        let base_fee = head.base_fee_per_gas.unwrap_or(0);
        let age = head.number.saturating_sub(bundle.stored_block);
        let too_cheap = !bundle.fees.covers(base_fee, settings.fees.min_tip);
        match () {
            () if age >= patience && too_cheap => Remedy::Replace,
            () if age >= 2 * patience && at_front => Remedy::Replace,
            () if head.number.saturating_sub(sent) >= patience => Remedy::Send,
            () => Remedy::Wait,
        }
    }

    /// The same transaction for more; at the cap it is sent again as it is.
    async fn replace(&self, lease: &mut Lease, bundle: &Bundle, head: &Head) -> Result<()> {
        let Bundle { lane, nonce, purpose, .. } = *bundle;
        let policy = &self.chain.settings().fees;
        let suggested = policy.suggest(self.chain.rpc(), head).await?;
        let Some(fees) = policy.replace(bundle.fees, suggested) else {
            metrics::counter!("diolkos_chain_fee_cap_reached_total").increment(1);
            tracing::error!(%lane, nonce, "a bundle waits at the cap of fees");
            return self.send_again(bundle, head).await;
        };
        let Some(draft) = draft_of(&store::raw(self.chain.db(), bundle.hash).await?) else {
            return self.cancel(lease, head, nonce).await;
        };
        tracing::info!(%lane, nonce, max_fee = fees.max_fee, "a bundle is replaced");
        let user_ops = bundle.user_ops.clone();
        self.run_errand(lease, head, Errand { nonce, purpose, user_ops, draft, fees }).await
    }
}

enum Remedy {
    Wait,
    Send,
    Replace,
    Cancel,
}

/// What a stored transaction does, read from its bytes.
fn draft_of(raw: &Bytes) -> Option<Draft> {
    let envelope = TxEnvelope::decode_2718(&mut &raw[..]).ok()?;
    Some(Draft {
        to: envelope.to()?,
        value: envelope.value(),
        input: envelope.input().clone(),
        gas_limit: envelope.gas_limit(),
        authorization: envelope.authorization_list().and_then(|list| list.first().cloned()),
    })
}
