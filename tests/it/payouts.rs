//! PawaPay's adapter, against one that misbehaves.

use std::time::{Duration, Instant};

use chrono::Utc;
use diolkos::foundation::Phone;
use diolkos::providers::fx::Currency;
use diolkos::providers::payout::{
    PawaPay, PawaPaySettings, PayoutError, PayoutProvider, PayoutRequest, Progress, pawapay,
};
use insta::assert_snapshot;
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use crate::harness::payout_network::{FakePawaPay, Fate, Line};
use crate::harness::until;

const TOKEN: &str = "t0ken-that-nobody-sees";
const NUMBER: &str = "2250700000001";

struct World {
    fake: FakePawaPay,
    provider: PawaPay,
}

fn provider(url: &str, token: &str) -> PawaPay {
    let settings = PawaPaySettings {
        url: url.parse().unwrap(),
        token: token.into(),
        time_limit: Duration::from_millis(250),
        rest: Duration::from_millis(300),
    };
    PawaPay::new(settings).unwrap()
}

async fn world() -> World {
    let fake = FakePawaPay::start(TOKEN).await;
    let provider = provider(&fake.url, TOKEN);
    World { fake, provider }
}

fn payout() -> PayoutRequest {
    PayoutRequest {
        id: Uuid::new_v4(),
        withdrawal_id: Uuid::now_v7(),
        mobile: Phone::parse(&format!("+{NUMBER}")).unwrap(),
        network: "orange_money".to_owned(),
        country: "CI".to_owned(),
        currency: Currency::XOF,
        amount: "11000.00".parse().unwrap(),
        asked_at: Utc::now(),
        rehearsal: None,
    }
}

/// The words of an error, which hold neither the token nor the number.
#[track_caller]
fn words(error: &PayoutError) -> String {
    let told = format!("{error} {error:?}");
    assert!(!told.contains(TOKEN) && !told.contains("0700000001"), "{told}");
    error.to_string()
}

