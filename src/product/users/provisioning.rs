//! Provisioning: those who are to have a wallet at the same time get theirs together.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, SubsecRound, Utc};
use uuid::Uuid;

use super::customer::{Name, key_context, phone_context};
use super::routes::{ProvisionStatus, ProvisionedWallet};
use super::salt::wallet_salt;
use super::{Customer, Directory, store};
use crate::batch::Work;
use crate::chain::wallet::WalletFactory;
use crate::db::TenantTx;
use crate::foundation::{BlindIndex, BlindIndexer, Clock, DataKey, Mode, Phone, TenantId};
use crate::http::idempotency::{self, Accepted, Once, Repeated};
use crate::http::{Error, Result};
use crate::product::ops::TenantKeys;

/// Addresses that are tried for one phone number.
const GENERATIONS: u64 = 64;

/// Makes customers and their wallets unless they exist, in one transaction for all that wait. However many ask for one
/// phone number at once, one makes them.
pub struct Provisioning {
    /// Opens tenants' keys, which wrap customers'.
    pub keys: TenantKeys,
    /// Computes wallets' addresses.
    pub factory: WalletFactory,
    /// Makes wallets' salts.
    pub indexer: BlindIndexer,
    /// The time.
    pub clock: Clock,
}

/// A request for a wallet.
pub struct Ask {
    pub tenant: TenantId,
    pub mode: Mode,
    pub phone: Phone,
    /// Of the phone number.
    pub index: BlindIndex,
    pub once: Once,
}

impl Work for Provisioning {
    const NAME: &'static str = "provision";
    type Item = Ask;
    type Outcome = Result<Response>;

    fn tenant(ask: &Ask) -> TenantId {
        ask.tenant
    }

    async fn perform(&self, tx: &mut TenantTx, asks: &[Ask]) -> Result<Vec<Result<Response>>> {
        let repeated: Vec<Repeated<'_>> = asks.iter().map(Ask::repeated).collect();
        let mut answers = idempotency::replay_all(tx, &repeated).await?;
        let open: Vec<&Ask> =
            asks.iter().zip(&answers).filter_map(|(ask, answer)| answer.is_none().then_some(ask)).collect();
        let mut known = Directory::find_all(tx, &names(&open)).await?;
        let unknown: Vec<&Ask> = open.into_iter().filter(|ask| !known.contains_key(&ask.name())).collect();
        let mut created = self.create(tx, &unknown).await?;
        // Somebody else was faster, and has committed.
        let elsewhere: Vec<&Ask> = unknown.into_iter().filter(|ask| !created.contains_key(&ask.name())).collect();
        known.extend(Directory::find_all(tx, &names(&elsewhere)).await?);

        let mut accepted = Vec::new();
        for (ask, answer) in asks.iter().zip(&mut answers).filter(|(_, answer)| answer.is_none()) {
            // The first that asked has made it; for the others it exists.
            let (status, customer) = match created.remove(&ask.name()) {
                Some(customer) => {
                    known.insert(ask.name(), customer.clone());
                    (ProvisionStatus::Created, customer)
                }
                None => match known.get(&ask.name()) {
                    Some(customer) => (ProvisionStatus::AlreadyExists, customer.clone()),
                    None => {
                        *answer = Some(Err(gone()));
                        continue;
                    }
                },
            };
            let body = serde_json::to_vec(&ProvisionedWallet::of(&customer, &ask.index, status));
            accepted.push((ask, answer, Accepted { status: StatusCode::OK, body: body.map_err(Error::internal)? }));
        }
        let kept: Vec<_> = accepted.iter().map(|(ask, _, accepted)| (ask.repeated(), accepted)).collect();
        idempotency::keep_all(tx, &kept).await?;
        for (_, answer, accepted) in accepted {
            *answer = Some(Ok(accepted.response()));
        }
        Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(gone()))).collect())
    }
}

