//! Who is calling.
//!
//! A handler takes the principal that it needs as an extractor ([`Tenant`], [`Dashboard`], [`Operator`],
//! [`OperatorOrSuperAdmin`]; of the wallet API [`Device`], [`WalletUser`], [`TenantOrDevice`], [`TenantOrCustomer`],
//! [`AnyCaller`]); without good credentials it is never run.

mod api_key;
mod credentials;
mod jwks;
mod jwt;
mod one_time_code;
mod operator;
mod principal;
mod store;
mod wallet_principals;

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;
use uuid::Uuid;

use crate::db::Db;
use crate::foundation::{Clock, Mode, TenantId};
use crate::http::{ClientAddress, Error, Result};

use credentials::Credentials;

pub use api_key::{ApiKey, Digest};
pub use credentials::tenant_id as named_tenant;
pub use jwks::router;
pub use jwt::{InvalidKey, Jwt, Refused};
pub use one_time_code::{Attempt, IssuedCode, OneTimeCodes, Purpose, Verdict};
pub use operator::{InvalidHash, OperatorAccess, hash_password};
pub use principal::{Dashboard, Operator, OperatorOrSuperAdmin, Tenant};
pub use wallet_principals::{AnyCaller, Device, TenantOrCustomer, TenantOrDevice, WalletUser};

/// How long a key's owner is remembered: a revoked key dies within a second on every replica.
const KEY_MEMORY: Duration = Duration::from_millis(500);

/// Checks credentials. One value shared by all requests.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    db: Db,
    clock: Clock,
    jwt: Jwt,
    operator: OperatorAccess,
    owners: Cache<Digest, Owner>,
    strangers: Cache<Digest, ()>,
    tenants: Cache<TenantId, ()>,
}

/// Whose key it is, as read from the database at a moment.
#[derive(Clone, Copy)]
struct Owner {
    tenant: TenantId,
    mode: Mode,
    key_id: Uuid,
    read_at: Instant,
}

/// Why a key has no owner.
enum NoOwner {
    Unknown,
    Failed(Error),
}

impl NoOwner {
    /// The failure; `None` when the look-up went well and found nothing.
    fn cause(&self) -> Option<Error> {
        match self {
            Self::Unknown => None,
            Self::Failed(error) => Some(error.clone()),
        }
    }
}

impl Auth {
    /// Checks API keys and tenants against `db`, bearer tokens with `jwt`, and operators by what they have.
    pub fn new(db: Db, clock: Clock, jwt: Jwt, operator: OperatorAccess) -> Self {
        let owners = Cache::builder().max_capacity(20_000).expire_after(SinceRead).build();
        let strangers = Cache::builder().max_capacity(2_000).time_to_live(KEY_MEMORY).build();
        let tenants = Cache::builder().max_capacity(20_000).time_to_live(Duration::from_secs(60)).build();
        Self(Arc::new(Inner { db, clock, jwt, operator, owners, strangers, tenants }))
    }

    /// The signer and verifier of bearer tokens.
    pub fn jwt(&self) -> &Jwt {
        &self.0.jwt
    }

    /// Whose key this is; 401 when nobody's.
    async fn owner_of(&self, secret: &str) -> Result<Owner> {
        let Some(digest) = ApiKey::digest_of(secret) else { return Err(invalid_api_key()) };
        if self.0.strangers.contains_key(&digest) {
            return Err(invalid_api_key());
        }
        // Requests that ask for the same key at once share one look-up.
        match self.0.owners.try_get_with(digest, self.look_up(digest)).await.map_err(|none| none.cause()) {
            Ok(owner) => Ok(owner),
            Err(Some(error)) => Err(error),
            Err(None) => {
                self.0.strangers.insert(digest, ()).await;
                Err(invalid_api_key())
            }
        }
    }

    async fn look_up(&self, digest: Digest) -> std::result::Result<Owner, NoOwner> {
        let read_at = Instant::now();
        let found = store::find_key(&self.0.db, &digest).await.map_err(NoOwner::Failed)?;
        let (tenant, key_id, mode) = found.ok_or(NoOwner::Unknown)?;
        Ok(Owner { tenant, mode, key_id, read_at })
    }

    /// Whether these are operators' credentials; 429 when an address guesses.
    async fn is_operator(&self, credentials: Credentials<'_>, from: Option<ClientAddress>) -> Result<bool> {
        match credentials {
            Credentials::Bearer(token) => Ok(self.0.operator.admits_token(token)),
            Credentials::Basic(encoded) => self.0.operator.admits_basic(encoded, from).await,
        }
    }

    /// A dashboard's user by the token; 401 when it is not good or its tenant does not exist.
    async fn dashboard_user(&self, token: &str) -> Result<Dashboard> {
        let user = self.0.jwt.verify_dashboard(token, self.0.clock.now())?;
        if self.knows(user.tenant).await? { Ok(user) } else { Err(jwt::invalid_token()) }
    }

    /// A device by its token; 401 when it is not good or names a tenant that does not exist.
    async fn device(&self, token: &str) -> Result<Device> {
        let device = self.0.jwt.verify_preauth(token, self.0.clock.now())?;
        match device.tenant {
            Some(tenant) if !self.knows(tenant).await? => Err(jwt::invalid_token()),
            _ => Ok(device),
        }
    }

    /// A customer by the wallet's token, at the tenant that the caller names where several know the wallet.
    ///
    /// 401 when the token is not good or nobody knows the wallet any more, 403 when that tenant does not, or when it has to
    /// be said which.
    async fn wallet_user(&self, token: &str, at: Option<TenantId>) -> Result<WalletUser> {
        let address = self.0.jwt.verify_wallet(token, self.0.clock.now())?;
        let users = store::wallet_users(&self.0.db, address).await?;
        if users.is_empty() {
            return Err(jwt::invalid_token());
        }
        // A test customer anywhere does not make it doubtful who a live one is.
        let is_live_somewhere = users.iter().any(|user| user.mode == Mode::Live);
        let is_meant = |user: &WalletUser| match at {
            Some(tenant) => user.tenant == tenant,
            None => user.mode == Mode::Live || !is_live_somewhere,
        };
        let mut there = users.into_iter().filter(is_meant);
        match (there.next(), there.next()) {
            (Some(user), None) => Ok(user),
            (Some(_), Some(_)) => {
                Err(Error::forbidden("which_tenant", "several tenants know this wallet: send tenant-id"))
            }
            (None, _) => Err(Error::forbidden("not_of_tenant", "this wallet is not of this tenant")),
        }
    }

    /// Whether there is such a tenant.
    pub async fn knows(&self, tenant: TenantId) -> Result<bool> {
        let exists = async {
            match store::tenant_exists(&self.0.db, tenant).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(NoOwner::Unknown),
                Err(error) => Err(NoOwner::Failed(error)),
            }
        };
        match self.0.tenants.try_get_with(tenant, exists).await.map_err(|none| none.cause()) {
            Ok(()) => Ok(true),
            Err(None) => Ok(false),
            Err(Some(error)) => Err(error),
        }
    }
}

/// Remembers an owner for [`KEY_MEMORY`] from the moment the database was asked, however long it took to answer.
struct SinceRead;

impl Expiry<Digest, Owner> for SinceRead {
    fn expire_after_create(&self, _: &Digest, owner: &Owner, _: Instant) -> Option<Duration> {
        Some(KEY_MEMORY.saturating_sub(owner.read_at.elapsed()))
    }
}

#[track_caller]
fn invalid_api_key() -> Error {
    Error::unauthorized("invalid_api_key", "the API key is unknown or revoked")
}
