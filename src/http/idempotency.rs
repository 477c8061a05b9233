//! Answering a repeated request with its first answer (`Idempotency-Key`).
//!
//! The answer is written in the transaction of the work, so that both exist or neither does:
//!
//! ```text
//! let mut tx = app.db.tenant(caller.tenant).begin().await?;
//! if let Some(first) = posted.once.replay(&mut tx, caller.mode).await? {
//!     return Ok(first);
//! }
//! …the work, in tx…
//! posted.once.commit(tx, StatusCode::ACCEPTED, &answer).await
//! ```
//!
//! Requests that are done together ([`crate::batch`]) are looked up and kept together: [`replay_all`], [`keep_all`].
//!
//! Answers are sealed at rest: one may hold a secret that is shown once.

mod many;
mod store;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::extract::unread;
use super::{Error, Result};
use crate::db::TenantTx;
use crate::foundation::{DataKey, FailPoint, MasterKey, Mode, RequestDigest, Sealed, TenantId};

use store::Record;

pub use many::{Accepted, Repeated, keep_all, replay_all};
pub use store::purge;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const LONGEST_KEY: usize = 255;

/// The keys under which answers are kept and requests are recognised: a plain digest of a request would give the phone
/// number in it away to whoever tries them all.
#[derive(Clone)]
pub struct AnswerSeal(Arc<(DataKey, RequestDigest)>);

impl AnswerSeal {
    /// Derives both keys from the master key.
    pub fn new(master: &MasterKey) -> Self {
        Self(Arc::new((master.data_key("seal kept answers"), RequestDigest::new(master))))
    }
}

/// What a repetition of this request is known by. As an extractor of its own it is for a POST without a body.
pub struct Once {
    key: Option<Key>,
    seal: AnswerSeal,
    mode: OnceLock<Mode>,
}

/// What was kept of the first answer to a request.
pub struct First {
    /// Its status.
    pub status: StatusCode,
    /// What was kept as its body.
    pub body: Vec<u8>,
}

impl First {
    /// The answer to the repetition.
    pub fn response(self) -> Response {
        let mut response = json_response(self.status, self.body);
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        response
    }
}

/// The caller's key, and the digest of the request (method, path, query and body) that it was sent with.
#[derive(Clone)]
struct Key {
    text: String,
    request: [u8; 32],
}

impl std::fmt::Debug for Once {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Once").field("has_key", &self.key.is_some()).finish_non_exhaustive()
    }
}

impl Once {
    /// Reads the body and what identifies the request.
    pub(super) async fn read<S>(request: Request, state: &S) -> Result<(Self, Bytes)>
    where
        S: Send + Sync,
        AnswerSeal: FromRef<S>,
    {
        let text = read_key(request.headers())?;
        let target =
            format!("{} {}?{}\n", request.method(), request.uri().path(), request.uri().query().unwrap_or_default());
        let body = Bytes::from_request(request, state).await.map_err(unread)?;
        let seal = AnswerSeal::from_ref(state);
        let key = text.map(|text| Key { text, request: seal.0.1.of(&[target.as_bytes(), &body]) });
        let once = Self { key, seal, mode: OnceLock::new() };
        Ok((once, body))
    }

    /// The same for one of a tenant's customers, where one is calling: their keys are their own, and neither another
    /// customer's nor the tenant's. A key of a caller's has no blank in it.
    pub fn by(mut self, customer: Option<Uuid>) -> Self {
        if let (Some(key), Some(customer)) = (&mut self.key, customer) {
            key.text = format!("{customer} {}", key.text);
        }
        self
    }

    /// The same for a device: anybody can be one, and learns and takes nothing of the tenant's.
    pub fn by_device(mut self, fingerprint: &str) -> Self {
        let device = self.seal.0.1.of(&[b"device", fingerprint.as_bytes()]);
        if let Some(key) = &mut self.key {
            key.text = format!("device {} {}", hex::encode(device), key.text);
        }
        self
    }

    /// The first answer, when this request has had one within 24 hours. To be called first in the transaction.
    ///
    /// Fails with 409 when the key was used for another request, and with 409 and `Retry-After` while the first
    /// request is still running. Until the transaction ends nobody else gets past this with the same key.
    pub async fn replay(&self, tx: &mut TenantTx, mode: Mode) -> Result<Option<Response>> {
        Ok(self.first(tx, mode).await?.map(First::response))
    }

    /// The same as it was kept, for work that keeps something else than its answer.
    pub async fn first(&self, tx: &mut TenantTx, mode: Mode) -> Result<Option<First>> {
        let mode = *self.mode.get_or_init(|| mode);
        let Some(key) = &self.key else { return Ok(None) };
        // Whoever finds an answer needs no lock, and so keeps none until its transaction is rolled back.
        let mut first = store::find(tx, mode, &key.text).await?;
        if first.is_none() {
            if !store::lock(tx, lock_number(tx.tenant(), mode, &key.text)).await? {
                return Err(still_running());
            }
            first = store::find(tx, mode, &key.text).await?;
        }
        first.map(|first| self.again(key, tx.tenant(), mode, first)).transpose()
    }

