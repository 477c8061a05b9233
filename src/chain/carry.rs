//! User operations become bundles, in waves: while one wave is sent, the next is signed and stored.

use std::collections::HashMap;

use futures_util::future::join_all;

use super::board::{Boarded, Passenger};
use super::deployment::Deployment;
use super::engine::{Engine, Result};
use super::rpc::Head;
use super::send::Outgoing;
use super::sign::{LONG_WAIT, unpack};
use super::store::{self, Lease, OpenUserOp, Version};

/// How long a user operation waits for another one to deploy its wallet.
const DEPLOYMENT_WAIT: std::time::Duration = std::time::Duration::from_secs(1);

/// Bundles that are made ready together, at most: the first wave is one bundle and each has twice as many as the one before
/// it, so that the first of many goes out before the others are looked at.
const WAVE: usize = 8;

impl Engine {
    /// Sends user operations that nothing carries, until none is left or the lane has enough in flight.
    pub(super) async fn carry(&mut self, lease: &mut Lease, head: &Head) -> Result<()> {
        let mut stored: Vec<Outgoing> = Vec::new();
        let chain = self.chain.clone();
        let mut wave = 1;
        loop {
            let (sent, next) = tokio::join!(chain.broadcast(&stored, head), self.next_wave(lease, head, wave));
            sent?;
            stored = next?;
            if stored.is_empty() {
                return Ok(());
            }
            wave = (2 * wave).min(WAVE);
        }
    }

    /// Stores up to `wave` more bundles; none when nobody waits or the lane has enough in flight.
    async fn next_wave(&mut self, lease: &mut Lease, head: &Head, wave: usize) -> Result<Vec<Outgoing>> {
        let in_flight = store::in_flight(self.chain.db(), lease.lane).await?;
        let free = self.chain.settings().in_flight.saturating_sub(in_flight).min(wave);
        let passengers = self.ready(lease, head, free).await?;
        if free == 0 {
            return Ok(Vec::new());
        }
        let passengers = self.signed(lease, passengers, head).await?;
        let bundles = self.pack(passengers, head, free);
        let mut boarding = Vec::with_capacity(bundles.len());
        for bundle in bundles {
            boarding.push(self.board(lease, bundle));
        }
        let tried = join_all(boarding).await;
        let (mut wave, mut failed): (Vec<Boarded>, _) = (Vec::new(), None);
        for one in tried {
            match one {
                Ok(one) => {
                    self.doubts &= !one.clears_doubts;
                    wave.extend(one.boarded);
                    for (passenger, reason) in one.left_out {
                        self.leave_behind(&passenger.user_op, &reason, head).await?;
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if wave.is_empty() => Err(error),
            _ => self.store_wave(lease, head, wave).await,
        }
    }

    /// Each with a signature that fits its account as it is now; those that have none at the moment wait.
    async fn signed(&mut self, lease: &Lease, user_ops: Vec<OpenUserOp>, head: &Head) -> Result<Vec<Passenger>> {
        let deployments = self.deployments(&user_ops).await?;
        let mut versions: HashMap<uuid::Uuid, Version> = HashMap::new();
        let mut unsigned: Vec<(&OpenUserOp, bool)> = Vec::new();
        for user_op in &user_ops {
            let deploys = match deployments.get(&user_op.id) {
                // Somebody else deploys the wallet: this one goes after that, and takes nobody's place until then.
                None | Some(Deployment::UnderWay) => {
                    let why = "another user operation deploys the wallet";
                    store::hold(self.chain.db(), user_op.id, DEPLOYMENT_WAIT, why).await?;
                    continue;
                }
                Some(deployment) => *deployment == Deployment::Needed,
            };
            match &user_op.version {
                Some(version) if version.deploys == deploys && version.offer.is_none() => {
                    versions.insert(user_op.id, version.clone());
                }
                _ => unsigned.push((user_op, deploys)),
            }
        }
        versions.extend(self.sign_all(lease, unsigned, head).await?);
        let mut passengers = Vec::new();
        for user_op in user_ops {
            let Some(version) = versions.remove(&user_op.id) else { continue };
            let is_new = user_op.version.is_none();
            match unpack(&version) {
                Some(packed) => passengers.push(Passenger { user_op, version, packed, is_new }),
                None => {
                    tracing::error!(user_op = %user_op.id, "the stored bytes of a user operation cannot be read");
                    store::hold(self.chain.db(), user_op.id, LONG_WAIT, "its stored bytes cannot be read").await?;
                }
            }
        }
        Ok(passengers)
    }
}
