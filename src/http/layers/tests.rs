#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]
#![expect(clippy::panic, reason = "a handler that panics is what is tested")]

use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use futures_util::stream::{self, StreamExt};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::super::rate_limit::Rate;
use super::super::{Query, Result};
use super::*;

fn app(settings: &HttpSettings) -> Router {
    async fn broken() -> Result<()> {
        Err(Error::internal("the secret of the house"))
    }
    async fn panics() {
        panic!("a bug")
    }
    async fn slow() {
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    async fn drips() -> Body {
        let drops = stream::unfold(0, async |drops| {
            tokio::time::sleep(Duration::from_millis(30)).await;
            (drops < 5).then(|| (Ok::<_, std::convert::Infallible>("drop ".repeat(20)), drops + 1))
        });
        Body::from_stream(drops.fuse())
    }
    async fn read(body: Bytes) -> String {
        body.len().to_string()
    }
    async fn query(Query(_): Query<Vec<(String, String)>>) {}
    async fn busy() -> Error {
        Error::unavailable("no connection", Duration::from_millis(1500))
    }
    let router = Router::new()
        .route("/v1/broken", get(broken))
        .route("/v1/panics", get(panics))
        .route("/v1/slow", get(slow))
        .route("/v1/drips", get(drips))
        .route("/v1/body", post(read))
        .route("/v1/query", get(query))
        .route("/v1/busy", get(busy))
        .route("/healthz", get(async || "ok"));
    serve_layers(router, settings)
}

async fn ask(settings: &HttpSettings, request: Request) -> (Response, String) {
    let response = app(settings).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    (Response::from_parts(parts, Body::empty()), text)
}

fn request(method: &str, path: &str) -> Request {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

#[tokio::test]
async fn whatever_goes_wrong_is_told_in_the_dialect() {
    let settings = HttpSettings { body_limit: 10, time_limit: Duration::from_millis(50), ..HttpSettings::default() };
    let mut large = request("POST", "/v1/body");
    *large.body_mut() = Body::from("12345678901");
    let mut told = String::new();
    for request in [
        request("GET", "/no/such/path"),
        request("GET", "/tenant/no-such-path"),
        request("GET", "/v2/users/no-such-path"),
        request("DELETE", "/v1/broken"),
        request("GET", "/v1/broken"),
        request("GET", "/v1/panics"),
        request("GET", "/v1/slow"),
        request("GET", "/v1/busy"),
        request("GET", "/v1/query?a=%FF"),
        large,
    ] {
        let asked = format!("{} {}", request.method(), request.uri());
        let (response, body) = ask(&settings, request).await;
        assert_eq!(header(&response, "content-type"), "application/json", "{asked}");
        assert_eq!(header(&response, "x-request-id").len(), 36, "{asked}");
        told += &format!("{asked} → {} {body}\n", response.status().as_u16());
    }
    insta::assert_snapshot!(told, @r#"
    GET /no/such/path → 404 {"error":"not_found","message":"there is nothing at this path"}
    GET /tenant/no-such-path → 404 {"errors":[{"message":"there is nothing at this path","type":"No data found"}]}
    GET /v2/users/no-such-path → 404 {"code":"RESOURCE_NOT_FOUND","error":"Not Found","errorDetails":"there is nothing at this path"}
    DELETE /v1/broken → 405 {"error":"method_not_allowed","message":"this path does not know this method"}
    GET /v1/broken → 500 {"error":"internal_error","message":"an unexpected error occurred; x-request-id identifies it"}
    GET /v1/panics → 500 {"error":"internal_error","message":"an unexpected error occurred; x-request-id identifies it"}
    GET /v1/slow → 503 {"error":"timeout","message":"the request took too long; try again"}
    GET /v1/busy → 503 {"error":"unavailable","message":"the service cannot answer at the moment; try again"}
    GET /v1/query?a=%FF → 400 {"error":"invalid_a","message":"a is not plain UTF-8 text"}
    POST /v1/body → 413 {"error":"payload_too_large","message":"the body is too large"}
    "#);
}

#[tokio::test]
async fn a_wrong_method_and_a_busy_server_say_what_to_do() {
    let settings = HttpSettings::default();
    let (response, _) = ask(&settings, request("DELETE", "/v1/broken")).await;
    assert_eq!(header(&response, "allow"), "GET,HEAD");
    let (response, _) = ask(&settings, request("GET", "/v1/busy")).await;
    assert_eq!(header(&response, "retry-after"), "2");
}

#[tokio::test]
async fn a_plain_request_id_is_kept_and_another_replaced() {
    let settings = HttpSettings::default();
    for (sent, is_kept) in [("order-7.a_b", true), ("a b", false), ("<script>", false), ("", false)] {
        let mut request = request("GET", "/healthz");
        request.headers_mut().insert("x-request-id", sent.parse().unwrap());
        let (response, _) = ask(&settings, request).await;
        assert_eq!(header(&response, "x-request-id") == sent, is_kept, "{sent}");
    }
}

#[tokio::test]
async fn answers_tell_browsers_to_keep_out() {
    let (response, _) = ask(&HttpSettings::default(), request("GET", "/healthz")).await;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("access-control-allow-origin", ""),
    ] {
        assert_eq!(header(&response, name), value, "{name}");
    }
}

#[tokio::test]
async fn an_address_that_is_too_fast_is_told_to_wait() {
    let rate = Rate::new(1, 2);
    let settings = HttpSettings { rate_limits: RateLimits { key: rate, address: rate }, ..HttpSettings::default() };
    let app = app(&settings);
    let mut told = String::new();
    // Credentials that nobody has proved give no allowance of their own.
    for key in ["", "sk_live_a", "sk_live_b"] {
        let mut request = request("GET", "/v1/query");
        request.headers_mut().insert("x-api-key", key.parse().unwrap());
        let response = app.clone().oneshot(request).await.unwrap();
        let names = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after"];
        told += &format!("{} {:?}\n", response.status().as_u16(), names.map(|name| header(&response, name)));
    }
    insta::assert_snapshot!(told, @r#"
    200 ["2", "1", "1", ""]
    200 ["2", "0", "2", ""]
    429 ["2", "0", "2", "1"]
    "#);
    assert_eq!(app.oneshot(request("GET", "/healthz")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_browser_is_let_in_from_configured_origins_alone() {
    let settings = HttpSettings {
        cors_origins: vec![HeaderValue::from_static("https://wallet.example")],
        ..HttpSettings::default()
    };
    for (origin, allowed) in [("https://wallet.example", "https://wallet.example"), ("https://evil.example", "")] {
        let mut preflight = request("OPTIONS", "/v1/query");
        preflight.headers_mut().insert("origin", origin.parse().unwrap());
        preflight.headers_mut().insert("access-control-request-method", HeaderValue::from_static("GET"));
        let mut refused = request("GET", "/v1/broken");
        refused.headers_mut().insert("origin", origin.parse().unwrap());
        for request in [preflight, refused] {
            let (response, _) = ask(&settings, request).await;
            assert_eq!(header(&response, "access-control-allow-origin"), allowed);
        }
    }
}

#[tokio::test]
async fn a_long_download_may_take_longer_than_a_request() {
    let settings = HttpSettings { time_limit: Duration::from_millis(50), ..HttpSettings::default() };
    let (response, text) = ask(&settings, request("GET", "/v1/drips")).await;
    assert_eq!((response.status().as_u16(), text.len()), (200, 5 * 20 * 5));
    let mut zipped = request("GET", "/v1/drips");
    zipped.headers_mut().insert("accept-encoding", HeaderValue::from_static("gzip"));
    let response = app(&settings).oneshot(zipped).await.unwrap();
    assert_eq!(header(&response, "content-encoding"), "gzip");
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert!(bytes.starts_with(&[0x1f, 0x8b]));
}
