//! Refills: a funding account gives native coin to lanes that run low.
//!
//! The funding account is worked as a lane is: one process holds it by a lease, what it signs is stored before it is sent,
//! sent again and replaced until its nonce is passed. A need is met by one nonce. Until that is final no other refill of
//! the lane is stored, so that neither a crash nor a replica nor a short reorg pays twice.

use alloy::primitives::{Address, Bytes, U256};

use super::engine::{Engine, Result};
use super::fees::Fees;
use super::rpc::Head;
use super::send::Errand;
use super::store::{self, Lease, NewRefill, Purpose};
use super::transaction::Draft;
use crate::db::{self, EngineTx};
use crate::foundation::{Amount, FailPoint};

/// Gas of a transfer to a plain account.
const TRANSFER_GAS: u64 = 21_000;

/// Blocks from one look at the lanes to the next.
const LOOK_EVERY: u64 = 3;

/// When lanes are filled, and how far. All in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefillPolicy {
    /// Below this a lane is filled,
    pub low: U256,
    /// up to this.
    pub high: U256,
    /// The most that is given within a day, to all lanes together.
    pub daily_cap: U256,
}

/// What a lane is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    /// Nothing: it has enough.
    Nothing,
    /// So many wei.
    Wei(U256),
    /// It should be given something, and the cap does not allow enough to lift it to the low mark.
    Capped,
    /// The same, and the funding account does not have enough.
    Unaffordable,
}

impl RefillPolicy {
    /// What a lane is given that holds `held`, when so much is left of the cap and in the funding account.
    fn share(&self, held: U256, left_of_cap: U256, affordable: U256) -> Share {
        if held >= self.low {
            return Share::Nothing;
        }
        let (least, wanted) = (self.low - held, self.high.saturating_sub(held));
        match () {
            () if left_of_cap < least => Share::Capped,
            () if affordable < least => Share::Unaffordable,
            () => Share::Wei(wanted.min(left_of_cap).min(affordable)),
        }
    }

    /// Whether a funding account that holds so much could not fill one lane more.
    pub fn is_short(&self, held: U256) -> bool {
        held < self.high
    }
}

/// What the engine of the funding account knows of refills.
#[derive(Debug, Default)]
pub struct Refills {
    /// The newest block when the lanes were looked at.
    looked_at: Option<u64>,
    /// It was told that the account is short.
    told_short: bool,
}

impl Engine {
    /// Refills the lanes that need it.
    pub(super) async fn refill(&mut self, lease: &mut Lease, head: &Head) -> Result<()> {
        let looked_at = self.refills.as_ref().and_then(|refills| refills.looked_at);
        if looked_at.is_some_and(|block| (block..block + LOOK_EVERY).contains(&head.number)) {
            return Ok(());
        }
        let chain = self.chain.clone();
        let policy = chain.settings().refill;
        let held = chain.rpc().balance_since(lease.lane, head.number).await?;
        self.look_to(lease.lane, held, head);
        let poor = self.poor_lanes(lease, head).await?;
        if poor.is_empty() {
            return Ok(());
        }
        let fees = chain.settings().fees.suggest(chain.rpc(), head).await?;
        let gas = U256::from(fees.max_fee) * U256::from(TRANSFER_GAS);
        let mut affordable = held.saturating_sub(self.promised(lease.lane, gas).await?);
        for (lane, balance) in poor {
            let left_of_cap = policy.daily_cap.saturating_sub(U256::from(self.given_today().await?.base_units()));
            let reason = match policy.share(balance, left_of_cap, affordable.saturating_sub(gas)) {
                Share::Nothing => continue,
                Share::Wei(value) => {
                    affordable = affordable.saturating_sub(value + gas);
                    self.give(lease, head, (lane, value), fees).await?;
                    continue;
                }
                Share::Capped => "cap",
                Share::Unaffordable => "funding",
            };
            tracing::error!(%lane, %balance, reason, "a lane runs low and is not refilled");
            metrics::counter!("diolkos_refills_refused_total", "reason" => reason).increment(1);
        }
        Ok(())
    }

    /// Tells operators once that the funding account is short, until it is not.
    fn look_to(&mut self, funding: Address, held: U256, head: &Head) {
        let is_short = self.chain.settings().refill.is_short(held);
        if let Some(refills) = &mut self.refills {
            if is_short && !refills.told_short {
                tracing::error!(%funding, %held, "the account that fills the lanes could not fill one more: fill it");
            }
            *refills = Refills { looked_at: Some(head.number), told_short: is_short };
        }
    }

