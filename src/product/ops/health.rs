//! `/healthz`, `/readyz`

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use utoipa::ToSchema;

use super::store;
use crate::db::{Db, MIGRATIONS};
use crate::http::{MetricsSource, ReadinessProbe};
use crate::product::App;

const PATIENCE: Duration = Duration::from_secs(2);

/// What tells whether the server is well: probes and metrics.
#[derive(Clone)]
pub struct Health {
    pub(super) prometheus: PrometheusHandle,
    pub(super) probes: Arc<[Arc<dyn ReadinessProbe>]>,
    pub(super) sources: Arc<[Arc<dyn MetricsSource>]>,
}

impl Health {
    /// Metrics from `prometheus`; besides the database and its migrations, the server is ready when the `probes` say
    /// so; `sources` set their gauges whenever metrics are read.
    pub fn new(
        prometheus: PrometheusHandle,
        probes: Vec<Arc<dyn ReadinessProbe>>,
        sources: Vec<Arc<dyn MetricsSource>>,
    ) -> Self {
        Self { prometheus, probes: probes.into(), sources: sources.into() }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Alive {
    #[schema(example = "ok")]
    status: &'static str,
}

#[derive(Serialize, ToSchema)]
pub struct Readiness {
    /// `ready` or `not_ready`.
    #[schema(example = "ready")]
    status: &'static str,
    parts: Vec<Part>,
}

#[derive(Serialize, ToSchema)]
pub struct Part {
    #[schema(example = "database")]
    name: &'static str,
    ready: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Tells that the process runs.
#[utoipa::path(get, path = "/healthz", tag = "Operations", security(()),
    responses((status = 200, description = "Alive", body = Alive)))]
pub async fn healthz() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

/// Tells whether the server can do its work, and which part fails.
#[utoipa::path(get, path = "/readyz", tag = "Operations", security(()),
    responses((status = 200, description = "Ready", body = Readiness),
        (status = 503, description = "Some part fails", body = Readiness)))]
pub async fn readyz(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let mut parts = vec![part("database", ping(&app.db)).await, part("migrations", check_migrations(&app.db)).await];
    for probe in app.health.probes.iter() {
        parts.push(part(probe.name(), probe.check()).await);
    }
    let is_ready = parts.iter().all(|part| part.ready);
    let (code, status) =
        if is_ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not_ready") };
    (code, Json(Readiness { status, parts }))
}

async fn part(name: &'static str, check: impl Future<Output = Result<(), String>>) -> Part {
    let checked = tokio::time::timeout(PATIENCE, check).await;
    let reason = checked.unwrap_or_else(|_| Err("no answer within two seconds".to_owned())).err();
    if let Some(reason) = &reason {
        tracing::warn!(part = name, reason, "a part of the server is not ready");
    }
    Part { name, ready: reason.is_none(), reason }
}

async fn ping(db: &Db) -> Result<(), String> {
    db.ping().await.map_err(|error| {
        tracing::warn!(%error, "the database does not answer a probe");
        "the database does not answer".to_owned()
    })
}

/// Every migration that this binary knows has been applied. More than that is fine: a newer binary has migrated.
async fn check_migrations(db: &Db) -> Result<(), String> {
    let applied = store::applied_migrations(db).await.map_err(|error| {
        tracing::warn!(%error, "the state of the schema cannot be read");
        "the state of the schema cannot be read; run `diolkos migrate`".to_owned()
    })?;
    let pending = MIGRATIONS.iter().filter(|migration| !applied.contains(&migration.version)).count();
    if pending == 0 { Ok(()) } else { Err(format!("{pending} migrations are pending; run `diolkos migrate`")) }
}
