//! Named steps at which a test can kill the process. Compiled out unless the feature `failpoints` is on.

/// A step between two others that must survive the process's death.
#[derive(Clone, Copy, Debug)]
pub enum FailPoint {
    /// Operations belong to a user operation that is not signed.
    AfterClaim,
    /// A user operation's signature is stored.
    AfterUserOpStored,
    /// A bundle is signed but not stored.
    AfterBundleSigned,
    /// A bundle's bytes and nonce are stored but not sent.
    AfterBundleStored,
    /// The node has the bundle; that is not noted yet.
    AfterBroadcast,
    /// It is noted that the bundle was sent.
    AfterSent,
    /// The user operation was seen in a block.
    AfterMined,
    /// The outcome is stored; the feature that asked does not know.
    AfterEnded,
}

impl FailPoint {
    #[cfg(feature = "failpoints")]
    /// The name by which `FAIL_AT` calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AfterClaim => "after_claim",
            Self::AfterUserOpStored => "after_user_op_stored",
            Self::AfterBundleSigned => "after_bundle_signed",
            Self::AfterBundleStored => "after_bundle_stored",
            Self::AfterBroadcast => "after_broadcast",
            Self::AfterSent => "after_sent",
            Self::AfterMined => "after_mined",
            Self::AfterEnded => "after_ended",
        }
    }

    /// Dies here, as by `kill -9`, if `FAIL_AT` says so.
    #[cfg(feature = "failpoints")]
    pub fn reached(self) {
        if std::env::var("FAIL_AT").is_ok_and(|at| at == self.name()) {
            std::process::abort();
        }
    }

    /// Nothing.
    #[cfg(not(feature = "failpoints"))]
    pub const fn reached(self) {}
}
