//! FAULT 25: receivers that are slow, hang, send elsewhere, fail for a day or move.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use diolkos::webhooks::{Deliveries, Destinations, Lookup, Transport};
use serde_json::{Value, json};
use sqlx::Executor;
use tokio_util::sync::CancellationToken;

use crate::harness::app::TestApp;
use crate::harness::tenant::TestTenant;
use crate::harness::until;
use crate::harness::webhook_receiver::{Behaviour, Receiver};
use crate::webhooks::{acme, app, app_without_worker, hurry, simulate};

async fn test(tenant: &TestTenant, hook: &str) {
    tenant.dashboard.post(&format!("/v1/dashboard/webhooks/{hook}/test"), json!({})).await.expect(202);
}

/// Waits for the first attempt that is logged.
async fn first_attempt(tenant: &TestTenant) -> Value {
    until("an attempt is logged", || async {
        let logs = tenant.hook_logs().await;
        logs.into_iter().map(|log| log["attempts"][0].clone()).find(|attempt| !attempt.is_null())
    })
    .await
}

#[tokio::test]
async fn fault_25_receivers_that_hang_do_not_delay_others() {
    let app = app().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let (hangs, good) = (Receiver::start().await, Receiver::start().await);
    hangs.does(Behaviour::Hang);
    let well = globex.hook(&good.url, None).await;
    test(&globex, &well.id).await;
    globex.until_hook_logs_are(1, "delivered").await;

    // More of them than there are slots for.
    for _ in 0..20 {
        let hook = acme.hook(&hangs.url, None).await;
        for _ in 0..3 {
            test(&acme, &hook.id).await;
        }
    }
    hangs.until_received(16).await;
    let started = Instant::now();
    for _ in 0..40 {
        test(&globex, &well.id).await;
    }
    good.until_received(41).await;

    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert_eq!(hangs.most_in_hand(), 16);
    let attempt = first_attempt(&acme).await;
    assert_eq!((&attempt["error"], &attempt["status_code"]), (&json!("no answer within 10 seconds"), &json!(null)));
    assert!((9_000..12_000).contains(&attempt["duration_ms"].as_u64().unwrap()), "{attempt}");
}

#[tokio::test]
async fn fault_25_a_slow_receiver_is_told_everything_with_fewer_at_once() {
    let app = app().await;
    let acme = acme(&app).await;
    let receiver = Receiver::start().await;
    receiver.does(Behaviour::Late(Duration::from_millis(2_500)));
    let hook = acme.hook(&receiver.url, None).await;

    for _ in 0..3 {
        test(&acme, &hook.id).await;
    }

    acme.until_hook_logs_are(3, "delivered").await;
    assert_eq!((receiver.received().len(), receiver.most_in_hand()), (3, 1));
}

#[tokio::test]
async fn fault_25_a_redirect_is_not_followed() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    let (receiver, private) = (Receiver::start().await, Receiver::start().await);
    receiver.does(Behaviour::Redirect(private.url.clone()));
    let hook = acme.hook(&receiver.url, None).await;

    test(&acme, &hook.id).await;

    let attempt = first_attempt(&acme).await;
    assert_eq!(attempt["error"], "answered 302 Found; redirects are not followed");
    assert_eq!(attempt["status_code"], 302);
    assert_eq!((receiver.connections(), private.connections()), (1, 0));
}

#[tokio::test]
async fn fault_25_after_a_day_of_500s_it_is_given_up_and_can_be_replayed() {
    let app = app().await;
    let acme = acme(&app).await;
    let receiver = Receiver::start().await;
    receiver.decides(|message| match message.event() {
        "deposit.queued" => Behaviour::Status(500),
        _ => Behaviour::Status(200),
    });
    acme.hook(&receiver.url, Some(&["deposit.queued", "deposit.settled"])).await;
    simulate(&acme, "dep_1").await;

    // The day passes: whatever is to come comes as much earlier as the next attempt is away.
    let log = until("the first event is given up", || async {
        let pass = "update webhook_delivery set expires_at = expires_at - (next_at - now()), next_at = now()
            where lease_until is null and status = 'pending' and event = 'deposit.queued' and attempts > 0";
        app.sql().await.execute(pass).await.unwrap();
        acme.hook_logs().await.into_iter().find(|log| log["status"] == "failed")
    })
    .await;

    let attempts = log["attempts"].as_array().unwrap();
    assert!((12..=24).contains(&attempts.len()), "{}", attempts.len());
    assert_eq!(
        (&log["event"], &log["error"]),
        (&json!("deposit.queued"), &json!("answered 500 Internal Server Error"))
    );
    assert_eq!((&log["status_code"], &log["next_attempt_at"]), (&json!(500), &json!(null)));
    // The next one of the same deposit was held up as long, and comes now.
    receiver.until_received(attempts.len() + 1).await;
    assert_eq!(receiver.events().last().unwrap(), "deposit.settled");

    receiver.does(Behaviour::Status(200));
    let path = format!("/v1/dashboard/webhooks/logs/{}/replay", log["id"].as_str().unwrap());
    let replay = acme.dashboard.post(&path, json!({})).await.expect(202).json;
    assert_eq!(replay["event_id"], log["event_id"]);
    let received = receiver.until_received(attempts.len() + 2).await;
    let (first, last) = (&received[0], received.last().unwrap());
    assert_eq!((first.header("webhook-id"), &first.text), (last.header("webhook-id"), &last.text));
}

