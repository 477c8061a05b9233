//! Where papers are: sealed in the database first, with all else that is committed, and from there in the document store.
//!
//! ```text
//! committed ──▶ in the database ──StoreDocument──▶ in the document store ──RemoveDocuments──▶ nowhere
//!                       └────────── forgotten ───────────────────────────────────────────────────┘
//! ```
//!
//! A job may run twice and be cut off anywhere: putting puts the same bytes, and who finds that a paper is nobody's any more
//! removes what was put. Without a document store papers stay in the database.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::document::Paper;
use super::profile::context;
use super::store::{self, Deleted, Kept};
use crate::db::TenantTx;
use crate::foundation::{Mode, Sealed, TenantId};
use crate::http::{Error, Result};
use crate::jobs::{Failure, Job, Jobs};
use crate::product::App;
use crate::product::users::Known;
use crate::providers::compliance;

/// Papers of a customer's that are kept after others have taken their place.
const REPLACED: i64 = 100;

/// Brings a paper to the document store.
#[derive(Serialize, Deserialize)]
pub struct StoreDocument {
    tenant: TenantId,
    id: Uuid,
}

/// Removes papers that nobody keeps any more from the document store.
#[derive(Serialize, Deserialize)]
pub struct RemoveDocuments {
    tenant: TenantId,
    ids: Vec<Uuid>,
}

impl Job for StoreDocument {
    const KIND: &'static str = "store_document";
    const TIME_LIMIT: Duration = Duration::from_secs(90);
}

impl Job for RemoveDocuments {
    const KIND: &'static str = "remove_documents";
    const TIME_LIMIT: Duration = Duration::from_secs(600);
}

/// Keeps papers in the transaction that tells of them.
pub async fn keep(tx: &mut TenantTx, mode: Mode, known: &Known, papers: &[Paper]) -> Result<()> {
    let tenant = tx.tenant();
    let kept = |paper: &Paper| {
        let content = known.key.seal(&paper_context(tenant, known.id, paper.id), &paper.content)?;
        let size = i32::try_from(paper.content.len()).map_err(Error::internal)?;
        Ok(Kept { id: paper.id, media_type: paper.media_type, size, content })
    };
    let kept: Vec<Kept> = papers.iter().map(kept).collect::<Result<_>>()?;
    store::insert_documents(tx, mode, known.id, &kept).await?;
    for paper in &kept {
        Jobs::enqueue(tx, &StoreDocument { tenant, id: paper.id }).await?;
    }
    Ok(())
}

/// Removes the oldest of the papers that were replaced, where there are more than are kept.
pub async fn thin_out(tx: &mut TenantTx, customer: Uuid, named: &[Uuid]) -> Result<()> {
    let ids = store::delete_oldest_documents(tx, customer, named, REPLACED).await?;
    remove(tx, ids).await
}

/// Forgets a customer's papers.
pub async fn forget(tx: &mut TenantTx, customer: Uuid) -> Result<()> {
    let ids = store::delete_documents(tx, customer).await?;
    remove(tx, ids).await
}

/// Has papers that the document store has removed from it. One that is on its way there is removed by who brings it.
async fn remove(tx: &mut TenantTx, deleted: Vec<Deleted>) -> Result<()> {
    let stored = deleted.into_iter().filter(|paper| paper.was_stored);
    let ids: Vec<Uuid> = stored.map(|paper| paper.id).collect();
    if !ids.is_empty() {
        let tenant = tx.tenant();
        Jobs::enqueue(tx, &RemoveDocuments { tenant, ids }).await?;
    }
    Ok(())
}

/// These of a customer's papers, opened. No transaction is open while the document store is asked.
pub async fn read(
    app: &App,
    tenant: TenantId,
    known: &Known,
    wanted: &[Uuid],
) -> std::result::Result<Vec<compliance::Paper>, Failure> {
    let mut tx = app.db.tenant(tenant).begin().await?;
    let sealed = store::documents_of(&mut tx, known.id, wanted).await?;
    tx.commit().await?;
    let mut papers = Vec::new();
    for (id, media_type, here) in sealed {
        let sealed = match (here, &app.documents) {
            (Some(sealed), _) => sealed,
            (None, Some(documents)) => documents.get(tenant, id).await?,
            (None, None) => return Err(no_store()),
        };
        let content = known.key.open(&paper_context(tenant, known.id, id), &Sealed(sealed))?.to_vec();
        papers.push(compliance::Paper { id, media_type, content });
    }
    Ok(papers)
}

/// Papers were brought to a document store that this process does not know: somebody has to look at its configuration.
fn no_store() -> Failure {
    Failure::Lasting("papers are in a document store, and DOCUMENT_STORE is not set".to_owned())
}

fn paper_context(tenant: TenantId, customer: Uuid, id: Uuid) -> String {
    format!("{} {id}", context(tenant, customer, "paper"))
}

/// What is done in the background.
pub fn register(jobs: Jobs, app: &App) -> Jobs {
    let (storing, removing) = (app.clone(), app.clone());
    jobs.handle(move |job: StoreDocument| {
        let app = storing.clone();
        async move { store_document(&app, job).await }
    })
    .handle(move |job: RemoveDocuments| {
        let app = removing.clone();
        async move { remove_documents(&app, job).await }
    })
}

async fn store_document(app: &App, StoreDocument { tenant, id }: StoreDocument) -> std::result::Result<(), Failure> {
    let Some(documents) = &app.documents else { return Ok(()) };
    let mut tx = app.db.tenant(tenant).begin().await?;
    let waiting = store::waiting_document(&mut tx, id).await?;
    tx.commit().await?;
    match waiting {
        Some(Some(sealed)) => documents.put(tenant, id, sealed).await?,
        Some(None) => return Ok(()),
        None => return Ok(documents.remove(tenant, id).await?),
    }
    let mut tx = app.db.tenant(tenant).begin().await?;
    let is_somebodys = store::mark_stored(&mut tx, id).await?;
    tx.commit().await?;
    if !is_somebodys {
        documents.remove(tenant, id).await?;
    }
    Ok(())
}

async fn remove_documents(app: &App, job: RemoveDocuments) -> std::result::Result<(), Failure> {
    let Some(documents) = &app.documents else { return Err(no_store()) };
    for id in job.ids {
        documents.remove(job.tenant, id).await?;
    }
    Ok(())
}
