//! A check: whose it is, how long it can be used, and what becomes of it.

use std::time::Duration;

use axum::http::StatusCode;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::store::{self, Row};
use crate::auth::AnyCaller;
use crate::db::TenantTx;
use crate::foundation::{BlindIndex, BlindIndexer, DataKey, Mode, Phone, Sealed, TenantId, WrappedKey};
use crate::http::idempotency::Once;
use crate::http::{Error, Result, Shape};
use crate::product::App;
use crate::product::users::{Identities, Known};
use crate::providers::verification::{Person, Start, VerificationProvider};

/// The `type` of this feature's errors.
pub const TYPE: &str = "Prove";

/// How long a check can be used after it began.
const USABLE: TimeDelta = TimeDelta::minutes(30);

/// How long after its provider was asked about a fingerprint it is asked again, by a job or by who repeats the request.
pub const AGAIN: TimeDelta = TimeDelta::seconds(30);

/// Fingerprints that may prove nothing; with the last of them the check has ended.
pub const ATTEMPTS: i32 = 5;

/// How often the provider is asked about a fingerprint that it does not answer: then another may be tried, and this one
/// again.
pub const ASKS: i32 = 5;

/// How long the request that begins a check may be on its way: then it has died.
pub const BEGINNING: TimeDelta = TimeDelta::minutes(1);

/// Messages to one number, those of devices and those of all others, and checks of one customer or device, in an hour.
const MOST_IN_AN_HOUR: i64 = 10;

/// What other features may do with identity checks.
pub struct IdentityChecks;

impl IdentityChecks {
    /// Removes a locked customer's checks, and all of their number, whoever began them and whenever they became a
    /// customer; with each its key.
    pub async fn forget(app: &App, tx: &mut TenantTx, mode: Mode, known: &Known) -> Result<()> {
        let mobile_index = mobile_index(&app.blind_indexer, tx.tenant(), mode, &known.phone(tx)?);
        // Whoever is about to store one has stored it.
        store::lock(tx, mobile_index.as_str()).await?;
        Ok(store::forget(tx, mode, known.id, mobile_index.as_str()).await?)
    }
}

/// Who began a check, and alone may go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The tenant's back end, with any key of the mode.
    Tenant,
    /// A customer, with any wallet.
    Customer(Uuid),
    /// A device, by a keyed digest of what it calls itself.
    Device(String),
}

impl Owner {
    /// Who is calling.
    pub fn of(caller: &AnyCaller, tenant: TenantId, indexer: &BlindIndexer) -> Self {
        match caller {
            AnyCaller::Tenant(_) => Self::Tenant,
            AnyCaller::Customer(user) => Self::Customer(user.customer),
            AnyCaller::Device(device) => {
                let index = indexer.identity(tenant, Mode::Live, "device", &[&device.fingerprint]);
                Self::Device(index.as_str().to_owned())
            }
        }
    }

    /// The word in the database.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Customer(_) => "customer",
            Self::Device(_) => "device",
        }
    }

    /// The digest of a device.
    pub fn device(&self) -> Option<&str> {
        match self {
            Self::Device(index) => Some(index),
            Self::Tenant | Self::Customer(_) => None,
        }
    }
}

/// What a caller's repetitions are known by: neither a customer's nor a device's are the tenant's.
pub fn of_caller(once: Once, caller: &AnyCaller) -> Once {
    match caller {
        AnyCaller::Tenant(_) => once,
        AnyCaller::Customer(user) => once.by(Some(user.customer)),
        AnyCaller::Device(device) => once.by_device(&device.fingerprint),
    }
}

/// Who checks for a mode; 503 where nobody is configured to.
pub fn provider(app: &App, mode: Mode) -> Result<&dyn VerificationProvider> {
    match mode {
        Mode::Test => Ok(app.verifiers.test.as_ref()),
        Mode::Live => app.verifiers.live.as_deref().ok_or_else(|| {
            let message = "Identity checks are not available on this server";
            Error::new(StatusCode::SERVICE_UNAVAILABLE, "no_verification", message).of_type(TYPE)
        }),
    }
}

/// Stores a check that the provider has not heard of.
///
/// 429 when too many have begun for this number, customer or device.
pub async fn store(
    app: &App,
    tx: &mut TenantTx,
    mode: Mode,
    owner: &Owner,
    start: &Start,
    phone: &Phone,
) -> Result<()> {
    let (tenant, now) = (tx.tenant(), app.clock.now().trunc_subsecs(6));
    let mobile_index = mobile_index(&app.blind_indexer, tenant, mode, phone.e164());
    let customer = whose(app, tx, mode, owner, phone).await?;
    store::lock(tx, mobile_index.as_str()).await?;
    if let Some(device) = owner.device() {
        store::lock(tx, device).await?;
    }
    let since = now - TimeDelta::hours(1);
    if store::begun_since(tx, mode, owner, mobile_index.as_str(), since).await? >= MOST_IN_AN_HOUR {
        return Err(Error::too_many_requests(Duration::from_secs(600)));
    }
    let key = DataKey::generate()?;
    let new = store::NewCheck {
        id: start.check,
        mode,
        owner,
        customer,
        mobile_index: mobile_index.as_str(),
        wrapped_key: app.keys.of(tx).await?.wrap(&key_context(tenant, start.check), &key)?,
        details: seal(&key, tenant, start.check, "details", start)?,
        created_at: now,
        expires_at: now + USABLE,
    };
    Ok(store::insert(tx, &new).await?)
}

