//! Operations become user operations, as many and as large as what waits and what lanes have room for.

use alloy::primitives::Address;

use super::engine::{Engine, Result};
use super::gas::SMALLEST_BATCH;
use super::rpc::Head;
use super::store::{self, Claim, Lease, OpenUserOp, Takes};
use crate::foundation::FailPoint;

/// User operations that are with a bundler at once, at most.
const WITH_BUNDLER: usize = 64;

/// User operations in a bundle that are worth having ready, at most: a transaction's bytes hold four full batches.
const READY_A_BUNDLE: usize = 4;

/// Customers' operations that are gathered at once, at least: bundles hold dozens of theirs.
const WALLETS: usize = 128;

/// User operations that are looked at for one wave of bundles.
const PASSENGERS: i64 = 256;

/// How the treasury's payments are put together.
struct Sizes {
    /// Payments in a user operation.
    batch: usize,
    /// Such user operations in a bundle.
    in_a_bundle: usize,
}

impl Engine {
    /// User operations that a wave of `free` bundles could take. What waits is gathered in new ones when there are fewer
    /// than that; what waits meanwhile makes the next larger.
    pub(super) async fn ready(&self, lease: &Lease, head: &Head, free: usize) -> Result<Vec<OpenUserOp>> {
        let settings = self.chain.settings();
        let takes = self.chain.bundler_takes();
        let by_bundler = takes != Takes::default();
        if free == 0 && !by_bundler {
            return Ok(Vec::new());
        }
        let room_with_bundler = self.room_with_bundler(takes).await?;
        let stuck_since = self.stuck_since(head);
        let mut tx = self.chain.db().engine().await?;
        store::confirm(&mut tx, lease).await?;
        FailPoint::LaneLocked.reached();
        let open = store::open(&mut tx, lease, takes, stuck_since, PASSENGERS).await?;
        let Sizes { batch, in_a_bundle } = self.sizes(head, takes);
        let wanted = (free * in_a_bundle).saturating_sub(open.len());
        // The way that has enough to carry does not stop the other one.
        let room = Takes {
            treasury: if takes.treasury { room_with_bundler.treasury } else { wanted > 0 },
            wallets: if takes.wallets { room_with_bundler.wallets } else { wanted > 0 },
        };
        if room == Takes::default() {
            return Ok(open);
        }
        let owners: Vec<Address> = settings.wallet_owners.iter().map(|owner| owner.address()).collect();
        let claim = Claim {
            treasury: self.chain.treasury(),
            owners: &owners,
            room,
            limit: i64::try_from(if by_bundler { batch } else { wanted * batch }).unwrap_or(i64::MAX),
            of_wallets: i64::try_from(if by_bundler { batch } else { wanted.max(WALLETS) }).unwrap_or(i64::MAX),
            batch,
            head: head.number,
        };
        let claimed = store::claim(&mut tx, lease.lane, &claim).await?;
        if claimed == 0 {
            return Ok(open);
        }
        let open = store::open(&mut tx, lease, takes, stuck_since, PASSENGERS).await?;
        tx.commit().await?;
        FailPoint::Claimed.reached();
        Ok(open)
    }

    /// The treasury's user operations are as large as lets bundles fill a block, and no more of them are made ready than can
    /// go: those that come later are signed with what is learnt from these.
    fn sizes(&self, head: &Head, takes: Takes) -> Sizes {
        let limit = usize::try_from(self.chain.settings().batch_limit).unwrap_or(1);
        let (Some(payment), Some(block), false) = (self.chain.gas().payment(), head.gas_limit, takes.treasury) else {
            return Sizes { batch: limit, in_a_bundle: READY_A_BUNDLE };
        };
        let whole = |count| usize::try_from(count).unwrap_or(usize::MAX);
        let batch = whole(payment.a_bundle(block, limit as u64)).max(SMALLEST_BATCH).min(limit);
        let in_a_bundle = self.most_gas(head) / payment.batch_asks_for(batch as u64);
        Sizes { batch, in_a_bundle: whole(in_a_bundle).clamp(1, READY_A_BUNDLE) }
    }

    /// Bundles that were stored in this block or before and that no block has taken carry nobody any more: other lanes may.
    pub(super) fn stuck_since(&self, head: &Head) -> u64 {
        head.number.saturating_sub(4 * self.chain.settings().replace_after_blocks)
    }

    /// Whose operations the bundler has room for.
    async fn room_with_bundler(&self, takes: Takes) -> Result<Takes> {
        if takes == Takes::default() {
            return Ok(takes);
        }
        let (of_treasury, of_all) = store::with_bundler(self.chain.db(), takes).await?;
        let has_room = of_all < WITH_BUNDLER;
        let treasury = has_room && of_treasury < self.chain.settings().in_flight;
        Ok(Takes { treasury, wallets: has_room })
    }
}
