//! The ledger: what it promises of other people's money, against a real database.

mod model;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diolkos::db::Db;
use diolkos::foundation::{Amount, TenantId};
use diolkos::ledger::{self, AccountKind, Balance, Discrepancy, End, Ended, Outcome, Posting};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use uuid::Uuid;

use crate::harness;

fn amount(base_units: u128) -> Amount {
    Amount::from_base_units(base_units).expect("an amount")
}

async fn tenant(db: &Db, name: &str) -> TenantId {
    let tenant = TenantId::new();
    let mut tx = db.engine().await.expect("an engine transaction");
    sqlx::query("insert into tenant (tenant_id, namespace, name, wrapped_key) values ($1, $2, $3, '\\x00')")
        .bind(tenant.0)
        .bind(format!("{name}.ul"))
        .bind(name)
        .execute(&mut *tx)
        .await
        .expect("a tenant");
    tx.commit().await.expect("a commit");
    tenant
}

fn topup(tenant: TenantId, reference: &str, base_units: u128) -> Posting {
    Posting {
        tenant,
        id: Uuid::now_v7(),
        debit: AccountKind::Funding,
        credit: AccountKind::Treasury,
        token: "USDC".to_owned(),
        amount: amount(base_units),
        reason: "topup",
        reference: format!("topup:{reference}"),
    }
}

fn deposit(tenant: TenantId, reference: &str, base_units: u128) -> Posting {
    Posting {
        tenant,
        id: Uuid::now_v7(),
        debit: AccountKind::Treasury,
        credit: AccountKind::Customers,
        token: "USDC".to_owned(),
        amount: amount(base_units),
        reason: "deposit",
        reference: format!("deposit:{reference}"),
    }
}

async fn post(db: &Db, postings: &[Posting]) -> Vec<Outcome> {
    enter(db, postings, true).await
}

async fn reserve(db: &Db, postings: &[Posting]) -> Vec<Outcome> {
    enter(db, postings, false).await
}

async fn enter(db: &Db, postings: &[Posting], at_once: bool) -> Vec<Outcome> {
    let tenants: BTreeSet<TenantId> = postings.iter().map(|posting| posting.tenant).collect();
    let mut tx = db.tenants(&Vec::from_iter(tenants)).begin().await.expect("a transaction");
    let outcomes = match at_once {
        true => ledger::post(&mut tx, postings).await,
        false => ledger::reserve(&mut tx, postings).await,
    };
    tx.commit().await.expect("a commit");
    outcomes.expect("outcomes")
}

async fn end(db: &Db, items: &[(TenantId, Uuid, End)]) -> Vec<Ended> {
    let tenants: BTreeSet<TenantId> = items.iter().map(|(tenant, _, _)| *tenant).collect();
    let mut tx = db.tenants(&Vec::from_iter(tenants)).begin().await.expect("a transaction");
    let ended = ledger::end(&mut tx, items).await.expect("outcomes");
    tx.commit().await.expect("a commit");
    ended
}

async fn balance(db: &Db, tenant: TenantId, kind: AccountKind) -> Balance {
    let mut tx = db.tenant(tenant).begin().await.expect("a transaction");
    ledger::balance(&mut tx, kind, "USDC").await.expect("a balance")
}

async fn treasury(db: &Db, tenant: TenantId) -> (u128, u128) {
    let balance = balance(db, tenant, AccountKind::Treasury).await;
    (balance.available().base_units(), balance.reserved().base_units())
}

async fn discrepancies(db: &Db, tenants: &[TenantId]) -> Vec<Discrepancy> {
    let mut tx = db.tenants(tenants).begin().await.expect("a transaction");
    ledger::verify(&mut tx).await.expect("a verification")
}

#[tokio::test]
async fn a_reservation_is_posted_or_voided_once() {
    let db = harness::database().await;
    let acme = tenant(&db, "acme").await;
    assert_eq!(post(&db, &[topup(acme, "1", 100)]).await, [Outcome::Accepted]);

    let (paid, refused) = (deposit(acme, "paid", 60), deposit(acme, "refused", 40));
    assert_eq!(reserve(&db, &[paid.clone(), refused.clone()]).await, [Outcome::Accepted, Outcome::Accepted]);
    assert_eq!(treasury(&db, acme).await, (0, 100));

    let ends = [(acme, paid.id, End::Post), (acme, refused.id, End::Void)];
    assert_eq!(end(&db, &ends).await, [Ended::Now, Ended::Now]);
    assert_eq!(end(&db, &ends).await, [Ended::Already, Ended::Already]);
    assert_eq!(end(&db, &[(acme, paid.id, End::Void)]).await, [Ended::Otherwise]);
    assert_eq!(end(&db, &[(acme, Uuid::now_v7(), End::Void)]).await, [Ended::Unknown]);

    assert_eq!(treasury(&db, acme).await, (40, 0));
    let paid_out = balance(&db, acme, AccountKind::Customers).await;
    assert_eq!((paid_out.posted_credits, paid_out.pending_credits), (amount(60), Amount::ZERO));
    assert_eq!(discrepancies(&db, &[acme]).await, []);
}