    /// Lanes below the low mark that are not being refilled, the poorest first, with what they hold.
    async fn poor_lanes(&self, lease: &Lease, head: &Head) -> Result<Vec<(Address, U256)>> {
        let settings = self.chain.settings();
        let mut tx = self.chain.db().engine().await?;
        let served = store::being_refilled(&mut tx, lease.lane, self.not_final_since(head)).await?;
        tx.commit().await?;
        let mut poor = Vec::new();
        for lane in settings.lanes.iter().map(|lane| lane.address()).filter(|lane| !served.contains(lane)) {
            // Of a node that has the block up to which nonces were followed: a refill that is final is in there.
            let held = self.chain.rpc().balance_since(lane, head.number).await?;
            if held < settings.refill.low {
                poor.push((lane, held));
            }
        }
        poor.sort_unstable_by_key(|(_, held)| *held);
        Ok(poor)
    }

    /// What the funding account has promised already: refills on their way and their gas.
    async fn promised(&self, funding: Address, gas: U256) -> Result<U256> {
        let mut tx = self.chain.db().engine().await?;
        let (count, sum) = store::refills_under_way(&mut tx, funding).await?;
        tx.commit().await?;
        Ok(U256::from(sum.base_units()) + gas * U256::from(count))
    }

    async fn given_today(&self) -> db::Result<Amount> {
        let mut tx = self.chain.db().engine().await?;
        let given = store::refilled_today(&mut tx).await?;
        tx.commit().await?;
        Ok(given)
    }

    async fn give(&self, lease: &mut Lease, head: &Head, (lane, value): (Address, U256), fees: Fees) -> Result<()> {
        let draft = Draft { to: lane, value, input: Bytes::new(), gas_limit: TRANSFER_GAS, authorization: None };
        let errand = Errand { nonce: lease.next_nonce, purpose: Purpose::Refill, user_ops: vec![], draft, fees };
        // `None` when another one is on its way, or the cap was reached meanwhile.
        if let Some(bundle) = self.store(lease, head, errand).await? {
            FailPoint::RefillStored.reached();
            tracing::info!(%lane, %value, "a lane is refilled");
            metrics::counter!("diolkos_refills_total").increment(1);
            self.chain.broadcast(&[bundle.into()], head).await?;
        }
        Ok(())
    }

    /// Notes a refill in the transaction that stores its first bundle; `false` when it must not be stored.
    pub(super) async fn note_refill(
        &self,
        tx: &mut EngineTx,
        lease: &Lease,
        head: &Head,
        (lane, value): (Address, U256),
    ) -> db::Result<bool> {
        let refill = NewRefill { funding: lease.lane, nonce: lease.next_nonce, lane, value: store::wei(value) };
        let cap = store::wei(self.chain.settings().refill.daily_cap);
        store::insert_refill(tx, refill, self.not_final_since(head), cap).await
    }

    /// What was passed after this block may be undone by a reorg.
    fn not_final_since(&self, head: &Head) -> u64 {
        head.number.saturating_sub(self.chain.settings().confirmations + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RefillPolicy = RefillPolicy {
        low: U256::from_limbs([20, 0, 0, 0]),
        high: U256::from_limbs([100, 0, 0, 0]),
        daily_cap: U256::from_limbs([500, 0, 0, 0]),
    };

    fn share(held: u64, left_of_cap: u64, affordable: u64) -> Share {
        POLICY.share(U256::from(held), U256::from(left_of_cap), U256::from(affordable))
    }

    #[test]
    fn a_lane_below_the_low_mark_is_filled_to_the_high_mark_within_what_there_is() {
        assert_eq!(share(20, 500, 500), Share::Nothing);
        assert_eq!(share(19, 500, 500), Share::Wei(U256::from(81)));
        assert_eq!(share(0, 500, 500), Share::Wei(U256::from(100)));
        assert_eq!(share(0, 70, 500), Share::Wei(U256::from(70)));
        assert_eq!(share(0, 500, 60), Share::Wei(U256::from(60)));
    }

    #[test]
    fn nothing_is_given_that_does_not_lift_a_lane_to_the_low_mark() {
        assert_eq!(share(5, 15, 500), Share::Wei(U256::from(15)));
        assert_eq!(share(5, 14, 500), Share::Capped);
        assert_eq!(share(5, 500, 14), Share::Unaffordable);
        assert_eq!(share(5, 0, 0), Share::Capped);
    }
}
