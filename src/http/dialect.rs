//! The three ways in which an error is written, one for each documented surface, chosen by the request's path.

use axum::Json;
use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Error;

/// How a surface writes its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `{"error":"<code>","message":"<text>"}` (`spec/caas-users.md`); also operators' and unknown paths.
    Caas,
    /// `{"errors":[{"type":"…","message":"…","error_code":"…"}]}` (`spec/wallet-api-*.md`).
    Wallet,
    /// `{"code":"RESOURCE_CONFLICT","error":"…","errorDetails":"…"}` (`spec/orchestration-address.md`).
    Orchestration,
}

impl Dialect {
    /// The dialect of a path, by its first segment.
    pub fn of(path: &str) -> Self {
        match path.trim_start_matches('/').split('/').next().unwrap_or_default() {
            "ach" | "auth" | "cards" | "consent" | "digital-wallet" | "onchain-preauth" | "preauth" | "tenant"
            | "transaction" | "transactions" => Self::Wallet,
            "v2" => Self::Orchestration,
            _ => Self::Caas,
        }
    }

    /// The body of an error.
    pub fn body(self, error: &Error) -> Value {
        let mut body = match self {
            Self::Caas => json!({"error": error.code(), "message": error.message()}),
            Self::Wallet => {
                let (kind, message) = wallet_words(error);
                let mut one = json!({"type": kind, "message": message});
                if is_documented(error.code()) {
                    one["error_code"] = error.code().into();
                }
                // The code that a rule of a badge refuses with.
                if let Some(code) = error.extra().get(ERROR_CODE) {
                    one[ERROR_CODE] = code.clone();
                }
                match error.shape() {
                    Shape::List => json!({"errors": [one]}),
                    Shape::Single => json!({"errors": one}),
                    Shape::Bare => one,
                    Shape::Nested => json!([{"type": [one], "message": message}]),
                    Shape::Wordless => json!({}),
                    Shape::Caught => json!({"errors": [{"type": "Catch", "message": [one]}]}),
                }
            }
            Self::Orchestration => json!({
                "code": orchestration_code(error.status()),
                "error": error.status().canonical_reason().unwrap_or("Error"),
                "errorDetails": error.message(),
            }),
        };
        if let Value::Object(fields) = &mut body {
            let is_within = |name: &str| self == Self::Wallet && name == ERROR_CODE;
            fields.extend(error.extra().clone().into_iter().filter(|(name, _)| !is_within(name)));
        }
        body
    }
}

/// The field of a code that an error has beside the house's own; in the wallet API it is the entry's.
const ERROR_CODE: &str = "error_code";

/// How the wallet API writes an error: as the only one of a list as a rule, otherwise where a route is documented so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// `{"errors":[{…}]}`.
    #[default]
    List,
    /// `{"errors":{…}}`.
    Single,
    /// `{"type":…,"message":…}`.
    Bare,
    /// `[{"type":[{…}],"message":…}]`.
    Nested,
    /// `{}`, and what else the error has.
    Wordless,
    /// `{"errors":[{"type":"Catch","message":[{…}]}]}`.
    Caught,
}

/// Whether a code is one of the wallet API's own, such as `ULOT0043`: only those are shown there.
fn is_documented(code: &str) -> bool {
    code.starts_with("UL") && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// The wallet API's `type` and `message`: the error's own, or the texts documented for the status.
fn wallet_words(error: &Error) -> (&str, &str) {
    let documented = match error.status() {
        StatusCode::TOO_MANY_REQUESTS => ("Rate Limit Exceeded", Some("Too many requests")),
        StatusCode::INTERNAL_SERVER_ERROR => {
            ("Internal server error", Some("An unexpected error occurred. Please try again later"))
        }
        StatusCode::UNAUTHORIZED if error.code() == "invalid_api_key" => ("API Key", Some("Invalid API Key")),
        StatusCode::UNAUTHORIZED => ("Access Denied", None),
        StatusCode::FORBIDDEN => ("Access control", Some("Access denied for this resource")),
        StatusCode::NOT_FOUND => ("No data found", None),
        StatusCode::CONFLICT => ("Conflict", None),
        status if status.is_client_error() => ("Validation", None),
        _ => ("Service error", None),
    };
    match (error.kind(), documented) {
        (Some(kind), _) => (kind, error.message()),
        (None, (kind, message)) => (kind, message.unwrap_or_else(|| error.message())),
    }
}

fn orchestration_code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "BAD_REQUEST",
        StatusCode::UNAUTHORIZED => "UNAUTHORIZED",
        StatusCode::FORBIDDEN => "FORBIDDEN",
        StatusCode::NOT_FOUND => "RESOURCE_NOT_FOUND",
        StatusCode::METHOD_NOT_ALLOWED => "METHOD_NOT_ALLOWED",
        StatusCode::CONFLICT => "RESOURCE_CONFLICT",
        StatusCode::PAYLOAD_TOO_LARGE => "PAYLOAD_TOO_LARGE",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "UNSUPPORTED_MEDIA_TYPE",
        StatusCode::TOO_MANY_REQUESTS => "TOO_MANY_REQUESTS",
        StatusCode::BAD_GATEWAY => "BAD_GATEWAY",
        StatusCode::SERVICE_UNAVAILABLE => "SERVICE_UNAVAILABLE",
        status if status.is_client_error() => "BAD_REQUEST",
        _ => "INTERNAL_SERVER_ERROR",
    }
}

