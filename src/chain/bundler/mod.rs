//! The second way to carry: a bundler (ERC-4337) takes user operations instead of our lanes, and is paid for it by a
//! paymaster (ERC-7677) or from the treasury's deposit in the EntryPoint.
//!
//! ```text
//! not signed ──estimate, sign, store──▶ stored ──eth_sendUserOperation──▶ sent ──(a block)──▶ mined, by scan
//!                    ▲                    │ refused: signed again              │ not seen: sent again,
//!                    └────────────────────┴────────────────────────────────────┘ then signed for higher fees
//! ```
//!
//! Whatever is signed again keeps its nonce, every signature is stored before the bundler sees it, and what became of it
//! is read from the chain: the bundler can delay, and can neither lose nor repeat a payment. What nobody would pay the
//! bundler for, and what it cannot carry (calls that revert, which should fail on chain with their reason), goes by lane.

mod cause;
mod client;
mod deposit;
mod endpoint;
mod sign;
mod sponsor;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use alloy::primitives::B256;
use secrecy::SecretString;
use serde_json::Value;

use self::cause::Asked;
use self::client::Client;
use self::endpoint::{Endpoint, Party};
use self::sign::Wish;
use self::sponsor::Sponsor;
use super::deployment::Deployment;
use super::engine::{Engine, EngineError, Result};
use super::entry_point::UserOperation;
use super::gather::unpack;
use super::rpc::Head;
use super::store::{self, Lease, OpenUserOp, Takes, Version};
use crate::foundation::FailPoint;

pub use self::cause::Cause;
pub use self::deposit::{Deposit, DepositMarks, of_treasury as deposit_of_treasury};
pub use self::endpoint::EndpointError;

/// User operations that are looked at in one round.
const PASSENGERS: i64 = 64;

/// How often one user operation is signed again in one round.
const ATTEMPTS: usize = 4;

/// Signatures of one user operation that the bundler is asked for.
const HINTS: usize = 4;

/// Refusals in a row that nobody has heard of before a lane carries what is refused.
const PATIENCE: u32 = 5;

/// The first pause after a refusal; it doubles with each.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a user operation waits at most that the bundler or the paymaster refuses.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What configuration says of the bundler.
#[derive(Clone, Debug)]
pub struct BundlerSettings {
    /// Its JSON-RPC endpoint; it may hold a key.
    pub url: SecretString,
    /// Who pays it.
    pub paymaster: Option<PaymasterSettings>,
    /// How full the treasury's deposit is kept when no paymaster pays.
    pub deposit: DepositMarks,
}

/// What configuration says of the paymaster.
#[derive(Clone, Debug)]
pub struct PaymasterSettings {
    /// Its ERC-7677 endpoint; it may hold a key.
    pub url: SecretString,
    /// What its operator wants to be told.
    pub context: Value,
}

/// The bundler, and who pays it.
pub struct Bundler {
    client: Client,
    sponsor: Option<Sponsor>,
    deposit: DepositMarks,
}

impl Bundler {
    /// A handle; nothing is asked yet.
    pub fn new(settings: &BundlerSettings, chain_id: u64, time_limit: Duration) -> Self {
        let client = Client(Endpoint::new(Party::Bundler, settings.url.clone(), time_limit));
        let sponsor = settings.paymaster.as_ref().map(|paymaster| Sponsor {
            endpoint: Endpoint::new(Party::Paymaster, paymaster.url.clone(), time_limit),
            context: paymaster.context.clone(),
            chain_id,
        });
        Self { client, sponsor, deposit: settings.deposit }
    }

    /// Whose user operations somebody pays the bundler for.
    pub fn takes(&self) -> Takes {
        Takes { treasury: true, wallets: self.sponsor.is_some() }
    }

    /// Whether the treasury pays from its own deposit.
    pub fn is_paid_by_treasury(&self) -> bool {
        self.sponsor.is_none()
    }
}

/// The bundler is left alone until then, after it did not answer.
#[derive(Debug, Default)]
pub struct Rest {
    until: Option<Instant>,
    failures: u32,
}

impl Rest {
    fn is_over(&self) -> bool {
        self.until.is_none_or(|until| until <= Instant::now())
    }

    fn begin(&mut self) {
        self.failures += 1;
        self.until = Some(Instant::now() + pause(self.failures));
    }
}

