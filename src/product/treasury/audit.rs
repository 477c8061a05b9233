//! Verifying the books: every balance against its transfers, and every transfer against what it was for.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::store;
use crate::auth::Operator;
use crate::db::{Db, TenantTx};
use crate::foundation::TenantId;
use crate::http::openapi::{CaasError, CaasErrors};
use crate::http::{Error, Query, Result};
use crate::jobs::{Failure, Job, Jobs};
use crate::ledger;
use crate::product::App;
use crate::product::funding::Deposits;
use crate::product::ops::Tenants;
use crate::product::withdrawals::Withdrawals;

const DAILY: Duration = Duration::from_secs(24 * 3600);

/// Something in a tenant's books that cannot be.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Finding {
    /// Whose books.
    #[schema(value_type = String, example = "01981c5f-8e5a-7c3f-9d0e-1b2a3c4d5e6f")]
    pub tenant: TenantId,
    /// What does not agree, with amounts in base units.
    pub what: String,
}

/// Verifies tenants' books.
pub struct Audit;

impl Audit {
    /// What is wrong with one tenant's books; empty when they agree. Each check sees one moment of the database.
    pub async fn tenant(db: &Db, tenant: TenantId) -> Result<Vec<Finding>> {
        let mut tx = db.tenant(tenant).begin().await?;
        let what = findings(&mut tx).await?;
        tx.commit().await?;
        Ok(what.into_iter().map(|what| Finding { tenant, what }).collect())
    }

    /// What is wrong with any tenant's books, and how many tenants there are.
    pub async fn all(db: &Db) -> Result<(usize, Vec<Finding>)> {
        let tenants = Tenants::all(db).await?;
        let mut findings = Vec::new();
        for tenant in &tenants {
            findings.extend(Self::tenant(db, tenant.id).await?);
        }
        Ok((tenants.len(), findings))
    }

    /// Adds the jobs that verify books: each tenant's after a top-up, and every tenant's every day.
    pub fn register(jobs: Jobs, db: &Db) -> Jobs {
        let (one, every) = (db.clone(), db.clone());
        jobs.handle(move |job: VerifyLedger| verify(one.clone(), job))
            .handle(move |_: VerifyEveryLedger| verify_every(every.clone()))
            .every(DAILY, VerifyEveryLedger {})
    }
}

async fn findings(tx: &mut TenantTx) -> Result<Vec<String>> {
    let mut found: Vec<String> = ledger::verify(tx).await?.iter().map(ToString::to_string).collect();
    found.extend(Deposits::contradictions(tx).await?);
    found.extend(Withdrawals::contradictions(tx).await?);
    for contradiction in store::contradictions(tx).await? {
        let transfer = contradiction.reference.map_or("there is no transfer".to_owned(), |r| format!("transfer {r}"));
        let topup = contradiction.topup.map_or("there is no confirmed top-up".to_owned(), |id| format!("top-up {id}"));
        found.push(format!("{transfer}, {topup}"));
    }
    Ok(found)
}

/// Job: verify one tenant's books. A discrepancy is a lasting failure: the job is dead and says what it found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VerifyLedger {
    /// Whose.
    pub tenant: TenantId,
}

impl Job for VerifyLedger {
    const KIND: &'static str = "verify_ledger";
    const TIME_LIMIT: Duration = Duration::from_secs(1800);
}

/// Job: have every tenant's books verified.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VerifyEveryLedger {}

impl Job for VerifyEveryLedger {
    const KIND: &'static str = "verify_every_ledger";
}

async fn verify(db: Db, job: VerifyLedger) -> std::result::Result<(), Failure> {
    let findings = Audit::tenant(&db, job.tenant).await?;
    if findings.is_empty() {
        return Ok(());
    }
    for finding in &findings {
        tracing::error!(tenant = %finding.tenant, what = finding.what, "the books do not agree");
    }
    metrics::counter!("diolkos_ledger_discrepancies_total")
        .increment(u64::try_from(findings.len()).unwrap_or(u64::MAX));
    let what: Vec<String> = findings.into_iter().map(|finding| finding.what).collect();
    Err(Failure::Lasting(what.join("; ")))
}

async fn verify_every(db: Db) -> std::result::Result<(), Failure> {
    let tenants = Tenants::all(&db).await?;
    let mut tx = db.engine().await?;
    for tenant in tenants {
        Jobs::enqueue(&mut tx, &VerifyLedger { tenant: tenant.id }).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Whose books an operator wants verified.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WhoseLedger {
    /// Only this tenant's books; every tenant's when absent.
    #[param(value_type = Option<String>)]
    tenant: Option<TenantId>,
}

/// What a verification found.
#[derive(Serialize, ToSchema)]
pub struct Verification {
    /// Whether everything agrees.
    ok: bool,
    /// How many tenants' books were verified.
    tenants: usize,
    /// What does not agree.
    discrepancies: Vec<Finding>,
}

/// Rebuilds every balance from its transfers and says where the books do not agree.
#[utoipa::path(get, path = "/admin/ledger/verify", tag = "Admin", security(("operator" = [])),
    params(WhoseLedger),
    responses(
        (status = 200, description = "What was found; `ok` when nothing", body = Verification),
        (status = 404, description = "There is no such tenant", body = CaasError),
        CaasErrors))]
pub async fn verify_ledger(
    _: Operator,
    State(app): State<App>,
    Query(wanted): Query<WhoseLedger>,
) -> Result<Json<Verification>> {
    let (tenants, discrepancies) = match wanted.tenant {
        None => Audit::all(&app.db).await?,
        Some(tenant) if Tenants::all(&app.db).await?.iter().any(|known| known.id == tenant) => {
            (1, Audit::tenant(&app.db, tenant).await?)
        }
        Some(_) => return Err(Error::not_found("tenant_not_found", "there is no such tenant")),
    };
    Ok(Json(Verification { ok: discrepancies.is_empty(), tenants, discrepancies }))
}
