//! How many messages are sent, and at whose cost.

use chrono::TimeDelta;
use insta::assert_snapshot;

use super::{about, begin, signed_in};
use crate::customers::at_once;
use crate::harness::app::TestApp;
use crate::harness::tenant::phone;
use crate::sign_in::device;

#[tokio::test]
async fn a_number_gets_ten_messages_an_hour() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let answers = at_once(12, |_| async { begin(&acme.live, about("2001001699")).await.status }).await;
    assert_eq!(answers.iter().filter(|status| **status == 202).count(), 10, "{answers:?}");
    let refused = begin(&acme.live, about("+1 200 100 1699")).await;
    assert_snapshot!(refused, @r#"429 {"errors":[{"message":"Too many requests","type":"Rate Limit Exceeded"}]}"#);
    begin(&acme.live, about("2001001698")).await.expect(202);
    begin(&acme.test, about("2001001699")).await.expect(202);
    app.app.clock.move_by(TimeDelta::minutes(61));
    begin(&acme.live, about("2001001699")).await.expect(202);
}

#[tokio::test]
async fn a_customer_begins_ten_checks_an_hour_of_whatever_numbers() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = signed_in(&app, &acme.customer(&phone(1)).await.to_string());
    let answers = at_once(12, |index| begin_of(&jane, index)).await;
    assert_eq!(answers.iter().filter(|status| **status == 202).count(), 10, "{answers:?}");
}

async fn begin_of(caller: &crate::harness::actor::Actor, index: usize) -> u16 {
    begin(caller, about(&format!("20010016{}", 10 + index))).await.status
}

#[tokio::test]
async fn strangers_use_up_nothing_of_a_number_that_its_customer_and_the_back_end_need() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = signed_in(&app, &acme.customer(&phone(1)).await.to_string());
    for (name, status) in [("first", 202), ("second", 202), ("third", 429)] {
        let stranger = device(&app, &acme, name).await;
        for _ in 0..if status == 202 { 5 } else { 1 } {
            begin(&stranger, about(&phone(1))).await.expect(status);
        }
    }
    for caller in [&jane, &acme.live] {
        begin(caller, about(&phone(1))).await.expect(202);
    }
}

#[tokio::test]
async fn a_device_has_few_messages_sent_and_an_address_too_however_many_devices_it_invents() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let one = device(&app, &acme, "phone-1").await;
    for index in 0..5 {
        assert_eq!(begin_of(&one, index).await, 202);
    }
    assert_eq!(begin_of(&one, 5).await, 429);
    // Six of the address's twenty are gone, and there is one more every three seconds.
    let mut refused = 0;
    for index in 6..36 {
        let invented = device(&app, &acme, &format!("invented-{index}")).await;
        refused += usize::from(begin_of(&invented, index).await == 429);
    }
    assert!((10..=16).contains(&refused), "{refused}");
    begin(&acme.live, about("2001001610")).await.expect(202);
}

#[tokio::test]
async fn a_device_begins_ten_checks_an_hour_however_many_at_once_and_wherever() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let one = device(&app, &acme, "phone-1").await;
    // Each process lets a device ask five times a minute.
    let (second, third) = (app.replica().await, app.replica().await);
    let callers = [one.clone(), one.at(&second.base_url), one.at(&third.base_url)];
    let answers = at_once(15, |index| begin_of(&callers[index % 3], index)).await;
    assert_eq!(answers.iter().filter(|status| **status == 202).count(), 10, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 429).count(), 5, "{answers:?}");
}
