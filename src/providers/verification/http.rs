//! A verification service over HTTP, in a shape that is ours: whoever has another one puts a translator in front.
//!
//! ```text
//! POST {url}/verifications                  {"id", "source_ip", "final_target_url", "mobile_number", "date_of_birth", "ssn"}
//!      200   {"id", "request_id"}           the link is on its way
//!      422   {"code": "unreachable" | "refused"}
//! POST {url}/verifications/{id}/validation  {"request_id", "fingerprint"}
//!      200   {"id", "first_name", "last_name", "address": {"address", "extended_address", "city", "region",
//!             "postal_code"}, "email_addresses": […], "ssn", "date_of_birth", "trust_score"}
//!      404   there is no such check
//!      422   {"code": "not_proven"}
//! ```
//!
//! Both are sent again when their answer was lost: a known id must send no second message, and a fingerprint that was
//! validated must be answered as the first time.

use async_trait::async_trait;
use chrono::NaiveDate;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{Begun, Finding, Person, Residence, Start, TrustScore, VerificationError, VerificationProvider};
use crate::providers::service::{CallError, Reply, Service, ServiceSettings, kept};

/// Characters of what a service calls a check at most.
const LONGEST_REFERENCE: usize = 500;

/// E-mail addresses that are kept of a person.
const MOST_ADDRESSES: usize = 20;

/// Checks by a service.
pub struct HttpVerifier(Service);

#[derive(Deserialize)]
struct Started {
    id: Uuid,
    request_id: String,
}

#[derive(Deserialize)]
struct Refusal {
    code: Why,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Why {
    Unreachable,
    Refused,
    NotProven,
}

#[derive(Deserialize)]
struct Known {
    id: Uuid,
    first_name: String,
    last_name: String,
    #[serde(default)]
    address: Residence,
    #[serde(default)]
    email_addresses: Vec<String>,
    ssn: Option<String>,
    date_of_birth: Option<NaiveDate>,
    trust_score: TrustScore,
}

impl HttpVerifier {
    /// Asks nothing yet. Fails when the system has no TLS.
    pub fn new(settings: ServiceSettings) -> Result<Self, reqwest::Error> {
        Service::new(settings).map(Self)
    }
}

fn failed(check: Uuid, error: &CallError) -> VerificationError {
    let what = format!("the verification service: {error}");
    let kind = if error.is_ours() { "ours" } else { "unsure" };
    metrics::counter!("diolkos_verification_errors_total", "kind" => kind).increment(1);
    if error.is_ours() {
        tracing::error!(%check, %error, "identity checks do not work until somebody looks at this");
        return VerificationError::Ours(what);
    }
    VerificationError::Unsure(what)
}

fn begun(check: Uuid, reply: &Reply) -> Result<Begun, CallError> {
    if reply.status == StatusCode::UNPROCESSABLE_ENTITY {
        return match reply.read::<Refusal>()?.code {
            Why::Unreachable => Ok(Begun::Unreachable),
            Why::Refused => Ok(Begun::Refused),
            Why::NotProven => Err(CallError::NotADocument),
        };
    }
    let started: Started = reply.read()?;
    let is_whole = started.id == check && started.request_id.len() <= LONGEST_REFERENCE;
    if is_whole { Ok(Begun::Sent { reference: started.request_id }) } else { Err(CallError::NotADocument) }
}

fn finding(check: Uuid, reply: &Reply) -> Result<Finding, CallError> {
    match reply.status {
        StatusCode::NOT_FOUND => return Ok(Finding::Unknown),
        StatusCode::UNPROCESSABLE_ENTITY if reply.read::<Refusal>()?.code == Why::NotProven => {
            return Ok(Finding::NotProven);
        }
        StatusCode::UNPROCESSABLE_ENTITY => return Err(CallError::NotADocument),
        _ => {}
    }
    let known: Known = reply.read()?;
    if known.id != check || !(0..=1000).contains(&known.trust_score) {
        return Err(CallError::NotADocument);
    }
    let words = |words: Option<String>| words.as_deref().map(kept);
    Ok(Finding::Proven(Box::new(Person {
        first_name: kept(&known.first_name),
        last_name: kept(&known.last_name),
        address: Residence {
            address: words(known.address.address),
            extended_address: words(known.address.extended_address),
            city: words(known.address.city),
            region: words(known.address.region),
            postal_code: words(known.address.postal_code),
        },
        email_addresses: known.email_addresses.iter().take(MOST_ADDRESSES).map(|address| kept(address)).collect(),
        ssn: words(known.ssn),
        date_of_birth: known.date_of_birth,
        trust_score: known.trust_score,
    })))
}

#[async_trait]
impl VerificationProvider for HttpVerifier {
    async fn start(&self, start: &Start) -> Result<Begun, VerificationError> {
        let body = json!({
            "id": start.check,
            "source_ip": start.source_ip,
            "final_target_url": start.final_target_url,
            "mobile_number": start.mobile_number,
            "date_of_birth": start.date_of_birth,
            "ssn": start.ssn,
        });
        let expected = [StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY];
        let answer = self.0.post("/verifications", &body, &expected, |reply| begun(start.check, reply)).await;
        answer.map_err(|error| failed(start.check, &error))
    }

    async fn validate(&self, check: Uuid, reference: &str, fingerprint: &str) -> Result<Finding, VerificationError> {
        let body = json!({"request_id": reference, "fingerprint": fingerprint});
        let expected = [StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::UNPROCESSABLE_ENTITY];
        let path = format!("/verifications/{check}/validation");
        let answer = self.0.post(&path, &body, &expected, |reply| finding(check, reply)).await;
        answer.map_err(|error| failed(check, &error))
    }
}
