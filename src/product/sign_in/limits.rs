//! How often those may ask whom nobody knows yet. Of one process.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::auth::Device;
use crate::http::rate_limit::Throttle;
use crate::http::{ClientAddress, Error, Result};

/// Contract accounts that are asked for their word at once: their code is anybody's, and the nodes that run it carry
/// payments.
const QUESTIONS: usize = 4;

/// A device at its address: who knows what another's device calls itself uses up nothing of it.
type Place = (ClientAddress, String);

/// Limits beside the general ones. Cheap to clone.
#[derive(Clone)]
pub struct SignInLimits {
    tokens_of_device: Throttle<Place>,
    tokens_of_address: Throttle<ClientAddress>,
    codes_of_device: Throttle<Place>,
    codes_of_address: Throttle<ClientAddress>,
    tries_of_device: Throttle<Place>,
    tries_of_address: Throttle<ClientAddress>,
    challenges: Throttle<ClientAddress>,
    questions_of_address: Throttle<ClientAddress>,
    questions: Arc<Semaphore>,
}

impl Default for SignInLimits {
    /// A minute, for a device and an address: ten and sixty preauth tokens, five and twenty codes, twenty and sixty tries
    /// of them; for an address: 120 challenges, and thirty signatures that only a contract account can judge.
    fn default() -> Self {
        Self {
            tokens_of_device: Throttle::per_minute(10),
            tokens_of_address: Throttle::per_minute(60),
            codes_of_device: Throttle::per_minute(5),
            codes_of_address: Throttle::per_minute(20),
            tries_of_device: Throttle::per_minute(20),
            tries_of_address: Throttle::per_minute(60),
            challenges: Throttle::per_minute(120),
            questions_of_address: Throttle::per_minute(30),
            questions: Arc::new(Semaphore::new(QUESTIONS)),
        }
    }
}

impl SignInLimits {
    /// 429 when a device gets a token too often.
    pub fn token(&self, from: ClientAddress, fingerprint: &str) -> Result<()> {
        self.tokens_of_address.admit(&from)?;
        self.tokens_of_device.admit(&(from, fingerprint.to_owned()))
    }

    /// 429 when a device has something sent too often: a code, or the link of an identity check.
    pub fn code(&self, from: ClientAddress, device: &Device) -> Result<()> {
        self.codes_of_address.admit(&from)?;
        self.codes_of_device.admit(&(from, device.fingerprint.clone()))
    }

    /// 429 when a device tries codes too often.
    pub fn attempt(&self, from: ClientAddress, device: &Device) -> Result<()> {
        self.tries_of_address.admit(&from)?;
        self.tries_of_device.admit(&(from, device.fingerprint.clone()))
    }

    /// 429 when too many challenges are asked for.
    pub fn challenge(&self, from: ClientAddress) -> Result<()> {
        self.challenges.admit(&from)
    }

    /// A turn to ask a contract account; 429 when it is too often.
    pub async fn question(&self, from: ClientAddress) -> Result<SemaphorePermit<'_>> {
        self.questions_of_address.admit(&from)?;
        self.questions.acquire().await.map_err(Error::internal)
    }
}