/// The pause after so many refusals in a row.
fn pause(refusals: u32) -> Duration {
    (PAUSE * 2u32.pow(refusals.saturating_sub(1).min(10))).min(LONGEST_PAUSE)
}

/// Whether the bundler will not carry this user operation as things stand, so that others have to. Whom the paymaster
/// does not pay for waits: that is its operator's decision.
fn is_hopeless(error: &EndpointError, user_op: &OpenUserOp) -> bool {
    match error.cause() {
        _ if error.party() == Party::Paymaster => false,
        Cause::Reverts => true,
        // Of the deposit too: more may be asked for than it is ever filled with.
        Cause::Unknown | Cause::DepositTooLow => user_op.refusals >= PATIENCE,
        // It has forgotten to forget an earlier version, or speaks of something else.
        Cause::NonceUsed => user_op.refusals >= 2 * PATIENCE,
        _ => false,
    }
}

impl Engine {
    /// Hands over what the bundler should carry and does not, for half a lease at most: the lane has other work.
    pub(super) async fn hand_over(&mut self, lease: &Lease, head: &Head) -> Result<()> {
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
            match self.tend(bundler, lease, &user_op, head).await {
                Ok(()) => {}
                Err(EngineError::Endpoint(error)) => self.put_off(&user_op, &error).await?,
                Err(error) => {
                    store::hold(chain.db(), user_op.id, PAUSE, &error.to_string()).await?;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Signs what is not signed, sends what is not sent, and changes what the bundler does not like.
    async fn tend(&mut self, bundler: &Bundler, lease: &Lease, user_op: &OpenUserOp, head: &Head) -> Result<()> {
        let deploys = match self.deployment(user_op).await? {
            // Another user operation brings the wallet: this one goes after that.
            Deployment::UnderWay => {
                let why = "another user operation deploys the wallet";
                return Ok(store::hold(self.chain.db(), user_op.id, PAUSE, why).await?);
            }
            deployment => deployment == Deployment::Needed,
        };
        let mut version =
            user_op.version.clone().filter(|version| version.offer.is_some() && version.deploys == deploys);
        let mut wish = match &version {
            Some(version) if self.is_overdue(version, head) => {
                if self.locate(user_op).await? {
                    return Ok(());
                }
                Some(Wish::HigherFees(Asked::default()))
            }
            Some(_) => None,
            None => Some(Wish::Anything),
        };
        for _ in 0..ATTEMPTS {
            if let Some(wish) = wish.take() {
                let newest = version.as_ref().or(user_op.version.as_ref());
                match self.offer(bundler, lease, user_op, newest, deploys, head, wish).await? {
                    Some(signed) => version = Some(signed),
                    None => return Ok(()),
                }
            }
            let Some(version) = &version else { return Ok(()) };
            let Some(op) = unpack(version).as_ref().and_then(UserOperation::unpack) else {
                tracing::error!(user_op = %user_op.id, "the stored bytes of a user operation cannot be read");
                return Ok(
                    store::hold(self.chain.db(), user_op.id, LONGEST_PAUSE, "its stored bytes cannot be read").await?
                );
            };
            let refusal = match bundler.client.send(&op, version.hash).await {
                Ok(()) => return self.note_sent(version, head).await,
                Err(refusal) => refusal,
            };
            let cause = refusal.cause();
            metrics::counter!("diolkos_bundler_refusals_total", "cause" => cause.name()).increment(1);
            wish = match cause {
                Cause::AlreadyKnown | Cause::UnderWay => return self.note_sent(version, head).await,
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

    /// Looks where the bundler says that one of these user operations is. It may say what it likes: what counts is the
    /// event in that block.
    pub(super) async fn follow_hint(&self, ours: &HashMap<B256, OpenUserOp>) -> Result<bool> {
        let Some(bundler) = self.chain.bundler() else { return Ok(false) };
        for hash in ours.keys().take(HINTS) {
            let Ok(Some(number)) = bundler.client.block_of(*hash).await else { continue };
            let Ok(Some(receipts)) = self.chain.rpc().block_receipts(number).await else { continue };
            for log in receipts.iter().flat_map(|receipt| receipt.logs()) {
                if self.see(ours, log).await? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
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
                if self.locate(user_op).await? {
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
