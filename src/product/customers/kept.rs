//! What is kept for repetitions of a request of its answer about a customer.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::profile::context;
use crate::db::TenantTx;
use crate::foundation::{Mode, Sealed, TenantId};
use crate::http::idempotency::{First, Once};
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
    /// Keeps the answer about a customer when a key was sent, commits, and answers.
    pub async fn commit(
        once: &Once,
        mut tx: TenantTx,
        known: &Known,
        status: StatusCode,
        answer: &impl Serialize,
    ) -> Result<Response> {
        let answer = serde_json::to_vec(answer).map_err(Error::internal)?;
        let kept = Self::seal(known, tx.tenant(), &answer)?;
        once.keep(&mut tx, status, &kept).await?;
        tx.commit().await?;
        Ok((status, [("content-type", "application/json")], answer).into_response())
    }

    fn seal(known: &Known, tenant: TenantId, answer: &[u8]) -> Result<Vec<u8>> {
        let sealed = known.key.seal(&context(tenant, known.id, "answer"), answer)?;
        let kept = Self { customer: known.id, sealed: STANDARD.encode(sealed.0) };
        serde_json::to_vec(&kept).map_err(Error::internal)
    }

    /// The first answer to a repetition; `None` when the customer was forgotten.
    pub async fn repeat(app: &App, tx: &mut TenantTx, mode: Mode, mut first: First) -> Result<Option<Response>> {
        // Of an update or a wallet an earlier version kept the answer itself.
        let Ok(kept) = serde_json::from_slice::<Self>(&first.body) else { return Ok(Some(first.response())) };
        let identities = Identities::new(&app.keys, &app.blind_indexer, mode);
        let Some(known) = identities.find(tx, kept.customer).await? else { return Ok(None) };
        let sealed = Sealed(STANDARD.decode(&kept.sealed).map_err(Error::internal)?);
        first.body = known.key.open(&context(tx.tenant(), known.id, "answer"), &sealed)?.to_vec();
        Ok(Some(first.response()))
    }
}
