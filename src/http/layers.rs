//! The layers around every route.

use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tracing::Instrument;
use uuid::Uuid;

use super::rate_limit::{self, RateLimit, RateLimits};
use super::{CallerNote, Error, dialect, openapi};

/// How the layers are set.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Requests per caller.
    pub rate_limits: RateLimits,
    /// Proxies in front that append to `X-Forwarded-For`.
    pub trusted_proxies: usize,
    /// The time that a request may take.
    pub time_limit: Duration,
    /// The bytes that a body may have.
    pub body_limit: usize,
    /// Origins whose pages may call from a browser; none: CORS is off.
    pub cors_origins: Vec<HeaderValue>,
}

impl Default for HttpSettings {
    /// 30 seconds, 1 MiB, no proxies, no CORS.
    fn default() -> Self {
        Self {
            rate_limits: RateLimits::default(),
            trusted_proxies: 0,
            time_limit: Duration::from_secs(30),
            body_limit: 1 << 20,
            cors_origins: Vec::new(),
        }
    }
}

/// Bytes that the body of any route may have, whatever the route says: those that take papers take them in one body.
pub const LARGEST_BODY: usize = 16 << 20;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts a router behind all layers; what is written first sees a request first and its answer last.
///
/// A layer that is a function costs every request a copy of all that is inside it: functions that follow one another are
/// one layer, and call one another.
pub fn serve_layers(router: Router, settings: &HttpSettings) -> Router {
    let cors = (!settings.cors_origins.is_empty()).then(|| cors(settings.cors_origins.clone()));
    let rates = RateLimit::new(settings.rate_limits, settings.trusted_proxies);
    router
        // The limit of routes that say nothing else. Read up to there, so that who sends a little more hears the answer.
        .layer(DefaultBodyLimit::max(settings.body_limit))
        // Refused unread, whatever a route says.
        .layer(RequestBodyLimitLayer::new(settings.body_limit.max(2 * LARGEST_BODY)))
        .layer(
            ServiceBuilder::new()
                .layer(SetSensitiveRequestHeadersLayer::new(secret_headers()))
                .layer(from_fn(identify))
                .layer(tower::util::option_layer(cors))
                .layer(CompressionLayer::new())
                .layer(from_fn(dialect::render))
                .layer(CatchPanicLayer::custom(|_| Error::internal("a handler panicked").into_response()))
                .layer(from_fn_with_state((rates, settings.time_limit), admit)),
        )
}

fn secret_headers() -> [HeaderName; 5] {
    let named = HeaderName::from_static;
    [AUTHORIZATION, COOKIE, named("x-api-key"), named("api-key"), named("access-token")]
}

fn cors(origins: Vec<HeaderValue>) -> CorsLayer {
    let named = HeaderName::from_static;
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            REQUEST_ID,
            named("idempotency-key"),
            named("access-token"),
            named("tenant-id"),
        ])
        .expose_headers([REQUEST_ID, named("idempotency-replayed"), named("retry-after")])
}

/// Gives the request an id, the caller's own when it is plain, and runs the rest in a span that bears it.
async fn identify(mut request: Request, next: Next) -> Response {
    let plain = |id: &&HeaderValue| {
        (1..=128).contains(&id.len())
            && id.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    let sent = request.headers().get(REQUEST_ID).filter(plain).cloned();
    let id = sent.or_else(|| HeaderValue::try_from(Uuid::now_v7().to_string()).ok());
    let Some(id) = id else { return observe(request, next).await };
    let span = tracing::info_span!("request", request_id = id.to_str().unwrap_or_default());
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let mut response = observe(request, next).instrument(span).await;
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// Writes the access log and counts the request. Neither knows paths, queries or headers: they hold personal data.
async fn observe(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let note = CallerNote::default();
    request.extensions_mut().insert(note.clone());
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = secure(request, next).await;

    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let status = response.status().as_u16();
    let (elapsed, caller) = (started.elapsed(), note.kind().unwrap_or("nobody"));
    let latency_ms = elapsed.as_secs_f64() * 1000.0;
    if matches!(route, "/healthz" | "/readyz" | "/metrics") && status < 400 {
        tracing::debug!(method, route, status, latency_ms, caller, "answered");
    } else {
        tracing::info!(method, route, status, latency_ms, caller, "answered");
    }
    let labels = [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
    metrics::counter!("http_requests_total", &labels).increment(1);
    metrics::histogram!("http_request_duration_seconds", &labels).record(elapsed.as_secs_f64());
    response
}

/// The method as a label; callers can invent methods, and each would be a new time series.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Tells browsers what not to do with an answer; the reference at `/docs` may load its own scripts and styles.
async fn secure(request: Request, next: Next) -> Response {
    let is_docs =
        request.uri().path().strip_prefix(openapi::DOCS).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let policy = if is_docs {
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"
    } else {
        "default-src 'none'; frame-ancestors 'none'"
    };
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Counts the request, and bounds the time that it may take.
async fn admit(State((rates, limit)): State<(RateLimit, Duration)>, request: Request, next: Next) -> Response {
    rate_limit::limit(&rates, request, |request| bound(limit, request, next)).await
}

/// Gives up on a request whose time is over: 503 `timeout`. Work that is not committed by then is rolled back.
async fn bound(limit: Duration, request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(limit, next.run(request)).await;
    answer.unwrap_or_else(|_| Error::timeout().into_response())
}

#[cfg(test)]
mod tests;
