//! Rate limits: by credentials, or by address where none have been proved.
//!
//! A request with credentials that were found good lately is counted against whose they are, however they are written;
//! any other against the address that it comes from, and so is a principal that anybody can be. So nobody gets a fresh
//! allowance by inventing keys, and invented keys take no memory.

use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use moka::future::Cache;
use sha2::{Digest, Sha256};

use super::client_address::{ClientAddress, client_address};
use super::{CallerId, CallerNote, Error};

/// Requests that one caller may make.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// A second, in the long run.
    pub per_second: NonZeroU32,
    /// At once, after a rest.
    pub burst: NonZeroU32,
}

/// The rates of a server.
#[derive(Clone, Copy, Debug)]
pub struct RateLimits {
    /// Of one API key or bearer token.
    pub key: Rate,
    /// Of one address, for requests without proved credentials.
    pub address: Rate,
}

impl Rate {
    /// So many a second and so many at once; nobody can be let in at a rate of nothing: 0 counts as 1.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self { per_second: at_least_one(per_second), burst: at_least_one(burst) }
    }
}

impl Default for RateLimits {
    /// 500 a second, 1,000 at once.
    fn default() -> Self {
        let rate = Rate::new(500, 1000);
        Self { key: rate, address: rate }
    }
}

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const CREDENTIALS: [HeaderName; 4] = [
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("access-token"),
    AUTHORIZATION,
];

/// Counting so many requests before what has rested is forgotten.
const SWEEP_EVERY: u32 = 4096;
/// Beyond so many addresses at once the rest share one allowance.
const MOST_ADDRESSES: usize = 100_000;

type Fingerprint = [u8; 32];

/// The state of the limits, of one process.
#[derive(Clone)]
pub struct RateLimit(Arc<Inner>);

struct Inner {
    callers: Allowance<CallerId>,
    addresses: Allowance<IpAddr>,
    proved: Cache<Fingerprint, CallerId>,
    trusted_proxies: usize,
    counted: AtomicU32,
}

impl RateLimit {
    /// Limits by these rates; `trusted_proxies` stand in front and append to `X-Forwarded-For`.
    pub fn new(rates: RateLimits, trusted_proxies: usize) -> Self {
        Self(Arc::new(Inner {
            callers: Allowance::new(rates.key),
            addresses: Allowance::new(rates.address),
            proved: Cache::builder().max_capacity(50_000).time_to_idle(Duration::from_secs(600)).build(),
            trusted_proxies,
            counted: AtomicU32::new(0),
        }))
    }

    fn count(&self, caller: Option<CallerId>, request: &Request) -> Count {
        if self.0.counted.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.0.callers.limiter.retain_recent();
            self.0.addresses.limiter.retain_recent();
        }
        let Some(caller) = caller else {
            let is_crowded = self.0.addresses.limiter.len() >= MOST_ADDRESSES;
            let address = client_address(request, self.0.trusted_proxies);
            return self.0.addresses.count(if is_crowded { IpAddr::V4(Ipv4Addr::BROADCAST) } else { address });
        };
        self.0.callers.count(caller)
    }
}

/// 429 to those who are too fast, what is next to the others, and `RateLimit-*` to everybody. Health and metrics are not
/// counted.
pub async fn limit<F>(limits: &RateLimit, mut request: Request, next: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    if matches!(request.uri().path(), "/healthz" | "/readyz" | "/metrics") {
        return next(request).await;
    }
    let from = client_address(&request, limits.0.trusted_proxies);
    request.extensions_mut().insert(ClientAddress(from));
    let credentials = fingerprint(request.headers());
    let proved = match credentials {
        Some(key) => limits.0.proved.get(&key).await,
        None => None,
    };
    let count = limits.count(proved, &request);
    if let Err(wait) = count.remaining {
        return count.tell(Error::too_many_requests(wait).into_response());
    }
    let note = request.extensions().get::<CallerNote>().cloned();
    let response = next(request).await;
    if let (Some(key), None, Some(caller)) = (credentials, proved, note.and_then(|note| note.id())) {
        limits.0.proved.insert(key, caller).await;
    }
    count.tell(response)
}

/// What credentials a request carries, good or not; `None` also when it carries several, for nobody knows yet which of
/// them will be proved.
fn fingerprint(headers: &HeaderMap) -> Option<Fingerprint> {
    let names = CREDENTIALS;
    let mut sent = names.iter().flat_map(|name| headers.get_all(name));
    match (sent.next(), sent.next()) {
        (Some(only), None) => Some(Sha256::digest(only).into()),
        _ => None,
    }
}

/// How often something may be done for the sake of one of many. Of one process; cheap to clone.
pub struct Throttle<K: Hash + Eq + Clone>(Arc<RateLimiter<K, DashMapStateStore<K>, DefaultClock>>);

impl<K: Hash + Eq + Clone> Clone for Throttle<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Hash + Eq + Clone> Throttle<K> {
    /// So many at once, and a minute until as many again. 0 counts as 1.
    pub fn per_minute(times: u32) -> Self {
        Self(Arc::new(RateLimiter::dashmap(Quota::per_minute(NonZeroU32::new(times).unwrap_or(NonZeroU32::MIN)))))
    }

    /// 429 when it is too often.
    pub fn admit(&self, key: &K) -> Result<(), Error> {
        if self.0.len() >= MOST_ADDRESSES {
            self.0.retain_recent();
        }
        let clock = DefaultClock::default();
        self.0.check_key(key).map_err(|refused| Error::too_many_requests(refused.wait_time_from(clock.now())))
    }
}

/// What each of many callers may do.
struct Allowance<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>,
    quota: Quota,
}

impl<K: Hash + Eq + Clone> Allowance<K> {
    fn new(rate: Rate) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        Self { limiter: RateLimiter::dashmap(quota).with_middleware(), quota }
    }

    fn count(&self, key: K) -> Count {
        let remaining = match self.limiter.check_key(&key) {
            Ok(state) => Ok(state.remaining_burst_capacity()),
            Err(refused) => Err(refused.wait_time_from(self.limiter.clock().now())),
        };
        Count { quota: self.quota, remaining }
    }
}

/// A request that was counted: how many more may follow at once, or how long to wait.
struct Count {
    quota: Quota,
    remaining: Result<u32, Duration>,
}

impl Count {
    /// Writes the count into a response (draft-ietf-httpapi-ratelimit-headers-03).
    fn tell(self, mut response: Response) -> Response {
        let burst = self.quota.burst_size().get();
        let remaining = self.remaining.unwrap_or(0);
        let rest = self.quota.replenish_interval() * burst.saturating_sub(remaining);
        let headers = response.headers_mut();
        headers.insert(LIMIT, HeaderValue::from(burst));
        headers.insert(REMAINING, HeaderValue::from(remaining));
        headers.insert(RESET, HeaderValue::from(rest.as_secs() + u64::from(rest.subsec_nanos() > 0)));
        response
    }
}
