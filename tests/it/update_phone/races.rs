//! Changes of numbers that meet each other.

use std::collections::{HashMap, HashSet};

use futures::future::join_all;

use super::{changes, index_of, phone, provision, update, update_of};
use crate::harness::app::TestApp;

fn count(statuses: &[u16]) -> HashMap<u16, usize> {
    let mut counts = HashMap::new();
    for status in statuses {
        *counts.entry(*status).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn of_many_customers_who_take_one_number_one_gets_it() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    for n in 0..20 {
        provision(&acme.live, &phone(n)).await;
    }
    let moves = (0..20).map(|n| {
        let live = acme.live.clone();
        async move { update(&live, &phone(n), &phone(99)).await.status }
    });
    assert_eq!(count(&join_all(moves).await), HashMap::from([(200, 1), (409, 19)]));
    assert_eq!(changes(&app).await, 1);
}

#[tokio::test]
async fn of_many_numbers_for_one_customer_one_is_taken() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = provision(&acme.live, &phone(0)).await;
    let moves = (1..=20).map(|n| {
        let (live, dashboard, index) = (acme.live.clone(), acme.dashboard.clone(), index_of(&jane).to_owned());
        async move {
            match n % 2 {
                0 => update(&live, &phone(0), &phone(n)).await.status,
                _ => update_of(&dashboard, &index, &phone(n)).await.status,
            }
        }
    });
    assert_eq!(count(&join_all(moves).await), HashMap::from([(200, 1), (404, 19)]));
    assert_eq!(changes(&app).await, 1);
}

#[tokio::test]
async fn two_who_swap_their_numbers_are_refused_and_wait_for_nobody() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    for n in 0..2 {
        provision(&acme.live, &phone(n)).await;
    }
    let swaps = (0..20).map(|n| {
        let live = acme.live.clone();
        async move { update(&live, &phone(n % 2), &phone(1 - n % 2)).await.status }
    });
    assert_eq!(count(&join_all(swaps).await), HashMap::from([(409, 20)]));
}

#[tokio::test]
async fn a_new_customer_and_a_moved_one_do_not_share_a_number() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    for n in 0..8 {
        let (old, new) = (phone(n), phone(100 + n));
        provision(&acme.live, &old).await;
        let (moved, made) = tokio::join!(update(&acme.live, &old, &new), provision(&acme.live, &new));
        // Whoever comes second finds the number taken.
        match moved.status {
            200 => assert_eq!(
                (&made["status"], &made["wallet_address"]),
                (&"ALREADY_EXISTS".into(), &moved.json["wallet_address"])
            ),
            _ => assert_eq!((moved.status, &made["status"]), (409, &"CREATED".into())),
        }
    }
}

#[tokio::test]
async fn a_number_that_is_left_and_taken_up_at_once_never_gives_an_address_twice() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let leave = |target: u32| {
        let live = acme.live.clone();
        async move { update(&live, &phone(0), &phone(target)).await.status }
    };
    let take_up = || {
        let live = acme.live.clone();
        async move {
            let body = serde_json::json!({"phone_number": phone(0)});
            live.post("/v1/users/provision", body).await
        }
    };
    let mut addresses = HashSet::new();
    for round in 0..8 {
        let left = join_all((0..6).map(|n| leave(100 + round * 10 + n)));
        let taken = join_all((0..6).map(|_| take_up()));
        let (left, taken) = tokio::join!(left, taken);
        assert!(left.iter().all(|status| matches!(status, 200 | 404)), "{left:?}");
        for answer in taken {
            // 503: found it taken and free again in one breath; to be sent again.
            assert!(matches!(answer.status, 200 | 503), "{answer}");
            if answer.json["status"] == "CREATED" {
                assert!(addresses.insert(answer.json["wallet_address"].to_string()));
            }
        }
    }
    let wallets: i64 =
        sqlx::query_scalar("select count(distinct address) from wallet").fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(usize::try_from(wallets).unwrap(), addresses.len());
}
