//! Several workers, and workers that die: each event arrives at least once, and in order.

use std::collections::HashMap;

use diolkos::jobs::Jobs;
use diolkos::webhooks::PurgeWebhooks;
use sqlx::Executor;

use crate::harness::app::TestApp;
use crate::harness::process::Process;
use crate::harness::until;
use crate::harness::webhook_receiver::Receiver;
use crate::webhooks::{LIFE, acme, app, app_without_worker, no_webhook_waits, simulate};

/// A worker in a process of its own.
async fn worker(app: &TestApp, fail_at: Option<&str>) -> Process {
    let mut variables = app.variables.clone();
    variables.insert("ROLES", "worker".to_owned());
    Process::spawn(&variables, fail_at)
}

/// Leases of those who died end now and not in half a minute.
async fn end_leases(app: &TestApp) {
    let end = "update webhook_delivery set next_at = now(), lease_until = now() where lease_until is not null";
    app.sql().await.execute(end).await.unwrap();
}

#[tokio::test]
async fn fault_1_a_worker_that_dies_between_sending_and_noting_sends_again_under_the_same_id() {
    let app = app_without_worker().await;
    let acme = acme(&app).await;
    let receiver = Receiver::start().await;
    let hook = acme.hook(&receiver.url, None).await;
    simulate(&acme, "dep_1").await;

    worker(&app, Some("webhook_sent")).await.dies().await;
    assert_eq!(receiver.events(), ["deposit.queued"]);
    let _second = worker(&app, None).await;
    end_leases(&app).await;

    let received = receiver.until_received(4).await;
    assert_eq!(receiver.events(), ["deposit.queued", "deposit.queued", "deposit.submitted", "deposit.settled"]);
    assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    assert_ne!(received[1].header("webhook-id"), received[2].header("webhook-id"));
    assert!(received.iter().all(|message| message.is_signed_by(&hook.secret)));
    let logs = acme.until_hook_logs_are(3, "delivered").await;
    assert_eq!(logs[0]["attempts"][0]["number"], 2);
}

#[tokio::test]
async fn several_workers_share_the_work_and_keep_the_order() {
    const COUNT: usize = 40;
    let app = app_without_worker().await;
    let acme = acme(&app).await;
    let receiver = Receiver::start().await;
    acme.hook(&receiver.url, None).await;
    let _workers = [worker(&app, None).await, worker(&app, None).await];

    for index in 0..COUNT {
        simulate(&acme, &format!("dep_{index}")).await;
    }

    receiver.until_received(3 * COUNT).await;
    no_webhook_waits(&app).await;
    let mut by_deposit: HashMap<String, Vec<String>> = HashMap::new();
    for message in receiver.received() {
        by_deposit.entry(message.deposit().to_owned()).or_default().push(message.event().to_owned());
    }
    assert_eq!(by_deposit.len(), COUNT);
    assert!(by_deposit.values().all(|events| events == &LIFE), "{by_deposit:?}");
}

#[tokio::test]
async fn killed_workers_lose_nothing() {
    const COUNT: usize = 30;
    let app = app_without_worker().await;
    let acme = acme(&app).await;
    let receiver = Receiver::start().await;
    acme.hook(&receiver.url, None).await;
    for index in 0..COUNT {
        simulate(&acme, &format!("dep_{index}")).await;
    }

    for step in 1..=5 {
        let mut process = worker(&app, None).await;
        receiver.until_received(step * 10).await;
        process.kill();
        end_leases(&app).await;
    }
    let _last = worker(&app, None).await;
    until("all has happened", || async {
        let count = sqlx::query_scalar::<_, i64>("select count(*) from webhook_event");
        let happened = count.fetch_one(&mut app.sql().await).await.unwrap();
        (happened == i64::try_from(LIFE.len() * COUNT).unwrap()).then_some(())
    })
    .await;
    no_webhook_waits(&app).await;

    let mut by_deposit: HashMap<String, Vec<String>> = HashMap::new();
    for message in receiver.received() {
        let events = by_deposit.entry(message.deposit().to_owned()).or_default();
        // Repeated ones follow each other at once.
        if events.last().is_none_or(|last| last != message.event()) {
            events.push(message.event().to_owned());
        }
    }
    assert_eq!(by_deposit.len(), COUNT);
    assert!(by_deposit.values().all(|events| events == &LIFE), "{by_deposit:?}");
}

