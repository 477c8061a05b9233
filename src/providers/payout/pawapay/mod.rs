//! PawaPay's Merchant API v2 (docs.pawapay.io/v2): payouts to mobile-money wallets in many countries.
//!
//! What we rely on: a payout is known by our UUID of version 4 and accepted once, `POST /v2/payouts` of a known id
//! pays nothing; `REJECTED` means that this request was not accepted; 5xx and silence mean nothing; and
//! `GET /v2/payouts/{id}` ends with `COMPLETED` or `FAILED`. The wallet's balance and the networks are those of the
//! account: what it cannot pay is `REJECTED`.
//!
//! A request that was not heard is sent again at once; one that may have been is not, because the answer to the second
//! would say nothing of the first. For the same reason `REJECTED` counts only once the status says that the id is
//! unknown: it also answers an id that is used again.
//!
//! Not relied on: signed call-backs. What calls back is only told to ask ([`called_back`]), so a forged one costs a
//! request and moves nothing. Accounts that take signed requests only are not served.

mod call;
mod codes;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use rust_decimal::Decimal;
use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use self::call::{Api, CallError};
use self::wire::{Creation, Envelope, Failure, Initiated, Initiation, Standing, State};
use super::{Network, PayoutError, PayoutProvider, PayoutRequest, Progress};

/// How to reach an account at PawaPay.
#[derive(Clone, Debug)]
pub struct PawaPaySettings {
    /// The API without `/v2`, such as `https://api.pawapay.io`.
    pub url: Url,
    /// The account's token.
    pub token: SecretString,
    /// How long one request may take. Sending takes six times as long at most, asking three times.
    pub time_limit: Duration,
    /// How long an API that keeps failing is left alone.
    pub rest: Duration,
}

/// Payouts by PawaPay.
pub struct PawaPay {
    api: Api,
}

impl PawaPay {
    /// A provider; nothing is asked yet. Fails when the system has no TLS.
    pub fn new(settings: PawaPaySettings) -> Result<Self, reqwest::Error> {
        Ok(Self { api: Api::new(settings)? })
    }

    /// Whether PawaPay has a code for this network. Whether the account may use it is another matter.
    pub fn knows(network: &Network) -> bool {
        codes::provider(&network.name, network.country.as_ref()).is_some()
    }

    async fn try_send(&self, payout: &PayoutRequest) -> Result<Progress, PayoutError> {
        let body = creation(payout)?;
        let answer: Initiation = self.api.create(&body).await?;
        if answer.payout_id.is_some_and(|id| id != payout.id) {
            return Err(another_payout());
        }
        match answer.status {
            Initiated::Accepted | Initiated::Enqueued => Ok(Progress::Pending),
            // It has been accepted once, whatever becomes of this question.
            Initiated::DuplicateIgnored => Ok(match self.try_status(payout).await {
                Ok(Progress::Unknown) | Err(_) => Progress::Pending,
                Ok(progress) => progress,
            }),
            Initiated::Rejected => {
                let why = answer.failure_reason.and_then(Failure::code);
                if why.as_deref() == Some("UNKNOWN_ERROR") {
                    return Err(PayoutError::Unsure("PawaPay rejected it for a fault of its own".to_owned()));
                }
                Ok(match self.try_status(payout).await? {
                    Progress::Unknown => Progress::Refused { why: why.unwrap_or_else(|| "REJECTED".to_owned()) },
                    known => known,
                })
            }
            Initiated::Other => Err(undocumented()),
        }
    }

    async fn try_status(&self, payout: &PayoutRequest) -> Result<Progress, PayoutError> {
        let answer: Standing = self.api.standing(payout.id).await?;
        let data = match (answer.status, answer.data) {
            (Envelope::NotFound, _) => return Ok(Progress::Unknown),
            (Envelope::Found, Some(data)) => data,
            (Envelope::Found | Envelope::Other, _) => return Err(undocumented()),
        };
        if data.payout_id.is_some_and(|id| id != payout.id) {
            return Err(another_payout());
        }
        match data.status {
            State::Accepted | State::Enqueued | State::Submitted | State::Processing | State::InReconciliation => {
                Ok(Progress::Pending)
            }
            State::Completed => {
                // Kept for people to find it by: what could not be is left.
                let is_kept =
                    |text: &String| (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
                let reference = data.provider_transaction_id.filter(is_kept);
                Ok(Progress::Paid { reference: reference.unwrap_or_else(|| payout.id.to_string()) })
            }
            State::Failed => {
                let why = data.failure_reason.and_then(Failure::code);
                Ok(Progress::Refused { why: why.unwrap_or_else(|| "FAILED".to_owned()) })
            }
            State::Other => Err(undocumented()),
        }
    }
}

/// What PawaPay is sent, or why we cannot even ask.
fn creation(payout: &PayoutRequest) -> Result<Creation<'_>, PayoutError> {
    let ours = |what: String| PayoutError::Ours(what);
    let provider = codes::provider(&payout.network, &payout.country)
        .ok_or_else(|| ours(format!("PawaPay has no code for {} in {}", payout.network, payout.country)))?;
    let amount = payout.amount.normalize();
    let digits = payout.currency.exponent().unwrap_or(0);
    if amount <= Decimal::ZERO || amount.scale() > u32::from(digits) {
        return Err(ours("the amount is not one of its currency".to_owned()));
    }
    if payout.id.get_version_num() != 4 {
        return Err(ours("PawaPay takes ids of version 4 only".to_owned()));
    }
    Ok(Creation::new(payout, provider, amount.to_string()))
}

fn another_payout() -> PayoutError {
    PayoutError::Unsure("PawaPay told of another payout than it was asked about".to_owned())
}

fn undocumented() -> PayoutError {
    PayoutError::Unsure("PawaPay's answer is not one that it documents".to_owned())
}

impl From<CallError> for PayoutError {
    fn from(error: CallError) -> Self {
        let what = format!("PawaPay: {error}");
        if error.is_ours() { Self::Ours(what) } else { Self::Unsure(what) }
    }
}

/// Counts failures, and alarms of those that somebody has to look at.
fn told(payout: &PayoutRequest, result: Result<Progress, PayoutError>) -> Result<Progress, PayoutError> {
    match &result {
        Ok(_) => {}
        Err(PayoutError::Unsure(_)) => {
            metrics::counter!("diolkos_payout_errors_total", "kind" => "unsure").increment(1)
        }
        Err(error @ PayoutError::Ours(_)) => {
            metrics::counter!("diolkos_payout_errors_total", "kind" => "ours").increment(1);
            tracing::error!(payout = %payout.id, %error, "payouts do not work until somebody looks at this");
        }
    }
    result
}

#[async_trait]
impl PayoutProvider for PawaPay {
    fn name(&self) -> &'static str {
        "pawapay"
    }

    fn longest_send(&self) -> Duration {
        // What it asks to send, and what it asks to understand a rejection.
        self.api.longest() * 2
    }

    async fn send(&self, payout: &PayoutRequest) -> Result<Progress, PayoutError> {
        told(payout, self.try_send(payout).await)
    }

    async fn status(&self, payout: &PayoutRequest) -> Result<Progress, PayoutError> {
        told(payout, self.try_status(payout).await)
    }
}

/// The payout that a call-back is about; nothing when it is none. Nothing else in it is believed: ask for the status.
pub fn called_back(body: &[u8]) -> Option<Uuid> {
    serde_json::from_slice::<wire::CallBack>(body).ok().map(|call_back| call_back.payout_id)
}
