//! What is kept of each change of what is known of a customer.

use chrono::{DateTime, SubsecRound, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::compliance;
use super::directory::{Directory, NamedWallet};
use super::kind::Kind;
use super::profile::{Profile, seal};
use super::status::{Decision, Standing};
use super::store::{self, ChangedBy};
use crate::db::TenantTx;
use crate::foundation::{Mode, Phone};
use crate::http::Result;
use crate::product::App;
use crate::product::users::{Changer, Identities, Known};

/// What was known of a customer at a moment.
pub struct Snapshot {
    /// What they have told.
    pub profile: Profile,
    /// Their number.
    pub phone: String,
    /// What identity checks say of them.
    pub kyc: Decision,
}

impl Snapshot {
    /// All of it as one document.
    pub fn fields(&self) -> Profile {
        let mut fields = self.profile.clone();
        fields.0.insert("phoneNumber".to_owned(), Value::String(self.phone.clone()));
        fields.0.insert("kycStatus".to_owned(), Value::from(self.kyc.as_str()));
        fields
    }
}

/// What a customer's wallets were called at a moment.
#[derive(PartialEq)]
pub struct Names {
    custom: Option<String>,
    wallets: Vec<Value>,
}

impl Names {
    /// Of these wallets.
    pub fn of(wallets: &[NamedWallet]) -> Self {
        let named = |wallet: &NamedWallet| {
            json!({
                "accountAddress": wallet.address.to_checksum(None),
                "namespace": wallet.namespace,
                "customNamespace": wallet.custom_namespace,
                "isPrimary": wallet.is_primary,
            })
        };
        let shown = NamedWallet::shown(wallets);
        let custom = shown.and_then(|wallet| wallet.custom_namespace.clone());
        // A wallet that is called nothing and is nobody's first has no names: it comes and goes without a change of them.
        let has_names = |wallet: &&NamedWallet| {
            wallet.namespace.is_some() || wallet.custom_namespace.is_some() || wallet.is_primary
        };
        Self { custom, wallets: wallets.iter().filter(has_names).map(named).collect() }
    }

    /// All of it as one document.
    pub fn fields(&self) -> Profile {
        let mut fields = Profile::default();
        fields.0.insert("customNamespace".to_owned(), self.custom.clone().into());
        fields.0.insert("namespaces".to_owned(), self.wallets.clone().into());
        fields
    }
}

/// Keeps what was before and what is after, unless they are the same.
pub async fn remember(
    tx: &mut TenantTx,
    mode: Mode,
    known: &Known,
    (old, new): (&Snapshot, &Snapshot),
    (by, remarks): (ChangedBy, Option<&str>),
    now: DateTime<Utc>,
) -> Result<()> {
    let (old, new) = (old.fields(), new.fields());
    if old == new {
        return Ok(());
    }
    keep(tx, mode, known, (&old, &new), (by, remarks), now).await
}

/// Keeps what the wallets of an onboarded person were called before and are called now, unless that is the same. Nobody
/// is shown what a business was.
pub async fn remember_names(
    tx: &mut TenantTx,
    mode: Mode,
    known: &Known,
    old: &Names,
    by: ChangedBy,
    now: DateTime<Utc>,
) -> Result<()> {
    let new = Names::of(&Directory::wallets(tx, mode, known.id).await?);
    if *old == new || store::kind_of(tx, known.id).await? != Some(Kind::Person) {
        return Ok(());
    }
    keep(tx, mode, known, (&old.fields(), &new.fields()), (by, None), now).await
}

/// Keeps what differs: a profile is large, and most changes are small.
async fn keep(
    tx: &mut TenantTx,
    mode: Mode,
    known: &Known,
    (old, new): (&Profile, &Profile),
    (by, remarks): (ChangedBy, Option<&str>),
    now: DateTime<Utc>,
) -> Result<()> {
    let tenant = tx.tenant();
    let (old, new) = (
        seal(&known.key, tenant, known.id, "change from", &old.unlike(new))?,
        seal(&known.key, tenant, known.id, "change to", &new.unlike(old))?,
    );
    let remarks = remarks.map(|text| seal(&known.key, tenant, known.id, "remarks", &text)).transpose()?;
    Ok(store::insert_change(tx, mode, known.id, (&old, &new, remarks.as_ref()), by, now.trunc_subsecs(6)).await?)
}

/// What other features keep in customers' histories.
pub struct History;

impl History {
    /// Keeps that a customer moves to another phone number, before they do; nothing for who was never onboarded. What was
    /// found out about the number that is left says nothing of the new one: an identity check has to be made again, and a
    /// compliance check that is open is asked for again.
    pub async fn phone_moves(
        app: &App,
        tx: &mut TenantTx,
        (mode, customer): (Mode, Uuid),
        to: &Phone,
        by: Changer,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let now = now.trunc_subsecs(6);
        let Some(row) = store::find_profile(tx, mode, customer).await? else { return Ok(()) };
        let identities = Identities::new(&app.keys, &app.blind_indexer, mode);
        let Some(known) = identities.hold(tx, customer).await? else { return Ok(()) };
        let profile = Profile::open(&known.key, tx, known.id, &row.document)?;
        let old = Snapshot { profile: profile.clone(), phone: known.phone(tx)?, kyc: row.standing.kyc };
        let new = Snapshot { profile, phone: to.e164().to_owned(), kyc: Decision::Pending };
        remember(tx, mode, &known, (&old, &new), (ChangedBy::from(by), None), now).await?;
        let standing = Standing { kyc: new.kyc, ..row.standing };
        if compliance::ask_again(tx, mode, known.id, now).await? {
            store::set_standing(tx, known.id, &standing.looked_at_again(), None, now).await?;
        } else if new.kyc != old.kyc {
            store::set_standing(tx, known.id, &standing, row.denial.as_ref(), now).await?;
        }
        Ok(())
    }
}

impl From<Changer> for ChangedBy {
    fn from(changer: Changer) -> Self {
        match changer {
            Changer::Key(key) => Self::Key(key),
            Changer::Subject(subject) => Self::Subject(subject),
        }
    }
}
