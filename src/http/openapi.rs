//! The API's own description: OpenAPI 3.1 at `/openapi.json`, a reference to read and try at `/docs`.

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use serde::Serialize;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoResponses, OpenApi as _, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Where the description is served.
pub const DOCUMENT: &str = "/openapi.json";
/// Where the reference is served.
pub const DOCS: &str = "/docs";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Diolkos", description = "Stablecoin accounts for fintechs.", license(name = "Apache-2.0", identifier = "Apache-2.0")),
    tags(
        (name = "Users", description = "Wallets from a phone number, their balances and funding. API key."),
        (name = "FX", description = "What local money buys, for a minute. API key."),
        (name = "Deposits", description = "What became of each funding. Dashboard."),
        (name = "Transfers", description = "Tokens from customer to customer. API key; dashboard for what became of them."),
        (name = "Withdrawals", description = "Tokens back, and local money for them. Dashboard."),
        (name = "Treasury", description = "The balance that fundings are paid from. Dashboard."),
        (name = "Reports", description = "How much moved, how well and how fast. Dashboard."),
        (name = "Webhooks", description = "Being told what happens, and what was told. Dashboard."),
        (name = "API keys", description = "How a tenant's back end proves who it is. Dashboard."),
        (name = "Sign-in", description = "Tokens for wallet apps and those who hold wallets."),
        (name = "Email verification", description = "Codes by e-mail. API key or preauth token."),
        (name = "Customers", description = "People, their wallets and names, and what they have told. API key."),
        (name = "Business users", description = "Companies, and who owns and controls them. API key."),
        (name = "Identity checks", description = "Whether people are who they say they are. API key, wallet or preauth token."),
        (name = "Agreements", description = "What customers are shown, and what they say to it. API key."),
        (name = "Consents", description = "Whom customers let act for them. API key or wallet token."),
        (name = "Badges", description = "What customers are told apart by, and what rules their money keeps. API key."),
        (name = "Admin", description = "Tenants and machinery. Operators."),
        (name = "Operations", description = "Whether the server is well."),
    ),
    components(schemas(CaasError, WalletError)),
)]
struct Description;

/// An error of the CaaS surface and of operators' routes.
#[derive(Serialize, ToSchema)]
pub struct CaasError {
    /// For programs.
    #[schema(example = "invalid_phone_number")]
    pub error: String,
    /// For people.
    #[schema(example = "phone_number must be a phone number in E.164 form, such as +2250700000001")]
    pub message: String,
}

/// What any route with credentials may answer.
#[derive(IntoResponses)]
pub enum CaasErrors {
    /// The request makes no sense; the message names the field.
    #[response(status = 400)]
    BadRequest(CaasError),
    /// Credentials are missing or wrong.
    #[response(status = 401)]
    Unauthorized(CaasError),
    /// Too many requests; `Retry-After` tells when to come back.
    #[response(status = 429)]
    TooManyRequests(CaasError),
    /// Our fault; `x-request-id` identifies it.
    #[response(status = 500)]
    Internal(CaasError),
    /// Not at the moment; `Retry-After` tells when to come back.
    #[response(status = 503)]
    Unavailable(CaasError),
}

/// What any route that takes a body may answer besides [`CaasErrors`].
#[derive(IntoResponses)]
pub enum CaasPostErrors {
    /// It collides with what is there, or the `Idempotency-Key` was sent with another request or is still being served.
    #[response(status = 409)]
    Conflict(CaasError),
    /// The body is larger than 1 MiB.
    #[response(status = 413)]
    PayloadTooLarge(CaasError),
    /// The body is not `application/json`.
    #[response(status = 415)]
    UnsupportedMediaType(CaasError),
}

/// Errors of the wallet API.
#[derive(Serialize, ToSchema)]
pub struct WalletError {
    /// As a rule one.
    pub errors: Vec<WalletErrorEntry>,
}

/// An error of the wallet API.
#[derive(Serialize, ToSchema)]
pub struct WalletErrorEntry {
    /// What it is about.
    #[schema(example = "Challenge")]
    pub r#type: String,
    /// For people.
    #[schema(example = "Challenge expired")]
    pub message: String,
    /// For programs, where there is one.
    #[schema(example = "ULOT0043")]
    pub error_code: Option<String>,
}

/// What any route of the wallet API may answer.
#[derive(IntoResponses)]
pub enum WalletErrors {
    /// The request makes no sense, or cannot be done as things are.
    #[response(status = 400)]
    BadRequest(WalletError),
    /// Credentials are missing or wrong.
    #[response(status = 401)]
    Unauthorized(WalletError),
    /// These credentials do not allow this.
    #[response(status = 403)]
    Forbidden(WalletError),
    /// Too many requests; `Retry-After` tells when to come back.
    #[response(status = 429)]
    TooManyRequests(WalletError),
    /// Our fault; `x-request-id` identifies it.
    #[response(status = 500)]
    Internal(WalletError),
    /// Not at the moment; `Retry-After` tells when to come back.
    #[response(status = 503)]
    Unavailable(WalletError),
}

/// What any route of the wallet API that takes a body may answer besides [`WalletErrors`].
#[derive(IntoResponses)]
pub enum WalletPostErrors {
    /// It collides with what is there, or the `Idempotency-Key` was sent with another request or is still being served.
    #[response(status = 409)]
    Conflict(WalletError),
    /// The body is too large.
    #[response(status = 413)]
    PayloadTooLarge(WalletError),
    /// The body is not `application/json`.
    #[response(status = 415)]
    UnsupportedMediaType(WalletError),
}

/// Splits a documented router into the routes and the whole description.
pub fn describe<S: Clone + Send + Sync + 'static>(router: OpenApiRouter<S>) -> (Router<S>, OpenApi) {
    let (router, routes) = router.split_for_parts();
    let mut document = Description::openapi().merge_from(routes);
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let components = document.components.get_or_insert_default();
    let in_header =
        |name, description| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, description)));
    components.add_security_scheme("api_key", in_header("X-API-Key", "A tenant's key, `sk_live_…` or `sk_test_…`."));
    let bearer = |description| {
        SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build())
    };
    components.add_security_scheme("bearer", bearer("A dashboard user's JWT that permits `waas`."));
    components.add_security_scheme("operator", bearer("The operators' token."));
    components.add_security_scheme("preauth", bearer("A wallet app's token of `POST /auth/preauth-token`."));
    components
        .add_security_scheme("wallet", bearer("A wallet user's token of `POST /auth/token`, also as `access-token`."));
    components.add_security_scheme("tenant_id", in_header("tenant-id", "The tenant's id, with `api-key`."));
    components.add_security_scheme("tenant_key", in_header("api-key", "A tenant's key, with `tenant-id`."));
    (router, document)
}

/// The routes with `/openapi.json` and `/docs` beside them; everything the reference needs is compiled in.
pub fn publish<S: Clone + Send + Sync + 'static>(router: OpenApiRouter<S>) -> Result<Router<S>, serde_json::Error> {
    let (router, document) = describe(router);
    let document = Bytes::from(document.to_json()?);
    let docs = SwaggerUi::new(DOCS).config(Config::from(DOCUMENT).use_base_layout().try_it_out_enabled(true));
    Ok(router.route(DOCUMENT, get(async || ([(CONTENT_TYPE, "application/json")], document))).merge(docs))
}