/// By which the checks of a number are found.
fn mobile_index(indexer: &BlindIndexer, tenant: TenantId, mode: Mode, e164: &str) -> BlindIndex {
    indexer.identity(tenant, mode, "mobile of an identity check", &[e164])
}

/// Whose standing a check may change: locked, so that nobody is forgotten meanwhile.
async fn whose(app: &App, tx: &mut TenantTx, mode: Mode, owner: &Owner, phone: &Phone) -> Result<Option<Uuid>> {
    let identities = Identities::new(&app.keys, &app.blind_indexer, mode);
    match owner {
        Owner::Customer(customer) => match identities.hold(tx, *customer).await? {
            Some(known) => Ok(Some(known.id)),
            None => Err(Error::forbidden("not_of_tenant", "this wallet is not of this tenant")),
        },
        Owner::Tenant => match identities.id_of(tx, phone).await? {
            Some(customer) => Ok(identities.hold(tx, customer).await?.map(|known| known.id)),
            None => Ok(None),
        },
        // Nobody has said yet who uses the device.
        Owner::Device(_) => Ok(None),
    }
}

/// A check, opened. It has no `Debug`.
pub struct Check {
    /// The row.
    pub row: Row,
    key: DataKey,
    tenant: TenantId,
}

impl Check {
    /// The check of an id, locked; `None` when there is none of the mode or it was forgotten.
    pub async fn hold(app: &App, tx: &mut TenantTx, mode: Mode, id: Uuid) -> Result<Option<Self>> {
        let (tenant, row) = (tx.tenant(), store::hold(tx, mode, id).await?);
        let Some((row, wrapped)) = row.and_then(|row| row.wrapped_key.clone().map(|key| (row, key))) else {
            return Ok(None);
        };
        let key = app.keys.of(tx).await?.unwrap_key(&key_context(tenant, id), &WrappedKey(wrapped))?;
        Ok(Some(Self { row, key, tenant }))
    }

    /// Whether it can be given a fingerprint.
    pub fn is_usable(&self, now: DateTime<Utc>) -> bool {
        now < self.row.expires_at
    }

    /// What was told at the start.
    pub fn start(&self) -> Result<Start> {
        self.open("details", &self.row.details)
    }

    /// What the provider calls it.
    pub fn reference(&self) -> Result<String> {
        self.open("reference", &self.row.reference)
    }

    /// The fingerprint that is or was validated.
    pub fn fingerprint(&self) -> Result<String> {
        self.open("fingerprint", &self.row.fingerprint)
    }

    /// Who was proven.
    pub fn person(&self) -> Result<Person> {
        self.open("finding", &self.row.finding)
    }

    /// Seals something of it.
    pub fn seal(&self, what: &str, value: &impl Serialize) -> Result<Sealed> {
        seal(&self.key, self.tenant, self.row.id, what, value)
    }

    fn open<T: DeserializeOwned>(&self, what: &str, sealed: &Option<Vec<u8>>) -> Result<T> {
        let sealed = sealed.clone().ok_or_else(|| Error::internal("something of an identity check is gone"))?;
        let plain = self.key.open(&context(self.tenant, self.row.id, what), &Sealed(sealed))?;
        // serde's errors quote values.
        serde_json::from_slice(&plain).map_err(|_| Error::internal("an identity check cannot be read"))
    }
}

fn seal(key: &DataKey, tenant: TenantId, id: Uuid, what: &str, value: &impl Serialize) -> Result<Sealed> {
    let plain = Zeroizing::new(serde_json::to_vec(value).map_err(Error::internal)?);
    Ok(key.seal(&context(tenant, id, what), &plain)?)
}

fn key_context(tenant: TenantId, id: Uuid) -> String {
    format!("key of identity check {tenant} {id}")
}

fn context(tenant: TenantId, id: Uuid, what: &str) -> String {
    format!("{what} of identity check {tenant} {id}")
}

/// 400: the caller has no such check, or no more.
#[track_caller]
pub fn not_found() -> Error {
    Error::bad_request("identity_check_not_found", "Request Id not found").of_type(TYPE).shaped(Shape::Caught)
}