#[tokio::test]
async fn of_contrary_ends_in_one_batch_the_first_decides() {
    let db = harness::database().await;
    let acme = tenant(&db, "acme").await;
    post(&db, &[topup(acme, "1", 100)]).await;
    let paid = deposit(acme, "paid", 60);
    reserve(&db, std::slice::from_ref(&paid)).await;

    let ended = end(&db, &[(acme, paid.id, End::Post), (acme, paid.id, End::Post), (acme, paid.id, End::Void)]).await;

    assert_eq!(ended, [Ended::Now, Ended::Already, Ended::Otherwise]);
    assert_eq!(treasury(&db, acme).await, (40, 0));
}

#[tokio::test]
async fn every_item_of_a_batch_has_its_own_answer() {
    let db = harness::database().await;
    let (acme, globex) = (tenant(&db, "acme").await, tenant(&db, "globex").await);
    assert_eq!(post(&db, &[topup(acme, "1", 100), topup(globex, "1", 10)]).await, [Outcome::Accepted; 2]);
    assert_eq!(reserve(&db, &[deposit(acme, "known", 5)]).await, [Outcome::Accepted]);

    let outcomes = reserve(
        &db,
        &[
            deposit(acme, "a", 50),
            deposit(acme, "too much", 60),
            deposit(globex, "a", 10),
            deposit(acme, "a", 1),
            deposit(acme, "known", 1),
            deposit(acme, "the rest", 45),
            deposit(acme, "too much", 60),
            deposit(globex, "b", 1),
        ],
    )
    .await;

    assert_eq!(
        outcomes,
        [
            Outcome::Accepted,
            Outcome::Insufficient,
            Outcome::Accepted,
            Outcome::Duplicate,
            Outcome::Duplicate,
            Outcome::Accepted,
            Outcome::Insufficient,
            Outcome::Insufficient,
        ]
    );
    assert_eq!((treasury(&db, acme).await, treasury(&db, globex).await), ((0, 100), (0, 10)));
    assert_eq!(discrepancies(&db, &[acme, globex]).await, []);
}

#[tokio::test]
async fn an_empty_batch_is_nothing() {
    let db = harness::database().await;
    let acme = tenant(&db, "acme").await;
    let mut tx = db.tenant(acme).begin().await.expect("a transaction");
    assert_eq!(ledger::reserve(&mut tx, &[]).await.expect("outcomes"), []);
    assert_eq!(ledger::end(&mut tx, &[]).await.expect("outcomes"), []);
}

#[tokio::test]
async fn another_tenants_accounts_are_out_of_reach() {
    let db = harness::database().await;
    let (acme, globex) = (tenant(&db, "acme").await, tenant(&db, "globex").await);
    post(&db, &[topup(globex, "1", 100)]).await;
    let stolen = deposit(globex, "1", 10);
    let reserved = deposit(globex, "2", 10);
    reserve(&db, std::slice::from_ref(&reserved)).await;

    let mut tx = db.tenant(acme).begin().await.expect("a transaction");
    ledger::reserve(&mut tx, &[stolen]).await.expect_err("out of the transaction's scope");
    drop(tx);
    let mut tx = db.tenant(acme).begin().await.expect("a transaction");
    let ended = ledger::end(&mut tx, &[(globex, reserved.id, End::Post)]).await.expect("an answer");
    tx.commit().await.expect("a commit");

    assert_eq!(ended, [Ended::Unknown]);
    assert_eq!(treasury(&db, globex).await, (90, 10));
}

/// FAULTS 21.
#[tokio::test]
async fn of_64_requests_at_once_exactly_those_are_accepted_that_the_balance_covers() {
    let db = harness::database().await;
    let acme = tenant(&db, "acme").await;
    post(&db, &[topup(acme, "1", 10 * 7)]).await;

    let requests = (0..64).map(|n| {
        let (db, posting) = (db.clone(), deposit(acme, &n.to_string(), 7));
        tokio::spawn(async move { reserve(&db, &[posting]).await })
    });
    let mut accepted = 0;
    for request in requests.collect::<Vec<_>>() {
        match request.await.expect("an answer")[..] {
            [Outcome::Accepted] => accepted += 1,
            [Outcome::Insufficient] => {}
            ref other => panic!("unexpected {other:?}"),
        }
    }

    assert_eq!((accepted, treasury(&db, acme).await), (10, (0, 70)));
    assert_eq!(discrepancies(&db, &[acme]).await, []);
}