#[tokio::test]
async fn fault_2_a_delivery_whose_outcome_was_not_answered_is_over() {
    let app = app().await;
    let acme = acme(&app).await;
    let receiver = Receiver::start().await;
    acme.hook(&receiver.url, None).await;

    for index in 0..5 {
        simulate(&acme, &format!("dep_{index}")).await;
        app.db_proxy.lose_answers_of_commits(2);
        until("it is told", || async {
            end_leases(&app).await;
            (receiver.received().len() >= 3 * (index + 1)).then_some(())
        })
        .await;
    }
    until("all is over", || async {
        end_leases(&app).await;
        let logs = acme.hook_logs().await;
        logs.iter().all(|log| log["status"] == "delivered").then_some(())
    })
    .await;
    assert!(app.db_proxy.lost() >= 5);
}

#[tokio::test]
async fn events_are_forgotten_after_30_days_and_deleted_endpoints_with_them() {
    let app = app().await;
    let acme = acme(&app).await;
    let receiver = Receiver::start().await;
    let hook = acme.hook(&receiver.url, None).await;
    let _kept = acme.hook(&receiver.url, Some(&["topup.confirmed"])).await;
    simulate(&acme, "dep_1").await;
    acme.until_hook_logs_are(3, "delivered").await;
    acme.dashboard.delete(&format!("/v1/dashboard/webhooks/{}", hook.id)).await.expect(204);
    app.sql()
        .await
        .execute(
            "update webhook_event set created_at = now() - interval '31 days' where event <> 'deposit.settled';
             update webhook_endpoint set deleted_at = now() - interval '31 days' where deleted_at is not null",
        )
        .await
        .unwrap();

    purge(&app).await;
    let logs = until("old events are forgotten", || async {
        let logs = acme.hook_logs().await;
        (logs.len() == 1).then_some(logs)
    })
    .await;
    assert_eq!(logs[0]["event"], "deposit.settled");

    app.sql().await.execute("update webhook_event set created_at = now() - interval '31 days'").await.unwrap();
    purge(&app).await;
    until("nothing is left of the endpoint", || async {
        let count = "select (select count(*) from webhook_endpoint) + (select count(*) from webhook_attempt)
            + (select count(*) from webhook_secret)";
        let left: i64 = sqlx::query_scalar(count).fetch_one(&mut app.sql().await).await.unwrap();
        // The other one and its secret.
        (left == 2).then_some(())
    })
    .await;
}

async fn purge(app: &TestApp) {
    let mut tx = app.app.db.engine().await.unwrap();
    Jobs::enqueue(&mut tx, &PurgeWebhooks {}).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_workers_log_holds_neither_secrets_nor_urls_nor_bodies() {
    let app = app_without_worker().await;
    let acme = acme(&app).await;
    let receiver = Receiver::start().await;
    let hook = acme.hook(&format!("{}?token=planted-token", receiver.url), None).await;
    let refuses = acme.hook("http://127.0.0.1:9/?token=planted-token", Some(&["deposit.settled"])).await;
    let mut variables = app.variables.clone();
    variables.insert("ROLES", "worker".to_owned());
    variables.insert("RUST_LOG", "debug".to_owned());
    let mut process = Process::spawn(&variables, None);

    simulate(&acme, "planted-deposit").await;
    let received = receiver.until_received(3).await;
    until("both are tried", || async {
        let logs = acme.hook_logs().await;
        logs.iter().all(|log| !log["attempts"][0].is_null()).then_some(())
    })
    .await;

    process.terminate();
    process.dies().await;
    let log = process.log();
    assert!(log.contains("attempt"), "{log}");
    let signature = received[0].header("webhook-signature");
    for planted in [&hook.secret[6..], &refuses.secret[6..], "planted-token", "planted-deposit", signature] {
        assert!(!log.contains(planted), "{planted}");
    }
}
