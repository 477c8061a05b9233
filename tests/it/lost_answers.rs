//! FAULT 2: the commit succeeds and its answer is lost on the way.

use crate::harness::app::TestApp;
use crate::harness::tenant::{fund_body, phone};

#[tokio::test]
async fn fault_2_a_deposit_whose_commit_was_not_answered_is_there_and_paid_once() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    let jane = acme.customer(&phone(1)).await;

    app.db_proxy.lose_answers_of_commits(1);
    let mut answers = Vec::new();
    for _ in 0..20 {
        let answer = acme.fund(&phone(1), "dep_1", "19.62").await;
        answers.push(answer.status);
        if answer.status == 409 {
            break;
        }
    }

    assert_eq!(app.db_proxy.lost(), 1);
    assert!(answers.iter().all(|status| matches!(status, 202 | 409 | 500 | 503)), "{answers:?}");
    acme.until_deposit_is("dep_1", "SETTLED").await;
    assert_eq!(app.transfers_to(jane).await, [19_620_000]);
    assert_eq!(acme.balance().await, ("80.380000".to_owned(), "0.000000".to_owned()));
}

#[tokio::test]
async fn fault_2_the_engine_loses_answers_of_commits_at_every_step_and_pays_once() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "1000").await;
    let jane = acme.customer(&phone(1)).await;
    for index in 0..12 {
        let deposit = format!("dep_{index}");
        acme.live.post("/v1/users/fund", fund_body(&phone(1), &deposit, "1.5")).await.expect(202);
        app.db_proxy.lose_answers_of_commits(3);
        acme.until_deposit_is(&deposit, "SETTLED").await;
    }
    assert!(app.db_proxy.lost() > 12, "{} answers were lost", app.db_proxy.lost());
    assert_eq!(app.transfers_to(jane).await, [1_500_000; 12]);
    assert_eq!(acme.balance().await, ("982.000000".to_owned(), "0.000000".to_owned()));
}
