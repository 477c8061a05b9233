//! `/metrics`

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::product::App;

/// Seconds: from a cached answer to the time limit of a request.
const REQUEST_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// Seconds: from one block to a long wait on a congested chain; also of jobs.
const STAGE_BUCKETS: [f64; 11] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];
/// Items: from a request alone to a full batch.
const SIZE_BUCKETS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0];
const PATIENCE: Duration = Duration::from_secs(2);

/// Makes the `metrics` crate record for `/metrics`. A process has one recorder: later calls return the first's handle.
///
/// Histograms whose names end in `_duration_seconds` get buckets for requests, those in `_stage_seconds` for stages of
/// chain operations, those in `_job_seconds` for jobs, those in `_signer_seconds` for signatures, those in `_batch_size`
/// for numbers of items. Any other would be told as a summary, which nobody can add up.
pub fn install_recorder() -> Result<PrometheusHandle, BuildError> {
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_duration_seconds".to_owned()), &REQUEST_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_batch_size".to_owned()), &SIZE_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_stage_seconds".to_owned()), &STAGE_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_job_seconds".to_owned()), &STAGE_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_signer_seconds".to_owned()), &REQUEST_BUCKETS)?
        .install_recorder()?;
    metrics::describe_counter!("http_requests_total", "Requests by method, route and status");
    metrics::describe_histogram!("http_request_duration_seconds", "Time to answer, by method, route and status");
    metrics::describe_gauge!("diolkos_group_commit_waiting", "Requests that wait for their batch, by kind of work");
    metrics::describe_histogram!("diolkos_group_commit_batch_size", "Requests committed together, by kind of work");
    metrics::describe_histogram!("diolkos_group_commit_duration_seconds", "Time that a batch took, by kind of work");
    metrics::describe_counter!("diolkos_group_commit_shed_total", "Requests refused because too many waited");
    metrics::describe_counter!("diolkos_rules_unreadable_total", "Rules that could not be read and were not met");
    Ok(installed.insert(handle).clone())
}

/// Metrics in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "Operations", security(()),
    responses((status = 200, description = "Metrics", body = String, content_type = "text/plain")))]
pub async fn metrics(State(app): State<App>) -> Response {
    for source in app.health.sources.iter() {
        match tokio::time::timeout(PATIENCE, source.refresh()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = format!("{error:#}"), "gauges could not be refreshed"),
            Err(_) => tracing::warn!("gauges could not be refreshed in time"),
        }
    }
    app.health.prometheus.run_upkeep();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.health.prometheus.render()).into_response()
}
