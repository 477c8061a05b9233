//! Principals: who may call is what the handler takes.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use uuid::Uuid;

use super::credentials::{self, Credentials};
use super::{Auth, invalid_api_key, jwt};
use crate::foundation::{Mode, TenantId};
use crate::http::{CallerNote, ClientAddress, Error, Result};

/// A tenant's back end, by its API key.
#[derive(Clone, Copy, Debug)]
pub struct Tenant {
    /// The tenant.
    pub tenant: TenantId,
    /// Live or test, as the key is.
    pub mode: Mode,
    /// The key.
    pub key_id: Uuid,
}

/// A tenant's person at the dashboard, by a bearer token that permits `waas`.
#[derive(Clone, Debug)]
pub struct Dashboard {
    /// The tenant.
    pub tenant: TenantId,
    /// The token's `sub`.
    pub subject: String,
    /// The token's `permissions`.
    pub permissions: Vec<String>,
}

/// One of those who run the server, by the operators' token; to look, the password will do.
#[derive(Clone, Copy, Debug)]
pub struct Operator;

/// Either of those who may confirm that money has arrived.
#[derive(Clone, Debug)]
pub enum OperatorOrSuperAdmin {
    /// An operator, for any tenant.
    Operator,
    /// A super admin, for their own tenant.
    SuperAdmin(Dashboard),
}

impl Dashboard {
    /// Whether the token permits `waas:super_admin`.
    pub fn is_super_admin(&self) -> bool {
        self.permits("waas:super_admin")
    }

    fn permits(&self, permission: &str) -> bool {
        self.permissions.iter().any(|held| held == permission)
    }

    /// 403 unless the token permits `waas`.
    fn admitted(self) -> Result<Self> {
        if self.permits("waas") {
            return Ok(self);
        }
        Err(Error::forbidden("missing_permission", "the token does not permit waas"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Tenant
where
    Auth: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let sent = credentials::api_key(&parts.headers)?;
        let owner = Auth::from_ref(state).owner_of(sent.secret).await?;
        if sent.claimed.is_some_and(|tenant| tenant != owner.tenant) {
            return Err(invalid_api_key());
        }
        CallerNote::proved(&parts.extensions, "tenant", &[owner.key_id.as_bytes()]);
        Ok(Self { tenant: owner.tenant, mode: owner.mode, key_id: owner.key_id })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Dashboard
where
    Auth: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let user = Auth::from_ref(state).dashboard_user(credentials::bearer(&parts.headers)?).await?;
        CallerNote::proved(&parts.extensions, "dashboard", &[user.tenant.0.as_bytes(), user.subject.as_bytes()]);
        user.admitted()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Operator
where
    Auth: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let sent = credentials::authorization(&parts.headers)?;
        let from = parts.extensions.get::<ClientAddress>().copied();
        if !Auth::from_ref(state).is_operator(sent, from).await? {
            return Err(jwt::invalid_token());
        }
        // A browser sends a password with whatever another site makes it ask for: with it one may look, not act.
        if matches!(sent, Credentials::Basic(_)) && !parts.method.is_safe() {
            return Err(Error::forbidden("token_required", "a password lets operators look; to act, send the token"));
        }
        CallerNote::proved(&parts.extensions, "operator", &[]);
        Ok(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OperatorOrSuperAdmin
where
    Auth: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let sent = Credentials::Bearer(credentials::bearer(&parts.headers)?);
        if Auth::from_ref(state).is_operator(sent, None).await? {
            CallerNote::proved(&parts.extensions, "operator", &[]);
            return Ok(Self::Operator);
        }
        let user = Dashboard::from_request_parts(parts, state).await?;
        if user.is_super_admin() {
            return Ok(Self::SuperAdmin(user));
        }
        Err(Error::forbidden("missing_permission", "only an operator or a super admin may do this"))
    }
}
