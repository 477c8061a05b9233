//! Handing user operations over: signed, sent, sent again, changed until the bundler takes them.

use std::time::Instant;

use alloy::primitives::B256;

use super::Bundler;
use super::cause::{Asked, Cause};
use super::endpoint::EndpointError;
use super::patience::{LONGEST_PAUSE, PAUSE, Rest, is_hopeless, is_over, pause};
use super::sign::Wish;
use crate::chain::Chain;
use crate::chain::deployment::Deployment;
use crate::chain::engine::{Engine, EngineError, Result};
use crate::chain::entry_point::UserOperation;
use crate::chain::rpc::Head;
use crate::chain::scan::{ByHash, sighting};
use crate::chain::sign::unpack;
use crate::chain::store::{self, Lease, OpenUserOp, Version};
use crate::foundation::FailPoint;

/// User operations that are looked at in one round.
const PASSENGERS: i64 = 64;

/// How often one user operation is signed again in one round.
const ATTEMPTS: usize = 4;

impl Engine {
    /// Hands over what the bundler should carry and does not, for half a lease at most: the lane has other work.
    pub(in crate::chain) async fn hand_over(&mut self, lease: &Lease, head: &Head) -> Result<()> {
        let chain = self.chain.clone();
        let Some(bundler) = chain.bundler() else { return Ok(()) };
        let deadline = Instant::now() + chain.settings().lease / 2;
        let overdue = head.number.saturating_sub(chain.settings().replace_after_blocks);
        for user_op in store::for_bundler(chain.db(), bundler.takes(), overdue, PASSENGERS).await? {
            if !self.rest.is_over() || Instant::now() > deadline {
                break;
            }
            if user_op.wallet.is_none() && self.deposit.is_filling {
                continue;
            }
            let tended = match self.tend(bundler, lease, &user_op, head).await {
                Err(EngineError::Endpoint(error)) => self.put_off(&user_op, &error).await,
                tended => tended,
            };
            match tended {
                // It waits longer each time, or it would come first for ever and keep the others waiting.
                Err(error @ (EngineError::Rpc(_) | EngineError::Signer(_))) => {
                    tracing::warn!(user_op = %user_op.id, %error, "a user operation cannot be handed over and waits");
                    store::refuse(chain.db(), user_op.id, pause(user_op.refusals + 1), &error.to_string()).await?;
                }
                tended => tended?,
            }
        }
        Ok(())
    }

    /// Signs what is not signed, sends what is not sent, and changes what the bundler does not like.
    async fn tend(&mut self, bundler: &Bundler, lease: &Lease, user_op: &OpenUserOp, head: &Head) -> Result<()> {
        let deployments = self.deployments(std::slice::from_ref(user_op)).await?;
        let deploys = match deployments.get(&user_op.id) {
            // The user operation that deploys the wallet goes first.
            None | Some(Deployment::UnderWay) => {
                let why = "another user operation deploys the wallet";
                return Ok(store::hold(self.chain.db(), user_op.id, PAUSE, why).await?);
            }
            Some(deployment) => *deployment == Deployment::Needed,
        };
        let mut version =
            user_op.version.clone().filter(|version| version.offer.is_some() && version.deploys == deploys);
        let is_overdue = version.as_ref().is_some_and(|version| self.is_overdue(version, head));
        if is_overdue && self.chain.locate(user_op, Some(&self.rest)).await? {
            return Ok(());
        }
        if self.is_given_up(user_op, head).await? {
            return Ok(());
        }
        let mut wish = match version {
            Some(_) if is_overdue => Some(Wish::HigherFees(Asked::default())),
            Some(_) => None,
            None => Some(Wish::Anything),
        };
        for _ in 0..ATTEMPTS {
            if let Some(wish) = wish.take() {
                let newest = version.as_ref().or(user_op.version.as_ref());
                version = self.offer(bundler, lease, user_op, newest, deploys, head, wish).await?;
            }
            let Some(version) = &version else { return Ok(()) };
            let Some(refusal) = self.send(bundler, user_op, version, head).await? else { return Ok(()) };
            wish = match refusal.cause() {
                Cause::FeeTooLow(asked) => Some(Wish::HigherFees(asked)),
                Cause::MorePreVerificationGas(least) => Some(Wish::MorePreVerificationGas(least)),
                Cause::MoreVerificationGas => Some(Wish::MoreVerificationGas),
                Cause::MorePaymasterGas => Some(Wish::MorePaymasterGas),
                Cause::AskPaymaster if bundler.sponsor.is_some() => Some(Wish::Anything),
                _ => return Err(refusal.into()),
            };
            tracing::info!(user_op = %user_op.id, %refusal, "the bundler wants another signature");
        }
        let why = "the bundler refuses whatever is signed for it";
        tracing::warn!(user_op = %user_op.id, why);
        Ok(store::refuse(self.chain.db(), user_op.id, pause(user_op.refusals + 1), why).await?)
    }

