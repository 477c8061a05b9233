//! A compliance service over HTTP, in a shape that is ours: whoever has another one puts a translator in front.
//!
//! ```text
//! POST {url}/checks        {"id", "customer", "profile": {…}, "documents": [{"id", "media_type", "content": base64}]}
//! GET  {url}/checks/{id}
//! both answer 200          {"id", "status": "pending" | "review" | "accepted" | "rejected", "code", "reason"}
//! GET of an unknown id     404
//! ```
//!
//! `POST` of a known id must begin nothing new and say where the first stands: it is sent again when its answer was lost.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{Applicant, ComplianceError, ComplianceProvider, Denial, Verdict};
use crate::providers::service::{CallError, Reply, Service, ServiceSettings, kept};

/// Checks by a service.
pub struct HttpChecker(Service);

#[derive(Deserialize)]
struct Standing {
    id: Uuid,
    status: Status,
    code: Option<String>,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Pending,
    Review,
    Accepted,
    Rejected,
}

impl HttpChecker {
    /// Asks nothing yet. Fails when the system has no TLS.
    pub fn new(settings: ServiceSettings) -> Result<Self, reqwest::Error> {
        Service::new(settings).map(Self)
    }
}

fn failed(check: Uuid, error: &CallError) -> ComplianceError {
    let what = format!("the compliance service: {error}");
    let kind = if error.is_ours() { "ours" } else { "unsure" };
    metrics::counter!("diolkos_compliance_errors_total", "kind" => kind).increment(1);
    if error.is_ours() {
        tracing::error!(%check, %error, "compliance checks do not work until somebody looks at this");
        return ComplianceError::Ours(what);
    }
    ComplianceError::Unsure(what)
}

fn read(check: Uuid, reply: &Reply) -> Result<Verdict, CallError> {
    if reply.status == StatusCode::NOT_FOUND {
        return Ok(Verdict::Unknown);
    }
    let standing: Standing = reply.read()?;
    if standing.id != check {
        return Err(CallError::NotADocument);
    }
    let words = |words: Option<String>| words.as_deref().map(kept);
    Ok(match standing.status {
        Status::Pending => Verdict::Pending,
        Status::Review => Verdict::Review,
        Status::Accepted => Verdict::Accepted,
        Status::Rejected => Verdict::Rejected(Denial { code: words(standing.code), reason: words(standing.reason) }),
    })
}

#[async_trait]
impl ComplianceProvider for HttpChecker {
    async fn submit(&self, applicant: &Applicant) -> Result<Verdict, ComplianceError> {
        let documents: Vec<_> = applicant
            .documents
            .iter()
            .map(|paper| json!({"id": paper.id, "media_type": paper.media_type, "content": STANDARD.encode(&paper.content)}))
            .collect();
        let check = applicant.check;
        let body = json!({
            "id": check, "customer": applicant.customer, "profile": applicant.profile, "documents": documents,
        });
        // A missing place to send checks to is ours, while a missing check is an answer.
        let verdict = self.0.post("/checks", &body, &[StatusCode::OK], |reply| read(check, reply)).await;
        verdict.map_err(|error| failed(check, &error))
    }

    async fn status(&self, check: Uuid) -> Result<Verdict, ComplianceError> {
        let expected = [StatusCode::OK, StatusCode::NOT_FOUND];
        let verdict = self.0.get(&format!("/checks/{check}"), &expected, |reply| read(check, reply)).await;
        verdict.map_err(|error| failed(check, &error))
    }
}