impl Provisioning {
    /// Makes those that nobody else makes, and wallets for those who have none.
    async fn create<'a>(&self, tx: &mut TenantTx, asks: &[&'a Ask]) -> Result<HashMap<Name<'a>, Customer>> {
        let mut seen = HashSet::new();
        let asks: Vec<&Ask> = asks.iter().copied().filter(|ask| seen.insert(ask.name())).collect();
        if asks.is_empty() {
            return Ok(HashMap::new());
        }
        let tenants: BTreeSet<TenantId> = asks.iter().map(|ask| ask.tenant).collect();
        let keys = self.keys.of_all(tx, &Vec::from_iter(tenants)).await?;
        let now = self.clock.now().trunc_subsecs(6);
        let mut new = Vec::with_capacity(asks.len());
        for ask in &asks {
            let key = keys.get(&ask.tenant).ok_or_else(|| Error::internal("a tenant is gone"))?;
            let (id, data_key) = (Uuid::now_v7(), DataKey::generate()?);
            new.push(store::NewCustomer {
                tenant: ask.tenant,
                id,
                mode: ask.mode,
                blind_index: &ask.index,
                phone_sealed: data_key.seal(&phone_context(ask.tenant, id), ask.phone.e164().as_bytes())?,
                wrapped_key: key.wrap(&key_context(ask.tenant, id), &data_key)?,
                created_at: now,
            });
        }
        let inserted = store::insert_all(tx, &new).await?;
        let (made, there): (Vec<_>, Vec<_>) =
            asks.into_iter().zip(new).partition(|(_, new)| inserted.contains(&new.id));
        let mut wanting: Vec<(&'a Ask, Uuid)> = made.into_iter().map(|(ask, new)| (ask, new.id)).collect();
        // Onboarded by an address of their own, and not provisioned yet.
        let there: Vec<&Ask> = there.into_iter().map(|(ask, _)| ask).collect();
        let without: HashMap<_, _> = store::without_wallet(tx, &names(&there)).await?.into_iter().collect();
        wanting.extend(there.into_iter().filter_map(|ask| without.get(&ask.name()).map(|customer| (ask, *customer))));
        self.give_wallets(tx, wanting, now).await
    }

    /// Gives wallets to customers who have none. An address that somebody has already, such as one who had the phone
    /// number and was forgotten, is passed over.
    async fn give_wallets<'a>(
        &self,
        tx: &mut TenantTx,
        mut wanting: Vec<(&'a Ask, Uuid)>,
        now: DateTime<Utc>,
    ) -> Result<HashMap<Name<'a>, Customer>> {
        // Counted only now: as long as these customers have their numbers nobody leaves them, so that nobody counts the
        // same.
        let left = store::times_left(tx, &wanting.iter().map(|(ask, _)| ask.name()).collect::<Vec<_>>()).await?;
        let mut given = HashMap::new();
        for passed_over in 0..GENERATIONS {
            if wanting.is_empty() {
                break;
            }
            let wallet = |(ask, customer): &(&'a Ask, Uuid)| {
                let generation = left.get(&ask.name()).copied().unwrap_or(0) + passed_over;
                let salt = wallet_salt(&self.indexer, ask.tenant, ask.mode, &ask.phone, generation);
                let (address, owner) = (self.factory.address(salt), self.factory.owner());
                let (tenant, mode, customer) = (ask.tenant, ask.mode, *customer);
                store::NewWallet { tenant, mode, customer, address, salt, owner, created_at: now }
            };
            let wallets: Vec<store::NewWallet> = wanting.iter().map(wallet).collect();
            let stored = store::insert_wallets(tx, &wallets).await?;
            for ((ask, id), wallet) in wanting.iter().zip(&wallets).filter(|((_, id), _)| stored.contains(id)) {
                // Whoever asks for movements of money reads with the customer what restricts them.
                let (wallet, created_at) = (wallet.address, wallet.created_at);
                let customer = Customer { id: *id, wallet, created_at, is_badged: false, is_barred: false };
                given.insert(ask.name(), customer);
            }
            wanting.retain(|(_, customer)| !stored.contains(customer));
        }
        Ok(given)
    }
}

impl Ask {
    fn repeated(&self) -> Repeated<'_> {
        Repeated { tenant: self.tenant, mode: self.mode, once: &self.once }
    }

    fn name(&self) -> Name<'_> {
        (self.tenant, self.mode, &self.index)
    }
}

fn names<'a>(asks: &[&'a Ask]) -> Vec<Name<'a>> {
    asks.iter().map(|ask| ask.name()).collect()
}

/// 503: whoever had the number has left it since.
fn gone() -> Error {
    Error::unavailable("a customer was there and is gone", Duration::from_secs(1))
}