/// FAULTS 20.
#[tokio::test]
async fn one_reference_50_times_at_once_is_entered_once() {
    let db = harness::database().await;
    let acme = tenant(&db, "acme").await;
    post(&db, &[topup(acme, "1", 1000)]).await;

    let requests = (0..50).map(|n| {
        let (db, mut posting) = (db.clone(), deposit(acme, "once", 7));
        if n % 2 == 1 {
            // On other accounts, so that only the reference can tell.
            (posting.debit, posting.credit) = (AccountKind::Customers, AccountKind::Funding);
        }
        tokio::spawn(async move { reserve(&db, &[posting]).await })
    });
    let mut outcomes = HashMap::new();
    for request in requests.collect::<Vec<_>>() {
        *outcomes.entry(format!("{:?}", request.await.expect("an answer"))).or_insert(0) += 1;
    }

    assert_eq!(outcomes, HashMap::from([("[Accepted]".to_owned(), 1), ("[Duplicate]".to_owned(), 49)]));
    assert_eq!(discrepancies(&db, &[acme]).await, []);
}

#[tokio::test]
async fn batches_over_several_tenants_do_not_deadlock_even_when_they_open_the_accounts() {
    let db = harness::database().await;
    let mut tenants = Vec::new();
    for n in 0..6 {
        tenants.push(tenant(&db, &format!("tenant-{n}")).await);
    }
    let batches = (0..24_usize).map(|n| {
        let db = db.clone();
        let mut batch: Vec<Posting> = tenants
            .iter()
            .enumerate()
            .filter(|(i, _)| !(i + n).is_multiple_of(3))
            .map(|(_, tenant)| topup(*tenant, &format!("{}", n / 2), 10))
            .collect();
        if n.is_multiple_of(2) {
            batch.reverse();
        }
        tokio::spawn(async move { post(&db, &batch).await })
    });
    for batch in batches.collect::<Vec<_>>() {
        batch.await.expect("an answer");
    }
    assert_eq!(discrepancies(&db, &tenants).await, []);
}

#[tokio::test]
async fn ten_thousand_items_of_many_tenants_are_one_batch() {
    let db = harness::database().await;
    let mut tenants = Vec::new();
    for n in 0..20 {
        tenants.push(tenant(&db, &format!("tenant-{n}")).await);
    }
    let topups: Vec<Posting> = tenants.iter().map(|tenant| topup(*tenant, "1", 400)).collect();
    post(&db, &topups).await;

    // Several rounds in one connection, so that the statement's generic plan is met too.
    for round in 0..8 {
        let batch: Vec<Posting> = (0..10_000).map(|n| deposit(tenants[n % 20], &format!("{round}-{n}"), 1)).collect();
        let accepted = reserve(&db, &batch).await.iter().filter(|outcome| **outcome == Outcome::Accepted).count();
        assert_eq!(accepted, if round == 0 { 20 * 400 } else { 0 });
        if round == 0 {
            let ends: Vec<_> = batch.iter().map(|posting| (posting.tenant, posting.id, End::Post)).collect();
            let ended = end(&db, &ends).await;
            assert_eq!(ended.iter().filter(|ended| **ended == Ended::Now).count(), 8_000);
        }
    }
    assert_eq!(discrepancies(&db, &tenants).await, []);
}

#[tokio::test]
async fn the_database_itself_refuses_an_overdraft() {
    let db = harness::database().await;
    let acme = tenant(&db, "acme").await;
    post(&db, &[topup(acme, "1", 100)]).await;

    let mut tx = db.tenant(acme).begin().await.expect("a transaction");
    let refused =
        sqlx::query("update ledger_account set pending_debits = pending_debits + 101 where kind = 'treasury'")
            .execute(&mut *tx)
            .await
            .expect_err("an overdraft");

    let constraint = refused.as_database_error().and_then(|error| error.constraint()).map(str::to_owned);
    assert_eq!(constraint.as_deref(), Some("ledger_account_no_overdraft"));
}

#[tokio::test]
async fn verification_finds_planted_differences() {
    let db = harness::database().await;
    let acme = tenant(&db, "acme").await;
    post(&db, &[topup(acme, "1", 100)]).await;
    assert_eq!(discrepancies(&db, &[acme]).await, []);

    let mut tx = db.tenant(acme).begin().await.expect("a transaction");
    sqlx::query("update ledger_account set posted_credits = posted_credits + 1 where kind = 'treasury'")
        .execute(&mut *tx)
        .await
        .expect("a planted difference");
    tx.commit().await.expect("a commit");

    let found = discrepancies(&db, &[acme]).await;
    assert!(
        matches!(&found[..], [
            Discrepancy::Account { tenant, kind: AccountKind::Treasury, recorded, rebuilt, .. },
            Discrepancy::Token { debits, credits, .. },
        ] if *tenant == acme
            && recorded.posted_credits == amount(101)
            && rebuilt.posted_credits == amount(100)
            && (*debits, *credits) == (amount(100), amount(101))),
        "{found:?}"
    );
    assert!(found[0].to_string().contains("account treasury USDC"), "{}", found[0]);
}
