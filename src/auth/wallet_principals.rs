//! Principals of the wallet API (`spec/wallet-api-*.md`): devices, wallet users, and those routes' choices among callers.

use alloy::primitives::Address;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use uuid::Uuid;

use super::credentials;
use super::{Auth, Tenant};
use crate::foundation::{Mode, TenantId};
use crate::http::{CallerNote, Error, Result};

/// A wallet app before anybody has signed in, by a preauth token.
#[derive(Clone, Debug)]
pub struct Device {
    /// What the device calls itself.
    pub fingerprint: String,
    /// The tenant whose app it is, where the token names one.
    pub tenant: Option<TenantId>,
}

/// A customer who has signed in with a wallet, as the tenant knows them that the request is about.
#[derive(Clone, Copy, Debug)]
pub struct WalletUser {
    /// The wallet that signed.
    pub address: Address,
    /// The tenant.
    pub tenant: TenantId,
    /// The customer.
    pub customer: Uuid,
    /// Live or test, as the customer is.
    pub mode: Mode,
}

/// A tenant's back end, or one of its apps before sign-in.
#[derive(Clone, Debug)]
pub enum TenantOrDevice {
    /// By an API key.
    Tenant(Tenant),
    /// By a preauth token.
    Device(Device),
}

/// A tenant's back end, or a customer.
#[derive(Clone, Copy, Debug)]
pub enum TenantOrCustomer {
    /// By an API key.
    Tenant(Tenant),
    /// By a wallet's token.
    Customer(WalletUser),
}

/// Any caller of the wallet API.
#[derive(Clone, Debug)]
pub enum AnyCaller {
    /// By an API key.
    Tenant(Tenant),
    /// By a wallet's token.
    Customer(WalletUser),
    /// By a preauth token.
    Device(Device),
}

impl Device {
    /// The tenant whose app it is; 403 where the token names none.
    pub fn tenant(&self) -> Result<TenantId> {
        self.tenant.ok_or_else(|| Error::forbidden("no_tenant", "the preauth token names no tenant"))
    }
}

impl TenantOrDevice {
    /// The tenant; 403 where a device's token names none.
    pub fn tenant(&self) -> Result<TenantId> {
        match self {
            Self::Tenant(caller) => Ok(caller.tenant),
            Self::Device(device) => device.tenant(),
        }
    }

    /// Live or test. Apps are live.
    pub const fn mode(&self) -> Mode {
        match self {
            Self::Tenant(caller) => caller.mode,
            Self::Device(_) => Mode::Live,
        }
    }
}

impl TenantOrCustomer {
    /// The tenant.
    pub const fn tenant(&self) -> TenantId {
        match self {
            Self::Tenant(caller) => caller.tenant,
            Self::Customer(customer) => customer.tenant,
        }
    }

    /// Live or test.
    pub const fn mode(&self) -> Mode {
        match self {
            Self::Tenant(caller) => caller.mode,
            Self::Customer(customer) => customer.mode,
        }
    }

    /// The only customer that may be asked about, where it is one who asks.
    pub const fn customer(&self) -> Option<Uuid> {
        match self {
            Self::Tenant(_) => None,
            Self::Customer(customer) => Some(customer.customer),
        }
    }
}

impl AnyCaller {
    /// The tenant; 403 where a device's token names none.
    pub fn tenant(&self) -> Result<TenantId> {
        match self {
            Self::Tenant(caller) => Ok(caller.tenant),
            Self::Customer(customer) => Ok(customer.tenant),
            Self::Device(device) => device.tenant(),
        }
    }

    /// Live or test. Apps are live.
    pub const fn mode(&self) -> Mode {
        match self {
            Self::Tenant(caller) => caller.mode,
            Self::Customer(customer) => customer.mode,
            Self::Device(_) => Mode::Live,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Device
where
    Auth: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let device = Auth::from_ref(state).device(credentials::bearer(&parts.headers)?).await?;
        CallerNote::proved_anybody(&parts.extensions, "device");
        Ok(device)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WalletUser
where
    Auth: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let token = credentials::access_token(&parts.headers)?;
        let at = credentials::tenant_id(&parts.headers)?;
        let user = Auth::from_ref(state).wallet_user(token, at).await?;
        CallerNote::proved(&parts.extensions, "customer", &[user.tenant.0.as_bytes(), user.customer.as_bytes()]);
        Ok(user)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TenantOrDevice
where
    Auth: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        if credentials::has_api_key(&parts.headers) {
            return Tenant::from_request_parts(parts, state).await.map(Self::Tenant);
        }
        Device::from_request_parts(parts, state).await.map(Self::Device)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TenantOrCustomer
where
    Auth: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        if credentials::has_api_key(&parts.headers) {
            return Tenant::from_request_parts(parts, state).await.map(Self::Tenant);
        }
        WalletUser::from_request_parts(parts, state).await.map(Self::Customer)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AnyCaller
where
    Auth: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        if credentials::has_api_key(&parts.headers) {
            return Tenant::from_request_parts(parts, state).await.map(Self::Tenant);
        }
        // What the token says it is decides which of the two it is read as; each checks it whole.
        match WalletUser::from_request_parts(parts, state).await {
            Ok(user) => Ok(Self::Customer(user)),
            Err(refused) => Device::from_request_parts(parts, state).await.map(Self::Device).map_err(|_| refused),
        }
    }
}
