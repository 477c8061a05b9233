//! What a request may fail with.
//!
//! An [`Error`] says what the caller may know (status, code, message) and keeps what only operators may (source,
//! place). How it looks on the wire is the business of [`super::dialect`].

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use super::dialect::Shape;

/// The result of everything that answers a request.
pub type Result<T> = std::result::Result<T, Error>;

/// A refusal or a failure, with the place where it arose.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    status: StatusCode,
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    kind: Option<Cow<'static, str>>,
    shape: Shape,
    extra: Map<String, Value>,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    place: &'static Location<'static>,
}

/// A text that callers read: fixed or made for the occasion.
type Text = Cow<'static, str>;
type Source = Box<dyn StdError + Send + Sync>;

impl Error {
    /// An error of any status. `code` is for programs, `message` for people; both are shown to the caller.
    #[track_caller]
    pub fn new(status: StatusCode, code: impl Into<Text>, message: impl Into<Text>) -> Self {
        Self(Box::new(Inner {
            status,
            code: code.into(),
            message: message.into(),
            kind: None,
            shape: Shape::default(),
            extra: Map::new(),
            retry_after: None,
            source: None,
            place: Location::caller(),
        }))
    }

    /// 400: the request makes no sense.
    #[track_caller]
    pub fn bad_request(code: impl Into<Text>, message: impl Into<Text>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 400 `invalid_<field>`, message `<field> <why>`: `Error::invalid_field("amount", "must be greater than zero")`.
    #[track_caller]
    pub fn invalid_field(field: &str, why: impl fmt::Display) -> Self {
        let word: String = field.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(60).collect();
        Self::bad_request(format!("invalid_{}", word.trim_matches('_')), format!("{field} {why}"))
    }

    /// 400 `missing_field`: a required field or parameter is absent.
    #[track_caller]
    pub fn missing_field(field: &str) -> Self {
        Self::bad_request("missing_field", format!("{field} is required"))
    }

    /// 401: who is calling is not known.
    #[track_caller]
    pub fn unauthorized(code: impl Into<Text>, message: impl Into<Text>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }

    /// 402: the tenant's balance does not cover the request.
    #[track_caller]
    pub fn payment_required(code: impl Into<Text>, message: impl Into<Text>) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, code, message)
    }

    /// 403: the caller is known and may not do this.
    #[track_caller]
    pub fn forbidden(code: impl Into<Text>, message: impl Into<Text>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    /// 404: there is no such thing, or it is another tenant's.
    #[track_caller]
    pub fn not_found(code: impl Into<Text>, message: impl Into<Text>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 405: the path exists, the method does not.
    #[track_caller]
    pub fn method_not_allowed() -> Self {
        Self::from_status(StatusCode::METHOD_NOT_ALLOWED)
    }

    /// 409: the request collides with what is there.
    #[track_caller]
    pub fn conflict(code: impl Into<Text>, message: impl Into<Text>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// 413: the body is larger than allowed.
    #[track_caller]
    pub fn payload_too_large() -> Self {
        Self::from_status(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// 415: the body is not `application/json`.
    #[track_caller]
    pub fn unsupported_media_type() -> Self {
        Self::from_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    }

    /// 429: too fast; `Retry-After` tells when to come back.
    #[track_caller]
    pub fn too_many_requests(retry_after: Duration) -> Self {
        Self::from_status(StatusCode::TOO_MANY_REQUESTS).retry_after(retry_after)
    }

    /// 500: our fault. The source is logged; the caller learns nothing of it.
    #[track_caller]
    pub fn internal(source: impl Into<Source>) -> Self {
        Self::from_status(StatusCode::INTERNAL_SERVER_ERROR).because(source)
    }

    /// 502: someone we depend on failed. `message` is shown to the caller, the source is logged.
    #[track_caller]
    pub fn bad_gateway(code: impl Into<Text>, message: impl Into<Text>, source: impl Into<Source>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, code, message).because(source)
    }

    /// 503: for the moment; `Retry-After` tells when to come back. The source is logged.
    #[track_caller]
    pub fn unavailable(source: impl Into<Source>, retry_after: Duration) -> Self {
        Self::from_status(StatusCode::SERVICE_UNAVAILABLE).retry_after(retry_after).because(source)
    }

    /// 503 `overloaded`: more is asked for than can be done in time; `Retry-After` tells when to come back.
    #[track_caller]
    pub fn overloaded(retry_after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "too many requests wait already; try again")
            .retry_after(retry_after)
    }

    /// 503 `timeout`: the request's time is up.
    #[track_caller]
    pub fn timeout() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "the request took too long; try again")
            .retry_after(Duration::from_secs(1))
    }

    /// The error that a bare status stands for, with the house's code and message.
    #[track_caller]
    pub fn from_status(status: StatusCode) -> Self {
        let (code, message) = match status {
            StatusCode::BAD_REQUEST => ("bad_request", "the request cannot be understood"),
            StatusCode::UNAUTHORIZED => ("unauthorized", "credentials are missing or wrong"),
            StatusCode::FORBIDDEN => ("forbidden", "these credentials do not allow this"),
            StatusCode::NOT_FOUND => ("not_found", "there is nothing at this path"),
            StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "this path does not know this method"),
            StatusCode::PAYLOAD_TOO_LARGE => ("payload_too_large", "the body is too large"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ("unsupported_media_type", "the content type must be application/json")
            }
            StatusCode::TOO_MANY_REQUESTS => ("rate_limited", "too many requests; slow down"),
            StatusCode::SERVICE_UNAVAILABLE => ("unavailable", "the service cannot answer at the moment; try again"),
            status if status.is_client_error() => ("bad_request", "the request was refused"),
            _ => ("internal_error", "an unexpected error occurred; x-request-id identifies it"),
        };
        Self::new(status, code, message)
    }

    /// Adds a field to the body: `{"error": …, "message": …, "status": "SETTLED"}`.
    pub fn with(mut self, field: &str, value: impl Serialize) -> Self {
        // A value that cannot be written as JSON is left out: the error itself matters more.
        if let Ok(value) = serde_json::to_value(value) {
            self.0.extra.insert(field.to_owned(), value);
        }
        self
    }

    /// Sets the `type` of the wallet API's dialect, such as `Challenge`; by default it follows from the status.
    pub fn of_type(mut self, kind: impl Into<Text>) -> Self {
        self.0.kind = Some(kind.into());
        self
    }

    /// Sets how the wallet API's dialect writes it, where a route is documented otherwise than the others.
    pub fn shaped(mut self, shape: Shape) -> Self {
        self.0.shape = shape;
        self
    }

    /// Tells the caller when to try again.
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// Keeps what caused this, for the log.
    pub fn because(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The code for programs.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The message that the caller may read.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub(super) fn kind(&self) -> Option<&str> {
        self.0.kind.as_deref()
    }

    pub(super) fn shape(&self) -> Shape {
        self.0.shape
    }

    pub(super) fn extra(&self) -> &Map<String, Value> {
        &self.0.extra
    }

    pub(super) fn wait(&self) -> Option<Duration> {
        self.0.retry_after
    }

    pub(super) fn place(&self) -> &'static Location<'static> {
        self.0.place
    }

    /// The cause as this type, when it is one.
    pub fn source_as<E: StdError + 'static>(&self) -> Option<&E> {
        self.0.source.as_deref().and_then(|source| source.downcast_ref())
    }

    /// The causes, outermost first, by their `Display` alone: `Debug` of a database error quotes values.
    pub(super) fn causes(&self) -> Option<String> {
        let first: &dyn StdError = self.0.source.as_deref()?;
        let chain = std::iter::successors(Some(first), |cause: &&dyn StdError| (*cause).source());
        Some(chain.map(ToString::to_string).collect::<Vec<_>>().join(": "))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.0.status.as_u16(), self.0.code, self.0.message)?;
        self.causes().map_or(Ok(()), |causes| write!(f, " ({causes})"))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} at {}", self.0.place)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Only the status; the body is written by [`super::dialect::render`], which finds the error in the extensions.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