    /// The kept answer for a repetition of its request; 409 for another request.
    fn again(&self, key: &Key, tenant: TenantId, mode: Mode, first: Record) -> Result<First> {
        if first.digest != key.request {
            return Err(Error::conflict(
                "idempotency_key_reused",
                "this Idempotency-Key was sent with another request",
            ));
        }
        let body = self.seal.0.0.open(&context(tenant, mode, &key.text), &Sealed(first.answer))?;
        let status = u16::try_from(first.status).ok().and_then(|code| StatusCode::from_u16(code).ok());
        Ok(First { status: status.unwrap_or(StatusCode::OK), body: body.to_vec() })
    }

    /// Keeps the answer when a key was sent, commits, and answers. Only for successes: a refusal rolls back and may be
    /// tried again with the same key.
    pub async fn commit(&self, mut tx: TenantTx, status: StatusCode, body: &impl Serialize) -> Result<Response> {
        let body = serde_json::to_vec(body).map_err(Error::internal)?;
        self.keep(&mut tx, status, &body).await?;
        FailPoint::Working.reached();
        tx.commit().await?;
        FailPoint::Committed.reached();
        Ok(json_response(status, body))
    }

    /// Forgets the answer, for work that came to nothing after all: a repetition is a new request.
    pub async fn forget(&self, tx: &mut TenantTx) -> Result<()> {
        let (Some(key), Some(mode)) = (&self.key, self.mode.get()) else { return Ok(()) };
        store::remove(tx, *mode, &key.text, &key.request).await
    }

    /// Keeps the answer without committing, for work whose transaction is committed elsewhere.
    pub async fn keep(&self, tx: &mut TenantTx, status: StatusCode, body: &[u8]) -> Result<()> {
        let Some(key) = &self.key else { return Ok(()) };
        let mode = *self.mode.get().ok_or_else(|| Error::internal("an answer is kept that was never looked up"))?;
        let sealed = self.seal.0.0.seal(&context(tx.tenant(), mode, &key.text), body)?;
        let status = i16::try_from(status.as_u16()).map_err(Error::internal)?;
        store::insert(tx, mode, &key.text, &key.request, status, &sealed.0).await
    }
}

impl<S: Send + Sync> FromRequest<S> for Once
where
    AnswerSeal: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        Self::read(request, state).await.map(|(once, _)| once)
    }
}

/// The header's value: at most one, 1 to 255 visible ASCII characters.
fn read_key(headers: &HeaderMap) -> Result<Option<String>> {
    let mut values = headers.get_all(KEY).iter();
    let Some(first) = values.next() else { return Ok(None) };
    let visible =
        |bytes: &[u8]| !bytes.is_empty() && bytes.len() <= LONGEST_KEY && bytes.iter().all(u8::is_ascii_graphic);
    match first.to_str() {
        Ok(text) if values.next().is_none() && visible(text.as_bytes()) => Ok(Some(text.to_owned())),
        _ => Err(Error::bad_request(
            "invalid_idempotency_key",
            "Idempotency-Key must be sent once, with 1 to 255 visible ASCII characters",
        )),
    }
}

/// 409: the first request is still running.
pub fn still_running() -> Error {
    Error::conflict("idempotency_in_progress", "the first request with this Idempotency-Key is still running")
        .retry_after(Duration::from_secs(1))
}

/// What names a key among all tenants': no part can contain the separator.
fn context(tenant: TenantId, mode: Mode, key: &str) -> String {
    format!("idempotency answer\n{tenant}\n{}\n{key}", mode.as_str())
}

/// The advisory lock of a key: 64 bits of a digest, so that strangers practically never share one.
fn lock_number(tenant: TenantId, mode: Mode, key: &str) -> i64 {
    let digest: [u8; 32] = Sha256::digest(context(tenant, mode, key)).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

fn json_response(status: StatusCode, body: Vec<u8>) -> Response {
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> std::result::Result<Option<String>, u16> {
        let headers = values.iter().map(|value| (KEY, HeaderValue::from_str(value).unwrap())).collect();
        read_key(&headers).map_err(|error| error.status().as_u16())
    }

    #[test]
    fn a_key_is_one_visible_word_of_at_most_255_characters() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["order-7_\"x\""]), Ok(Some("order-7_\"x\"".to_owned())));
        assert_eq!(read(&[&"k".repeat(255)]), Ok(Some("k".repeat(255))));
        for refused in [&[""][..], &["a b"], &["a\tb"], &[&"k".repeat(256)], &["a", "a"]] {
            assert_eq!(read(refused), Err(400), "{refused:?}");
        }
        let latin = HeaderMap::from_iter([(KEY, HeaderValue::from_bytes(b"caf\xe9").unwrap())]);
        assert!(read_key(&latin).is_err());
    }

    #[test]
    fn keys_of_different_tenants_and_modes_do_not_share_a_lock() {
        let (a, b) = (TenantId::new(), TenantId::new());
        let numbers = [
            lock_number(a, Mode::Live, "k"),
            lock_number(a, Mode::Test, "k"),
            lock_number(b, Mode::Live, "k"),
            lock_number(a, Mode::Live, "l"),
        ];
        for (index, number) in numbers.iter().enumerate() {
            assert!(!numbers[index + 1..].contains(number));
        }
    }
}
