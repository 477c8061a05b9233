//! What is kept of an onboarding's answer for repetitions of the request.

use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::profile::context;
use crate::db::TenantTx;
use crate::foundation::{Mode, Sealed, TenantId};
use crate::http::idempotency::First;
use crate::http::{Error, Result};
use crate::product::App;
use crate::product::users::{Identities, Known};

/// An answer, sealed under the customer's own key, so that it is forgotten with them.
#[derive(Serialize, Deserialize)]
pub struct KeptAnswer {
    customer: Uuid,
    sealed: String,
}

impl KeptAnswer {
    /// What is to be kept of an answer about a customer.
    pub fn seal(known: &Known, tenant: TenantId, answer: &[u8]) -> Result<Vec<u8>> {
        let sealed = known.key.seal(&context(tenant, known.id, "answer"), answer)?;
        let kept = Self { customer: known.id, sealed: STANDARD.encode(sealed.0) };
        serde_json::to_vec(&kept).map_err(Error::internal)
    }

    /// The first answer to a repetition; `None` when the customer was forgotten.
    pub async fn repeat(app: &App, tx: &mut TenantTx, mode: Mode, mut first: First) -> Result<Option<Response>> {
        let kept: Self = serde_json::from_slice(&first.body).map_err(Error::internal)?;
        let identities = Identities::new(&app.keys, &app.blind_indexer, mode);
        let Some(known) = identities.find(tx, kept.customer).await? else { return Ok(None) };
        let sealed = Sealed(STANDARD.decode(&kept.sealed).map_err(Error::internal)?);
        first.body = known.key.open(&context(tx.tenant(), known.id, "answer"), &sealed)?.to_vec();
        Ok(Some(first.response()))
    }
}
