//! Taking a quote, and what tokens pay out.

use diolkos::foundation::{Amount, Mode};
use diolkos::product::fx::{Quotes, Taking};

use super::quote;
use crate::harness::app::TestApp;
use crate::harness::tenant::TestTenant;

async fn take(app: &TestApp, tenant: &TestTenant, mode: Mode, quote_id: &str) -> Taking {
    let mut tx = app.app.db.tenant(tenant.id).begin().await.unwrap();
    let taking = Quotes::take(&mut tx, mode, quote_id).await.unwrap();
    tx.commit().await.unwrap();
    taking
}

async fn quote_id(tenant: &TestTenant) -> String {
    quote(&tenant.live, "XOF", "11000").await.expect(200).json["quote_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn of_fifty_who_take_a_quote_at_once_one_has_it() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let id = quote_id(&acme).await;

    let takings = futures::future::join_all((0..50).map(|_| take(&app, &acme, Mode::Live, &id))).await;

    let taken: Vec<_> = takings.iter().filter(|taking| matches!(taking, Taking::Taken(_))).collect();
    let [Taking::Taken(quote)] = taken[..] else { panic!("{takings:?}") };
    assert_eq!(takings.iter().filter(|taking| **taking == Taking::Used).count(), 49);
    assert_eq!((quote.public_id(), quote.currency.code(), &*quote.token), (id, "XOF", "USDC"));
    let numbers = (quote.fiat_amount.to_string(), quote.rate.to_string(), quote.amount.base_units());
    assert_eq!(numbers, ("11000".to_owned(), "563.30250000".to_owned(), 19_527_696));
}

#[tokio::test]
async fn a_quote_is_free_again_when_its_takers_transaction_fails() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let id = quote_id(&acme).await;
    let mut tx = app.app.db.tenant(acme.id).begin().await.unwrap();
    assert!(matches!(Quotes::take(&mut tx, Mode::Live, &id).await.unwrap(), Taking::Taken(_)));
    drop(tx);
    assert!(matches!(take(&app, &acme, Mode::Live, &id).await, Taking::Taken(_)));
    assert_eq!(take(&app, &acme, Mode::Live, &id).await, Taking::Used);
}

/// FAULTS 22.
#[tokio::test]
async fn a_quote_belongs_to_a_tenant_and_a_mode() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let id = quote_id(&acme).await;
    assert_eq!(take(&app, &globex, Mode::Live, &id).await, Taking::Unknown);
    assert_eq!(take(&app, &acme, Mode::Test, &id).await, Taking::Unknown);
    for unknown in ["", "fx_", &id[3..], &id.to_uppercase(), "fx_00000000000000000000000000000000", "' or true; --"] {
        assert_eq!(take(&app, &acme, Mode::Live, unknown).await, Taking::Unknown, "{unknown}");
    }
    assert!(matches!(take(&app, &acme, Mode::Live, &id).await, Taking::Taken(_)));
}

#[tokio::test]
async fn a_quote_expires_by_the_databases_clock() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let (first, second) = (quote_id(&acme).await, quote_id(&acme).await);
    // The server's clock has no say.
    app.app.clock.move_by(chrono::TimeDelta::hours(1));
    assert!(matches!(take(&app, &acme, Mode::Live, &first).await, Taking::Taken(_)));

    let over = "update fx_quote set expires_at = clock_timestamp()";
    sqlx::query(over).execute(&mut app.sql().await).await.unwrap();

    assert_eq!(take(&app, &acme, Mode::Live, &second).await, Taking::Expired);
    assert_eq!(take(&app, &acme, Mode::Live, &first).await, Taking::Used);
}

#[tokio::test]
async fn tokens_pay_out_less_than_they_cost() {
    let app = TestApp::new().await;
    let (quotes, usdc) = (&app.app.fx, app.app.tokens.by_symbol("USDC").unwrap());
    let amount = |units| Amount::from_base_units(units).unwrap();
    let (francs, shillings) = ("XOF".parse().unwrap(), "KES".parse().unwrap());

    let payout = quotes.now(Mode::Live, usdc, amount(19_527_696), francs).await.unwrap();
    assert_eq!((payout.amount.to_string(), payout.rate.to_string()), ("10890".to_owned(), "557.69750000".to_owned()));
    let payout = quotes.now(Mode::Test, usdc, amount(1_000_000), shillings).await.unwrap();
    assert_eq!((payout.amount.to_string(), payout.rate.to_string()), ("128.55".to_owned(), "128.55400000".to_owned()));

    let little = quotes.now(Mode::Live, usdc, amount(1), francs).await.unwrap_err();
    insta::assert_snapshot!(little, @"400 invalid_amount: amount is worth less than the least of XOF");
    let unknown = quotes.now(Mode::Live, usdc, amount(1), "JPY".parse().unwrap()).await.unwrap_err();
    assert_eq!((unknown.status().as_u16(), unknown.code()), (400, "currency_not_quoted"));
}
