//! FAULT 1 for withdrawals: the process dies between any two steps, and tokens and local money agree.

use super::payouts::TOKEN;
use super::{JANE, acme};
use crate::harness::app::TestApp;
use crate::harness::engine::Path;
use crate::harness::payout_network::{FakePawaPay, Fate};
use crate::harness::process::Process;
use crate::harness::withdrawals::{book, books_agree, until_is, until_refund_is, usdc, withdraw_body};

/// A server without workers, whose variables another process can use, and what pays there.
async fn world(fate: Fate, path: Path) -> (TestApp, FakePawaPay) {
    let fake = FakePawaPay::start(TOKEN).await;
    fake.fate(fate);
    let url = fake.url.clone();
    let app = TestApp::by(path, |variables| {
        variables.insert("PAYOUT_PROVIDER", "pawapay".to_owned());
        variables.insert("PAYOUT_URL", url);
        variables.insert("PAYOUT_TOKEN", TOKEN.to_owned());
        variables.insert("PAYOUT_REFUND_AFTER_SECONDS", "0".to_owned());
        variables.insert("PAYOUT_NETWORKS", "orange_money:CI:XOF:07".to_owned());
    })
    .await;
    (app, fake)
}

async fn dies_at(step: &str, fate: Fate, path: Path) {
    let (mut app, fake) = world(fate.clone(), path).await;
    let acme = acme(&app, "10").await;
    let jane = acme.customer(JANE).await;
    app.stop().await;
    let mut process = Process::serve(&app.variables, Some(step)).await;
    let body = withdraw_body(JANE, "10", Some("ref_1"));
    let bytes = body.to_string().into_bytes();
    let _ = acme
        .at(&process.base_url)
        .live
        .try_send(reqwest::Method::POST, "/v1/users/withdraw", Some(("application/json", bytes)))
        .await;
    process.dies().await;

    let mut second = Process::serve(&app.variables, None).await;
    // Looks that the dead process had begun end now and not in a minute.
    let look = "update payout set next_at = now(), leased_until = null where state in ('ready', 'asked')";
    sqlx::query(look).execute(&mut app.sql().await).await.unwrap();
    // Whoever was not answered sends the same again.
    let again = acme.at(&second.base_url).live.post("/v1/users/withdraw", body).await.expect(202);
    let id = again.json["withdrawal_id"].as_str().unwrap();

    fake.pays_nobody_twice();
    if fate == Fate::Pays {
        until_is(&app, id, "COMPLETED").await;
        assert_eq!(fake.times_paid().into_values().collect::<Vec<_>>(), [1]);
        assert_eq!((usdc(&app, jane).await, book(&app, "house").await), (0, (10_000_000, 0)));
    } else {
        until_refund_is(&app, id, "returned").await;
        assert!(fake.paid().is_empty());
        assert_eq!((usdc(&app, jane).await, book(&app, "house").await), (10_000_000, (0, 0)));
    }
    fake.pays_nobody_twice();
    assert_eq!(book(&app, "payouts").await, (0, 0));
    second.kill();
    app.start_again().await;
    books_agree(&app).await;
}

macro_rules! dies_at {
    ($($module:ident $fate:expr, $path:ident => $($step:ident),* $(,)?;)*) => {
        $(mod $module {
            use crate::harness::engine::Path;
            use crate::harness::payout_network::Fate;
            $(#[tokio::test]
            async fn $step() {
                super::dies_at(stringify!($step), $fate, Path::$path).await;
            })*
        })*
    };
}

dies_at!(
    paid_when_it_dies Fate::Pays, Lanes =>
        working, committed, claimed, user_op_stored, bundle_signed, bundle_stored, broadcast, sent, mined, ended, noted,
        payout_asked, payout_sent, payout_noted;
    returned_when_it_dies Fate::Fails("RECIPIENT_NOT_FOUND"), Lanes =>
        payout_asked, payout_sent, payout_noted, refund_stored;
    paid_when_it_dies_by_bundler Fate::Pays, Sponsored => claimed, user_op_stored, handed_over, mined, payout_sent;
);
