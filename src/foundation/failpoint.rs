//! Named steps at which a test can kill or stop the process. Compiled out unless the feature `failpoints` is on.

/// A step between two others that must survive the process's death.
#[derive(Clone, Copy, Debug)]
pub enum FailPoint {
    /// A request's work is done in a transaction that is not committed.
    Working,
    /// A request's work is committed; the caller has no answer.
    Committed,
    /// The lane's row is locked by a transaction that is not committed.
    LaneLocked,
    /// Operations belong to a user operation that is not signed.
    Claimed,
    /// A user operation's signature is stored.
    UserOpStored,
    /// A bundle is signed but not stored.
    BundleSigned,
    /// A bundle's bytes and nonce are stored but not sent.
    BundleStored,
    /// A refill's bundle is stored but not sent.
    RefillStored,
    /// The node has the bundle; that is not noted yet.
    Broadcast,
    /// It is noted that the bundle was sent.
    Sent,
    /// A bundler has the user operation; that is not noted yet.
    HandedOver,
    /// The user operation was seen in a block.
    Mined,
    /// The outcome is stored; the feature that asked does not know.
    Ended,
    /// The feature that asked has taken note.
    Noted,
    /// It is stored that a provider may hear of a payout; it has not.
    PayoutAsked,
    /// A payout's provider has answered; that is not noted yet.
    PayoutSent,
    /// What a payout's provider answered is noted.
    PayoutNoted,
    /// The tokens of a refused payout are to go back.
    RefundStored,
    /// A check of somebody's identity is stored; its provider has not heard of it.
    IdentityCheckStored,
    /// A fingerprint is stored; nobody was asked what it proves.
    FingerprintStored,
    /// A provider has said what a fingerprint proves; that is not noted yet.
    IdentityProven,
    /// A webhook was sent; what became of it is not noted yet.
    WebhookSent,
    /// The indexer has read blocks; nothing of that is stored.
    BlocksRead,
    /// What the indexer read is stored with its checkpoint.
    BlocksEntered,
    /// What a reorg dropped is undone.
    BlocksUndone,
}

impl FailPoint {
    /// The name by which `FAIL_AT` and `STOP_AT` call it.
    #[cfg(feature = "failpoints")]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Committed => "committed",
            Self::LaneLocked => "lane_locked",
            Self::Claimed => "claimed",
            Self::UserOpStored => "user_op_stored",
            Self::BundleSigned => "bundle_signed",
            Self::BundleStored => "bundle_stored",
            Self::RefillStored => "refill_stored",
            Self::Broadcast => "broadcast",
            Self::Sent => "sent",
            Self::HandedOver => "handed_over",
            Self::Mined => "mined",
            Self::Ended => "ended",
            Self::Noted => "noted",
            Self::PayoutAsked => "payout_asked",
            Self::PayoutSent => "payout_sent",
            Self::PayoutNoted => "payout_noted",
            Self::RefundStored => "refund_stored",
            Self::IdentityCheckStored => "identity_check_stored",
            Self::FingerprintStored => "fingerprint_stored",
            Self::IdentityProven => "identity_proven",
            Self::WebhookSent => "webhook_sent",
            Self::BlocksRead => "blocks_read",
            Self::BlocksEntered => "blocks_entered",
            Self::BlocksUndone => "blocks_undone",
        }
    }

    /// Dies here, as by `kill -9`, if `FAIL_AT` says so; is stopped here the first time, as by `kill -STOP`, if
    /// `STOP_AT` does.
    #[cfg(feature = "failpoints")]
    pub fn reached(self) {
        use std::sync::atomic::{AtomicBool, Ordering};
        static STOPPED: AtomicBool = AtomicBool::new(false);
        let is_named = |variable| std::env::var(variable).is_ok_and(|at| at == self.name());
        if is_named("FAIL_AT") {
            std::process::abort();
        }
        if is_named("STOP_AT") && !STOPPED.swap(true, Ordering::SeqCst) {
            let stopped = std::process::Command::new("kill").args(["-STOP", &std::process::id().to_string()]).status();
            assert!(stopped.is_ok_and(|status| status.success()), "the process cannot stop itself");
        }
    }

    /// Nothing.
    #[cfg(not(feature = "failpoints"))]
    pub const fn reached(self) {}
}
