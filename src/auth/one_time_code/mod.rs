//! One-time codes: six digits that prove whose an e-mail address or a phone number is.
//!
//! ```text
//! issued ──right code──▶ verified        at most once
//!    │ wrong, five times ──▶ spent       ten minutes ──▶ expired
//! ```
//!
//! What is kept are keyed digests. An attempt is counted before its code is compared, and kept whatever comes of it, so
//! that many at once are not more than five.

mod store;

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use secrecy::SecretString;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::db::{self, Db, TenantTx};
use crate::foundation::{Clock, Digester, MasterKey, Mode};
use crate::http::{Error, Result};

/// How long a code is good.
const LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// Codes for one target within [`LIFETIME`] that devices ask for, and as many that the tenant's back end asks for: anybody
/// can be a device, and uses up nothing of the tenant's.
const MOST_CODES: i64 = 5;
/// How long after its time a code is known: whoever tries it is told that it is too late.
const KEPT: TimeDelta = TimeDelta::hours(1);
/// Tries for one code.
const MOST_ATTEMPTS: i32 = 5;
/// What every code of a test key is, which nobody is sent.
const REHEARSED: &str = "123456";

/// What a code is for. A code for one is none for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An e-mail address is somebody's.
    Email,
    /// A phone number is a customer's who has lost the way to a wallet.
    Recovery,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Recovery => "recovery",
        }
    }
}

/// A code that is to be sent.
pub struct IssuedCode {
    /// By which it is verified.
    pub id: Uuid,
    /// The six digits.
    pub code: SecretString,
}

/// What a code was tried with.
pub struct Attempt<'a> {
    /// Live or test.
    pub mode: Mode,
    /// What it is for.
    pub purpose: Purpose,
    /// The request's id.
    pub id: Uuid,
    /// What it was sent to, where the caller has to know.
    pub target: Option<&'a str>,
    /// The device that asked for it, where one did.
    pub device: Option<&'a str>,
    /// The six digits.
    pub code: &'a str,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was right.
    Verified,
    /// It was not.
    Wrong,
    /// Its time was up.
    Expired,
    /// It has been tried too often.
    Spent,
    /// It was right once already.
    AlreadyVerified,
    /// There is no such code, or it was for something else or another device.
    Unknown,
}

/// Issues and verifies codes. The caller commits.
#[derive(Clone)]
pub struct OneTimeCodes {
    digester: Digester,
    clock: Clock,
}

impl OneTimeCodes {
    /// With keys of their own.
    pub fn new(master: &MasterKey, clock: Clock) -> Self {
        Self { digester: Digester::new(master, "one-time codes"), clock }
    }

    /// A new code; 429 where too many were asked for lately.
    pub async fn issue(
        &self,
        tx: &mut TenantTx,
        mode: Mode,
        purpose: Purpose,
        target: &str,
        device: Option<&str>,
    ) -> Result<IssuedCode> {
        let (now, id) = (self.clock.now(), Uuid::now_v7());
        let target = self.target(tx, mode, purpose, target);
        store::lock_target(tx, &target).await?;
        let sent = store::SentTo { mode, purpose, target: &target, by_device: device.is_some(), since: now - LIFETIME };
        if let Some(oldest) = store::oldest_beyond(tx, &sent, MOST_CODES).await? {
            let wait = (oldest + LIFETIME - now).to_std().unwrap_or_default();
            return Err(Error::too_many_requests(wait));
        }
        let code = match mode {
            Mode::Live => format!("{:06}", rand::rng().random_range(0..1_000_000)),
            Mode::Test => REHEARSED.to_owned(),
        };
        let device = device.map(|device| self.device(device));
        let digest = self.code(id, &code);
        store::insert(tx, &store::NewCode { id, mode, purpose, target, device, digest, now, until: now + LIFETIME })
            .await?;
        Ok(IssuedCode { id, code: code.into() })
    }

    /// What becomes of an attempt. It counts also when it is wrong: commit in any case.
    pub async fn verify(&self, tx: &mut TenantTx, attempt: &Attempt<'_>) -> Result<Verdict> {
        let Some(kept) = store::lock(tx, attempt.mode, attempt.purpose, attempt.id).await? else {
            return Ok(Verdict::Unknown);
        };
        let target = attempt.target.map(|target| self.target(tx, attempt.mode, attempt.purpose, target));
        let is_same_target = target.is_none_or(|target| bool::from(target.ct_eq(&kept.target)));
        let device = attempt.device.map(|device| self.device(device).to_vec());
        if !is_same_target || kept.device.is_some() && kept.device != device {
            return Ok(Verdict::Unknown);
        }
        let now = self.clock.now();
        if kept.verified_at.is_some() {
            return Ok(Verdict::AlreadyVerified);
        }
        if kept.attempts >= MOST_ATTEMPTS {
            return Ok(Verdict::Spent);
        }
        if now >= kept.expires_at {
            return Ok(Verdict::Expired);
        }
        let is_right = bool::from(self.code(attempt.id, attempt.code).ct_eq(&kept.digest));
        store::count(tx, attempt.id, is_right.then_some(now)).await?;
        Ok(if is_right { Verdict::Verified } else { Verdict::Wrong })
    }

    /// Removes what is kept of the codes that were sent to somebody.
    pub async fn forget(&self, tx: &mut TenantTx, mode: Mode, purpose: Purpose, target: &str) -> Result<()> {
        let target = self.target(tx, mode, purpose, target);
        Ok(store::forget(tx, mode, purpose, &target).await?)
    }

    /// Deletes codes of all tenants whose time has long been up; returns how many. For a periodic job.
    pub async fn purge(&self, db: &Db) -> db::Result<u64> {
        store::purge(db, self.clock.now() - KEPT).await
    }

    fn target(&self, tx: &TenantTx, mode: Mode, purpose: Purpose, target: &str) -> [u8; 32] {
        let tenant = tx.tenant();
        let parts: [&[u8]; 5] =
            [b"target", tenant.0.as_bytes(), mode.as_str().as_bytes(), purpose.as_str().as_bytes(), target.as_bytes()];
        self.digester.of(&parts)
    }

    fn device(&self, fingerprint: &str) -> [u8; 32] {
        self.digester.of(&[b"device", fingerprint.as_bytes()])
    }

    fn code(&self, id: Uuid, code: &str) -> [u8; 32] {
        self.digester.of(&[b"code", id.as_bytes(), code.as_bytes()])
    }
}

/// A code as it is kept.
struct Kept {
    target: [u8; 32],
    device: Option<Vec<u8>>,
    digest: [u8; 32],
    attempts: i32,
    expires_at: DateTime<Utc>,
    verified_at: Option<DateTime<Utc>>,
}