/// Middleware: writes every error in the dialect of the request's path, whether a handler, a layer or the router made
/// it, and logs the causes of those that are ours.
pub async fn render(request: Request, next: Next) -> Response {
    let dialect = Dialect::of(request.uri().path());
    let for_operators = request.uri().path().starts_with("/admin");
    let mut response = next.run(request).await;
    let Some(error) = take_error(&mut response) else { return response };
    log(&error);

    let mut rendered = (error.status(), Json(dialect.body(&error))).into_response();
    let headers = rendered.headers_mut();
    // What the refusing layer had to say beside its body stays: rate limits, CORS.
    for (name, value) in response.headers() {
        if name.as_str().starts_with("ratelimit-") || name.as_str().starts_with("access-control-") || name == ALLOW {
            headers.append(name, value.clone());
        }
    }
    if let Some(wait) = error.wait() {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_millis().div_ceil(1000).clamp(1, 86_400) as u64));
    }
    if error.status() == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        // So that a browser asks an operator for the password.
        if for_operators {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"operators\""));
        }
    }
    rendered
}

/// The error of a response; a refusal that came as a bare status or as plain text (from a layer or from the router)
/// counts as one.
fn take_error(response: &mut Response) -> Option<Error> {
    if let Some(error) = response.extensions_mut().remove::<Error>() {
        return Some(error);
    }
    let status = response.status();
    let is_json =
        response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    ((status.is_client_error() || status.is_server_error()) && !is_json).then(|| Error::from_status(status))
}

fn log(error: &Error) {
    let status = error.status().as_u16();
    let place = error.place();
    match error.causes() {
        Some(cause) if status >= 500 => tracing::error!(status, code = error.code(), %place, %cause, "request failed"),
        Some(cause) => tracing::debug!(status, code = error.code(), %place, %cause, "request refused"),
        None => tracing::debug!(status, code = error.code(), %place, "request refused"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_path_speaks_the_dialect_of_its_surface() {
        for (path, dialect) in [
            ("/v1/users/fund", Dialect::Caas),
            ("/admin/tenants", Dialect::Caas),
            ("/no/such/path", Dialect::Caas),
            ("/", Dialect::Caas),
            ("/tenant/customer", Dialect::Wallet),
            ("/transactions/v2/identifier/x/type/y/history", Dialect::Wallet),
            ("/onchain-preauth", Dialect::Wallet),
            ("/v2/users/1/orchestration-addresses", Dialect::Orchestration),
        ] {
            assert_eq!(Dialect::of(path), dialect, "{path}");
        }
    }

    #[test]
    fn an_error_is_written_three_ways() {
        let error = Error::conflict("duplicate_deposit", "this deposit exists").with("status", "SETTLED");
        insta::assert_snapshot!(Dialect::Caas.body(&error), @r#"{"error":"duplicate_deposit","message":"this deposit exists","status":"SETTLED"}"#);
        insta::assert_snapshot!(Dialect::Wallet.body(&error), @r#"{"errors":[{"message":"this deposit exists","type":"Conflict"}],"status":"SETTLED"}"#);
        insta::assert_snapshot!(Dialect::Orchestration.body(&error), @r#"{"code":"RESOURCE_CONFLICT","error":"Conflict","errorDetails":"this deposit exists","status":"SETTLED"}"#);
    }

    #[test]
    fn an_internal_error_tells_nothing() {
        let error = Error::internal("password of the database is 1234");
        for dialect in [Dialect::Caas, Dialect::Wallet, Dialect::Orchestration] {
            assert!(!dialect.body(&error).to_string().contains("1234"));
        }
    }

    #[test]
    fn the_wallet_surface_uses_its_documented_words() {
        let wrong = Error::unauthorized("challenge_expired", "Challenge expired").of_type("Challenge");
        insta::assert_snapshot!(Dialect::Wallet.body(&wrong), @r#"{"errors":[{"message":"Challenge expired","type":"Challenge"}]}"#);
        let fast = Error::too_many_requests(Duration::from_secs(1));
        insta::assert_snapshot!(Dialect::Wallet.body(&fast), @r#"{"errors":[{"message":"Too many requests","type":"Rate Limit Exceeded"}]}"#);
        let taken = Error::bad_request("ULOT0043", "taken").of_type("Duplicate");
        insta::assert_snapshot!(Dialect::Wallet.body(&taken), @r#"{"errors":[{"error_code":"ULOT0043","message":"taken","type":"Duplicate"}]}"#);
        let forbidden =
            Error::forbidden("rule_violated", "too much").of_type("transfer-failed").with("error_code", "ULTT0010");
        insta::assert_snapshot!(Dialect::Wallet.body(&forbidden), @r#"{"errors":[{"error_code":"ULTT0010","message":"too much","type":"transfer-failed"}]}"#);
        insta::assert_snapshot!(Dialect::Caas.body(&forbidden), @r#"{"error":"rule_violated","error_code":"ULTT0010","message":"too much"}"#);
        let single = Error::bad_request("failed", "no").of_type("catch");
        insta::assert_snapshot!(Dialect::Wallet.body(&single.clone().shaped(Shape::Single)), @r#"{"errors":{"message":"no","type":"catch"}}"#);
        insta::assert_snapshot!(Dialect::Wallet.body(&single.clone().shaped(Shape::Bare)), @r#"{"message":"no","type":"catch"}"#);
        insta::assert_snapshot!(Dialect::Wallet.body(&single.clone().shaped(Shape::Nested)), @r#"[{"message":"no","type":[{"message":"no","type":"catch"}]}]"#);
        let wordless = single.with("CatchError", json!({})).shaped(Shape::Wordless);
        insta::assert_snapshot!(Dialect::Wallet.body(&wordless), @r#"{"CatchError":{}}"#);
    }
}
