//! The engine pays with keys that are elsewhere.

use std::sync::Arc;

use alloy::signers::local::PrivateKeySigner;
use diolkos::chain::{ChainSettings, Payer, SharedSigner, SmartWallet};
use diolkos::providers::keys::Use;

use super::vault::{Mood, Vault};
use super::{Fakes, OWNER_IN_GCP};
use crate::harness::engine::{TestEngine, stranger};
use crate::harness::until;

/// How the engine's settings get their signers.
async fn engine_with(change: impl FnOnce(&mut ChainSettings)) -> TestEngine {
    let mut engine = TestEngine::stopped(change).await;
    engine.run().await;
    engine
}

impl Fakes {
    async fn opened(&self, source: &str) -> SharedSigner {
        self.open(source, Use::Sign).await.unwrap()
    }
}

/// A wallet that holds USDC, whichever owner's.
async fn wallet_of(engine: &TestEngine, owner: &SharedSigner, holds: u64) -> SmartWallet {
    let wallet = SmartWallet { owner: owner.address(), salt: rand::random::<[u8; 32]>().into() };
    engine.services.mint(&engine.proxy.target, wallet.address(), holds).await;
    wallet
}

#[tokio::test]
async fn new_wallets_are_of_the_first_owner_and_older_ones_keep_theirs_wherever_the_keys_are() {
    let fakes = Fakes::start().await;
    fakes.aws.vault.keep("alias/owner", &PrivateKeySigner::random());
    fakes.gcp.vault.keep(super::VERSION, &PrivateKeySigner::random());
    let old: SharedSigner = Arc::new(PrivateKeySigner::random());
    let owners = vec![fakes.opened("aws-kms:alias/owner").await, fakes.opened(OWNER_IN_GCP).await, old];
    let configured = owners.clone();
    let engine = engine_with(|settings| settings.wallet_owners = configured).await;
    assert_eq!(engine.chain.wallets().owner(), owners[0].address());

    let (shop, mut operations) = (stranger(), Vec::new());
    for owner in &owners {
        let wallet = wallet_of(&engine, owner, 1_000_000).await;
        // The first deploys the wallet.
        for amount in [100_000, 200_000] {
            operations.extend(engine.pay_from(Payer::Wallet(wallet), &[(shop, amount)]).await);
        }
    }

    assert_eq!(engine.ended(&operations).await, ["succeeded"; 6]);
    assert_eq!(engine.holds(shop).await, 900_000);
    assert!(fakes.aws.vault.asked("TrentService.Sign") > 1 && fakes.gcp.vault.asked("AsymmetricSign") > 1);
    engine.lane_at_rest().await;
}

#[tokio::test]
async fn treasury_and_lane_may_be_elsewhere_too() {
    let fakes = Fakes::start().await;
    let (treasury, lane) = (PrivateKeySigner::random(), PrivateKeySigner::random());
    fakes.gcp.vault.keep(super::VERSION, &treasury);
    fakes.aws.vault.keep("alias/lane", &lane);
    let (treasury, lane) = (fakes.opened(OWNER_IN_GCP).await, fakes.opened("aws-kms:alias/lane").await);
    let (treasury_address, lane_address) = (treasury.address(), lane.address());
    let services = crate::harness::services::services();
    services.fund(&services.rpc_url, treasury_address, lane_address).await;
    let engine = engine_with(|settings| {
        settings.treasury = treasury;
        settings.lanes = vec![lane];
    })
    .await;
    // A transaction or a user operation with a high s would be refused.
    fakes.gcp.vault.is(Mood::HighS);
    fakes.aws.vault.is(Mood::HighS);

    let (jane, john) = (stranger(), stranger());
    let operations = engine.pay(&[(jane, 3), (john, 4)]).await;

    assert_eq!(engine.ended(&operations).await, ["succeeded", "succeeded"]);
    assert_eq!((engine.transfers_to(jane).await, engine.transfers_to(john).await), (vec![3], vec![4]));
    engine.lane_at_rest().await;
}

/// A payment waits while its signer is in a bad mood, others do not, and it is made once afterwards.
async fn waits_out(mood: Mood) {
    let fakes = Fakes::start().await;
    let source = "aws-kms:alias/owner";
    fakes.aws.vault.keep("alias/owner", &PrivateKeySigner::random());
    let owner = fakes.opened(source).await;
    let configured = vec![owner.clone()];
    let engine = engine_with(|settings| settings.wallet_owners = configured).await;
    let jane = wallet_of(&engine, &owner, 1_000_000).await;
    let vault = &fakes.aws.vault;
    vault.is(mood);
    let before = vault.asked("TrentService.Sign");
    let (shop, bank) = (stranger(), stranger());

    let waiting = engine.pay_from(Payer::Wallet(jane), &[(shop, 1_000)]).await;
    until("the signer is asked", || async { (vault.asked("TrentService.Sign") > before).then_some(()) }).await;
    if mood == Mood::Hangs {
        assert_eq!(transactions(&engine).await, 0, "a transaction is open while a signer is asked");
    }
    let treasurys = engine.pay(&[(bank, 2_000)]).await;
    assert_eq!(engine.ended(&treasurys).await, ["succeeded"]);
    asked_again(vault, before + 1).await;
    assert_eq!(engine.state(waiting[0]).await.0, "waiting");
    assert_eq!(engine.holds(shop).await, 0);
    vault.is(Mood::Well);

    assert_eq!(engine.ended(&waiting).await, ["succeeded"]);
    assert_eq!((engine.holds(shop).await, engine.holds(jane.address()).await), (1_000, 999_000));
    engine.lane_at_rest().await;
}

async fn asked_again(vault: &Vault, before: usize) {
    until("the signer is asked again", || async { (vault.asked("TrentService.Sign") > before).then_some(()) }).await;
}

/// Transactions of the server that are open and wait for it.
async fn transactions(engine: &TestEngine) -> i64 {
    let mut sql = engine.sql().await;
    sqlx::query_scalar(
        "select count(*) from pg_stat_activity
         where datname = current_database() and state like 'idle in transaction%' and pid <> pg_backend_pid()",
    )
    .fetch_one(&mut sql)
    .await
    .unwrap()
}

macro_rules! waits_out {
    ($($name:ident: $mood:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $name() {
            waits_out(Mood::$mood).await;
        })*
    }
}

waits_out! {
    a_payment_waits_while_its_signer_is_throttled_and_is_made_once: Throttles,
    a_payment_waits_while_its_signer_hangs_and_is_made_once: Hangs,
    a_payment_waits_while_its_signer_may_not_sign_and_is_made_once: Forbids,
    a_payment_is_not_made_with_another_keys_signature: OtherKey,
}