#[track_caller]
fn unsure(result: Result<Progress, PayoutError>) -> String {
    match result {
        Err(error @ PayoutError::Unsure(_)) => words(&error),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn ours(result: Result<Progress, PayoutError>) -> String {
    match result {
        Err(error @ PayoutError::Ours(_)) => words(&error),
        other => panic!("{other:?}"),
    }
}

fn refused(why: &str) -> Progress {
    Progress::Refused { why: why.to_owned() }
}

#[tokio::test]
async fn a_payout_is_asked_for_as_documented_and_ends_paid() {
    let World { fake, provider } = world().await;
    let payout = payout();
    assert_eq!(provider.status(&payout).await.unwrap(), Progress::Unknown);

    assert_eq!(provider.send(&payout).await.unwrap(), Progress::Pending);

    let booked = fake.payouts();
    let body = booked[0].body.to_string();
    let body = body.replace(&payout.id.to_string(), "[id]").replace(&payout.withdrawal_id.to_string(), "[withdrawal]");
    assert_snapshot!(body, @r#"{"amount":"11000","currency":"XOF","metadata":[{"withdrawal_id":"[withdrawal]"}],"payoutId":"[id]","recipient":{"accountDetails":{"phoneNumber":"2250700000001","provider":"ORANGE_CIV"},"type":"MMO"}}"#);
    let reference = format!("NET-{}", payout.id.simple());
    assert_eq!(provider.status(&payout).await.unwrap(), Progress::Paid { reference });
}

#[tokio::test]
async fn amounts_are_written_without_superfluous_digits_and_networks_by_pawapays_names() {
    let World { fake, provider } = world().await;
    for (amount, currency, network, country, written, code) in [
        ("100.50", Currency::GHS, "mtn_momo", "GH", "100.5", "MTN_MOMO_GHA"),
        ("0.05", Currency::GHS, "mtn_momo", "GH", "0.05", "MTN_MOMO_GHA"),
        ("5000000", Currency::UGX, "mtn_momo", "UG", "5000000", "MTN_MOMO_UGA"),
        ("10", Currency::XOF, "wave", "SN", "10", "WAVE_SEN"),
        ("10", Currency::XOF, "moov_money", "BJ", "10", "MOOV_BEN"),
        ("10.000", Currency::XAF, "orange_money", "CM", "10", "ORANGE_CMR"),
    ] {
        let (network, country) = (network.to_owned(), country.to_owned());
        let payout = PayoutRequest { amount: amount.parse().unwrap(), currency, network, country, ..payout() };
        assert_eq!(provider.send(&payout).await.unwrap(), Progress::Pending);
        let booked = fake.payouts().into_iter().find(|booked| booked.id == payout.id).unwrap();
        let account = &booked.body["recipient"]["accountDetails"];
        assert_eq!((&booked.body["amount"], &account["provider"]), (&json!(written), &json!(code)));
    }
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_not_asked_for() {
    let World { fake, provider } = world().await;
    let other = payout();
    for (wrong, word) in [
        (
            PayoutRequest { network: "wave".to_owned(), country: "KE".to_owned(), ..other.clone() },
            "no code for wave in KE",
        ),
        (PayoutRequest { amount: "10.5".parse().unwrap(), ..other.clone() }, "amount"),
        (PayoutRequest { amount: Decimal::ZERO, ..other.clone() }, "amount"),
        (PayoutRequest { amount: Decimal::from(-5), ..other.clone() }, "amount"),
        (PayoutRequest { id: Uuid::now_v7(), ..other.clone() }, "version 4"),
    ] {
        let told = ours(provider.send(&wrong).await);
        assert!(told.contains(word), "{told}");
    }
    assert_eq!(fake.sends(), 0);
}

#[tokio::test]
async fn every_state_means_what_it_says() {
    let World { fake, provider } = world().await;
    fake.fate(Fate::Waits);
    let payout = payout();
    provider.send(&payout).await.unwrap();
    for state in ["ACCEPTED", "ENQUEUED", "SUBMITTED", "PROCESSING", "IN_RECONCILIATION"] {
        fake.sets(payout.id, state);
        assert_eq!(provider.status(&payout).await.unwrap(), Progress::Pending, "{state}");
    }
    for state in ["REVERSED", "REJECTED", "", "completed"] {
        fake.sets(payout.id, state);
        assert!(unsure(provider.status(&payout).await).contains("documents"), "{state}");
    }
    fake.sets(payout.id, "PROCESSING");
    fake.ends(payout.id, Some("RECIPIENT_NOT_FOUND")).await;
    assert_eq!(provider.status(&payout).await.unwrap(), refused("RECIPIENT_NOT_FOUND"));
}

#[tokio::test]
async fn the_same_id_pays_once_however_often_it_is_sent() {
    let World { fake, provider } = world().await;
    let payout = payout();
    fake.fate(Fate::Waits);
    assert_eq!(provider.send(&payout).await.unwrap(), Progress::Pending);
    assert_eq!(provider.send(&payout).await.unwrap(), Progress::Pending);
    // Known to be accepted, whatever becomes of the question for more.
    fake.status_line(Line::Refuses(500, String::new()));
    assert_eq!(provider.send(&payout).await.unwrap(), Progress::Pending);
    fake.status_line(Line::Good);

    fake.ends(payout.id, None).await;

    assert!(matches!(provider.send(&payout).await.unwrap(), Progress::Paid { .. }));
    assert_eq!((fake.payouts().len(), fake.paid().len()), (1, 1));
    fake.pays_nobody_twice();
}

#[tokio::test]
async fn a_rejection_is_final_only_when_the_id_is_unknown() {
    let World { fake, provider } = world().await;
    fake.fate(Fate::Rejects("PAWAPAY_WALLET_OUT_OF_FUNDS"));
    assert_eq!(provider.send(&payout()).await.unwrap(), refused("PAWAPAY_WALLET_OUT_OF_FUNDS"));
    assert!(fake.payouts().is_empty());

    fake.fate(Fate::Rejects("UNKNOWN_ERROR"));
    unsure(provider.send(&payout()).await);
    // What the provider says in place of a code may be anything.
    fake.fate(Fate::Rejects("number 2250700000001 is unknown"));
    assert_eq!(provider.send(&payout()).await.unwrap(), refused("REJECTED"));

    // The first was heard, and its answer lost; the second is rejected. Nobody may take it for refused.
    let heard = payout();
    fake.fate(Fate::Waits);
    fake.send_line(Line::LosesAnswers);
    unsure(provider.send(&heard).await);
    fake.send_line(Line::Good);
    fake.fate(Fate::Rejects("PROVIDER_TEMPORARILY_UNAVAILABLE"));
    assert_eq!(provider.send(&heard).await.unwrap(), Progress::Pending);
    fake.ends(heard.id, None).await;
    assert!(matches!(provider.send(&heard).await.unwrap(), Progress::Paid { .. }));

    // Nor while the status cannot be had.
    fake.status_line(Line::Hangs);
    unsure(provider.send(&payout()).await);
}

#[tokio::test]
async fn an_answer_that_proves_nothing_refuses_nothing_and_is_not_asked_for_twice() {
    let long = " ".repeat(1 << 20);
    for line in [
        Line::LosesAnswers,
        Line::Late(Duration::from_secs(2)),
        Line::Hangs,
        Line::Garbles(500, r#"{"failureReason":{"failureCode":"UNKNOWN_ERROR"}}"#.to_owned()),
        Line::Garbles(502, "<html>".to_owned()),
        Line::Garbles(200, String::new()),
        Line::Garbles(200, "[]".to_owned()),
        Line::Garbles(200, r#"{"status":"ACCEPT"#.to_owned()),
        Line::Garbles(200, r#"{"status":"PERHAPS"}"#.to_owned()),
        Line::Garbles(200, format!(r#"{{"status":"ACCEPTED","payoutId":"{}"}}"#, Uuid::new_v4())),
        Line::Garbles(200, long),
        Line::Garbles(408, String::new()),
    ] {
        let World { fake, provider } = world().await;
        fake.send_line(line.clone());
        let (payout, begun) = (payout(), Instant::now());

        unsure(provider.send(&payout).await);

        assert_eq!(fake.sends(), 1, "{line:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{line:?}");
        let is_heard = line != Line::Hangs;
        let expected = if is_heard { fake.paid().len() == 1 } else { fake.payouts().is_empty() };
        assert!(expected, "{line:?}");
        match provider.status(&payout).await.unwrap() {
            Progress::Paid { .. } => assert!(is_heard, "{line:?}"),
            Progress::Unknown => assert!(!is_heard, "{line:?}"),
            other => panic!("{line:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_request_that_is_heard_after_it_was_given_up_and_sent_again_pays_once() {
    let World { fake, provider } = world().await;
    let payout = payout();
    fake.send_line(Line::HearsLate(Duration::from_millis(600)));
    unsure(provider.send(&payout).await);
    assert_eq!(provider.status(&payout).await.unwrap(), Progress::Unknown);
    assert!(matches!(
        until("it is heard", async || match provider.status(&payout).await.unwrap() {
            Progress::Unknown => None,
            other => Some(other),
        })
        .await,
        Progress::Paid { .. }
    ));

    fake.send_line(Line::Good);
    assert!(matches!(provider.send(&payout).await.unwrap(), Progress::Paid { .. }));
    assert_eq!(fake.times_paid()[&payout.withdrawal_id.to_string()], 1);
}

#[tokio::test]
async fn what_nobody_heard_is_sent_again() {
    let World { fake, provider } = world().await;
    fake.send_line(Line::Refuses(429, String::new()));
    let payout = payout();
    let healed = async {
        until("the first try", async || (fake.sends() > 0).then_some(())).await;
        fake.send_line(Line::Good);
    };
    let (sent, ()) = tokio::join!(provider.send(&payout), healed);
    assert_eq!(sent.unwrap(), Progress::Pending);
    assert_eq!(fake.paid().len(), 1);

    // A port that nobody listens on.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(unsure(self::provider(&url, TOKEN).send(&payout).await), "PawaPay: no connection");
}

#[tokio::test]
async fn our_own_fault_refuses_nothing_and_is_told_as_ours() {
    let World { fake, provider } = world().await;
    for (status, code, word) in [
        (401, "NO_AUTHENTICATION", "PawaPay: status 401 NO_AUTHENTICATION"),
        (403, "PAYOUTS_NOT_ALLOWED", "PawaPay: status 403 PAYOUTS_NOT_ALLOWED"),
        (400, "INVALID_PARAMETER", "PawaPay: status 400 INVALID_PARAMETER"),
        (400, "+2250700000001 is wrong", "PawaPay: status 400"),
        (404, "", "PawaPay: status 404"),
        (302, "", "PawaPay: status 302"),
    ] {
        let reason = json!({"failureCode": code, "failureMessage": format!("{NUMBER} {TOKEN}")});
        let body = json!({"status": "REJECTED", "failureReason": reason}).to_string();
        fake.send_line(Line::Refuses(status, body.clone()));
        fake.status_line(Line::Refuses(status, body));
        assert_eq!(ours(provider.send(&payout()).await), word);
        assert_eq!(ours(provider.status(&payout()).await), word);
    }
    assert_eq!((fake.sends(), fake.asks()), (6, 6), "none of these gets better by trying");
    let stranger = self::provider(&fake.url, "another-token");
    assert_eq!(ours(stranger.send(&payout()).await), "PawaPay: status 403 AUTHENTICATION_ERROR");
}

#[tokio::test]
async fn a_status_that_cannot_be_had_is_asked_for_again_and_is_no_refusal() {
    for (line, tries) in [
        (Line::Refuses(500, String::new()), 3),
        (Line::Refuses(200, "<html>".to_owned()), 3),
        (Line::Refuses(200, r#"{"status":"FOUND"}"#.to_owned()), 1),
        (Line::Refuses(200, r#"{"status":"LOST"}"#.to_owned()), 1),
        (
            Line::Refuses(
                200,
                format!(r#"{{"status":"FOUND","data":{{"payoutId":"{}","status":"FAILED"}}}}"#, Uuid::nil()),
            ),
            1,
        ),
        (Line::Refuses(200, " ".repeat(1 << 20)), 1),
    ] {
        let World { fake, provider } = world().await;
        let payout = payout();
        fake.status_line(line.clone());
        unsure(provider.status(&payout).await);
        assert_eq!(fake.asks(), tries, "{line:?}");
    }
    let World { fake, provider } = world().await;
    let payout = payout();
    fake.status_line(Line::Hangs);
    let begun = Instant::now();
    assert_eq!(unsure(provider.status(&payout).await), "PawaPay: no answer");
    assert!(begun.elapsed() < Duration::from_secs(5) && fake.asks() >= 2);
}

#[tokio::test]
async fn a_provider_that_keeps_failing_is_left_alone_for_a_while_and_refuses_nothing_meanwhile() {
    let World { fake, provider } = world().await;
    fake.send_line(Line::Refuses(503, String::new()));
    until("the breaker opens", async || unsure(provider.send(&payout()).await).contains("left alone").then_some(()))
        .await;
    let sends = fake.sends();
    assert!(sends <= 12, "{sends}");
    assert!(unsure(provider.status(&payout()).await).contains("left alone"));

    fake.send_line(Line::Good);
    until("it is asked again", async || provider.send(&payout()).await.ok()).await;
}

#[tokio::test]
async fn our_own_faults_do_not_open_the_breaker() {
    let World { fake, provider } = world().await;
    fake.send_line(Line::Refuses(401, String::new()));
    for _ in 0..30 {
        assert_eq!(ours(provider.send(&payout()).await), "PawaPay: status 401");
    }
}

#[tokio::test]
async fn a_call_back_names_the_payout_and_nothing_else_of_it_is_read() {
    let World { fake, provider } = world().await;
    let receiver = crate::harness::webhook_receiver::Receiver::start().await;
    fake.calls_back(&receiver.url);
    let payout = payout();
    provider.send(&payout).await.unwrap();

    let received = receiver.until_received(1).await;

    assert_eq!(pawapay::called_back(received[0].text.as_bytes()), Some(payout.id));
    for wrong in [
        "",
        "{}",
        "[]",
        r#"{"payoutId":1}"#,
        r#"{"payoutId":"x"}"#,
        r#"{"depositId":"f4401bd2-1568-4140-bf2d-eb77d2b2b639"}"#,
    ] {
        assert_eq!(pawapay::called_back(wrong.as_bytes()), None, "{wrong}");
    }
}

#[tokio::test]
async fn the_fake_sees_a_withdrawal_that_is_paid_twice() {
    let World { fake, provider } = world().await;
    let first = payout();
    let again = PayoutRequest { id: Uuid::new_v4(), ..first.clone() };
    fake.fate(Fate::Fails("RECIPIENT_NOT_FOUND"));
    provider.send(&payout()).await.unwrap();
    fake.fate(Fate::Pays);
    provider.send(&first).await.unwrap();
    fake.pays_nobody_twice();

    provider.send(&again).await.unwrap();

    assert_eq!(fake.times_paid()[&first.withdrawal_id.to_string()], 2);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| fake.pays_nobody_twice())).is_err());
}