#[tokio::test]
async fn fault_25_an_answer_without_an_end_is_not_read_to_the_end() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    receiver.does(Behaviour::Endless(200));
    let hook = acme.hook(&receiver.url, None).await;

    test(&acme, &hook.id).await;

    let logs = acme.until_hook_logs_are(1, "delivered").await;
    assert_eq!(logs[0]["attempts"][0]["answer"].as_str().unwrap().len(), 256);
    assert!(logs[0]["attempts"][0]["duration_ms"].as_u64().unwrap() < 5_000);
}

/// Finds a public address the first time and a private one from then on.
struct Rebinds(Arc<AtomicUsize>);

#[async_trait]
impl Lookup for Rebinds {
    async fn addresses(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        let first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
        Ok(vec![if first { Ipv4Addr::new(93, 184, 216, 34) } else { Ipv4Addr::LOCALHOST }.into()])
    }
}

/// Delivers to these destinations until dropped.
struct Worker(CancellationToken);

impl Worker {
    fn start(app: &TestApp, destinations: Destinations) -> Self {
        let app = &app.app;
        let transport = Transport::new(destinations).unwrap();
        let deliveries = Deliveries::new(app.db.clone(), app.clock.clone(), app.keys.clone(), transport);
        let stop = CancellationToken::new();
        tokio::spawn(deliveries.run(stop.clone()));
        Self(stop)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[tokio::test]
async fn fault_25_a_host_that_leads_elsewhere_on_the_second_look_up_is_refused() {
    let app = app_without_worker().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let lookups = Arc::new(AtomicUsize::new(0));
    let url = format!("https://hooks.example:{}/", receiver.port);

    // What registration sees is public.
    let destinations = Destinations::new(false, Rebinds(Arc::clone(&lookups)));
    destinations.check(&url).await.unwrap();
    let hook = acme.hook(&url, None).await;
    let worker = Worker::start(&app, destinations);
    test(&acme, &hook.id).await;

    let attempt = first_attempt(&acme).await;
    assert_eq!(attempt["error"], "the URL must lead to a public address");
    assert_eq!((lookups.load(Ordering::SeqCst), receiver.connections()), (2, 0));
    drop(worker);

    // The same look-up where private addresses are allowed does lead there.
    let url = format!("http://hooks.example:{}/", receiver.port);
    let hook = acme.hook(&url, None).await;
    let _worker = Worker::start(&app, Destinations::new(true, Rebinds(lookups)));
    test(&acme, &hook.id).await;
    receiver.until_received(1).await;
}

#[tokio::test]
async fn an_address_that_was_allowed_once_is_refused_when_it_is_not_any_more() {
    let app = app_without_worker().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let hook = acme.hook(&format!("https://127.0.0.1:{}/", receiver.port), None).await;
    test(&acme, &hook.id).await;

    let _worker = Worker::start(&app, Destinations::new(false, diolkos::webhooks::SystemLookup));

    assert_eq!(first_attempt(&acme).await["error"], "the URL must lead to a public address");
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_tried_again_when_it_is() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let hook = acme.hook(&format!("http://{gone}/?token=hush"), None).await;
    test(&acme, &hook.id).await;

    let attempt = first_attempt(&acme).await;
    let error = attempt["error"].as_str().unwrap();
    assert!(error.starts_with("no connection: ") && !error.contains("hush"), "{error}");

    let listener = tokio::net::TcpListener::bind(gone).await.unwrap();
    let ok = axum::Router::new().fallback(async || "thanks");
    tokio::spawn(async move { axum::serve(listener, ok).await });
    hurry(&app).await;
    let logs = acme.until_hook_logs_are(1, "delivered").await;
    assert_eq!(logs[0]["attempts"][1]["answer"], "thanks");
}