    /// Gives to lanes what the bundler has had for too long; `false` when it may have it still.
    async fn is_given_up(&self, user_op: &OpenUserOp, head: &Head) -> Result<bool> {
        let chain = &self.chain;
        let offers = store::offers(chain.db(), user_op.id).await?;
        if !is_over(&offers, user_op, head.number, chain.settings().replace_after_blocks) {
            return Ok(false);
        }
        let why = "the bundler refuses it, or takes it and does not carry it";
        tracing::warn!(user_op = %user_op.id, why, "a lane carries what the bundler does not");
        store::give_to_lanes(chain.db(), user_op.id, why).await?;
        Ok(true)
    }

    /// Sends a stored signature; why the bundler does not take it, if so.
    async fn send(
        &mut self,
        bundler: &Bundler,
        user_op: &OpenUserOp,
        version: &Version,
        head: &Head,
    ) -> Result<Option<EndpointError>> {
        let Some(op) = unpack(version).as_ref().and_then(UserOperation::unpack) else {
            let why = "its stored bytes cannot be read";
            tracing::error!(user_op = %user_op.id, why);
            store::hold(self.chain.db(), user_op.id, LONGEST_PAUSE, why).await?;
            return Ok(None);
        };
        if let Err(refusal) = bundler.client.send(&op, version.hash).await {
            let cause = refusal.cause();
            metrics::counter!("diolkos_bundler_refusals_total", "cause" => cause.name()).increment(1);
            if !matches!(cause, Cause::AlreadyKnown | Cause::UnderWay) {
                return Ok(Some(refusal));
            }
        }
        self.note_sent(version, head).await?;
        Ok(None)
    }

    /// Whether a signature was sent long ago, so that it is worth offering more for it.
    fn is_overdue(&self, version: &Version, head: &Head) -> bool {
        let patience = 2 * self.chain.settings().replace_after_blocks;
        let offer = version.offer.as_ref();
        offer.is_some_and(|offer| {
            offer.sent_block.is_some() && head.number.saturating_sub(offer.stored_block) >= patience
        })
    }

    async fn note_sent(&mut self, version: &Version, head: &Head) -> Result<()> {
        FailPoint::HandedOver.reached();
        self.rest = Rest::default();
        for waited in store::mark_handed_over(self.chain.db(), version.hash, head.number).await? {
            metrics::histogram!("diolkos_chain_stage_seconds", "stage" => "submitted").record(waited);
        }
        self.chain.announce();
        Ok(())
    }

    /// Acts on a refusal, or on no answer, by what is behind it, and looks at the user operation again later.
    async fn put_off(&mut self, user_op: &OpenUserOp, error: &EndpointError) -> Result<()> {
        let mut wait = pause(user_op.refusals + 1);
        if is_hopeless(error, user_op) {
            tracing::warn!(user_op = %user_op.id, %error, "a lane carries what the bundler cannot");
            return Ok(store::give_to_lanes(self.chain.db(), user_op.id, &error.to_string()).await?);
        }
        match error.cause() {
            Cause::NonceUsed => {
                if self.chain.locate(user_op, Some(&self.rest)).await? {
                    return Ok(());
                }
            }
            Cause::Deployed | Cause::NotDeployed => {
                self.deployed.remove(&user_op.account);
                self.delegated &= user_op.wallet.is_some();
            }
            Cause::DepositTooLow => self.deposit.is_short = true,
            Cause::OurFault => {
                wait = LONGEST_PAUSE;
                tracing::error!(user_op = %user_op.id, %error, "the bundler will not take a user operation");
            }
            Cause::PaymasterBroke => {
                wait = LONGEST_PAUSE;
                tracing::error!(user_op = %user_op.id, %error, "the paymaster cannot pay");
            }
            _ => tracing::warn!(user_op = %user_op.id, %error, "a user operation waits"),
        }
        if matches!(error, EndpointError::Unavailable { .. }) {
            self.rest.begin();
        }
        Ok(store::refuse(self.chain.db(), user_op.id, wait, &error.to_string()).await?)
    }
}

impl Chain {
    /// Looks where the bundler says that the newest of these signatures is, unless it rests. It may say what it likes: what
    /// counts is the event in that block.
    pub(in crate::chain) async fn follow_hint(&self, ours: &ByHash, newest: B256, rest: &Rest) -> Result<bool> {
        let Some(bundler) = self.bundler().filter(|_| rest.is_over()) else { return Ok(false) };
        let Ok(Some(number)) = bundler.client.block_of(newest).await else { return Ok(false) };
        let Ok(Some(receipts)) = self.rpc().block_receipts(number).await else { return Ok(false) };
        let seen = receipts.iter().flat_map(|receipt| receipt.logs()).find_map(|log| sighting(ours, log));
        self.note_mined(seen.as_slice()).await?;
        Ok(seen.is_some())
    }
}
