//! Customers whom compliance has rejected or whose account is blocked, and rules that ask where customers stand.

use insta::{allow_duplicates, assert_snapshot};
use serde_json::json;
use uuid::Uuid;

use crate::customers::{accepted, acme, id_of, onboard, person, until_compliance_is};
use crate::harness::actor::Answer;
use crate::harness::app::TestApp;
use crate::harness::tenant::{TestTenant, fund_body, phone};
use crate::harness::withdrawals::{send, withdraw_body};

async fn provision(tenant: &TestTenant, index: u32) {
    tenant.live.post("/v1/users/provision", json!({"phone_number": phone(index)})).await.expect(200);
}

/// Compliance says this, and the account is this.
async fn stands(app: &TestApp, customer: Uuid, compliance: &str, account: &str) {
    sqlx::query("update customer_profile set compliance_status = $2, account_status = $3 where customer_id = $1")
        .bind(customer)
        .bind(compliance)
        .bind(account)
        .execute(&mut app.sql().await)
        .await
        .unwrap();
}

/// Everything that moves money from or to customer 1, who has 5 USDC.
async fn movements(tenant: &TestTenant, name: &str) -> [Answer; 4] {
    [
        tenant.live.post("/v1/users/fund", fund_body(&phone(1), name, "1")).await,
        tenant.live.post("/v1/users/withdraw", withdraw_body(&phone(1), "1", None)).await,
        send(&tenant.live, &phone(1), &phone(2), "1").await,
        send(&tenant.live, &phone(2), &phone(1), "1").await,
    ]
}

#[tokio::test]
async fn whoever_is_rejected_or_blocked_moves_no_money_with_a_badge_or_without() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    acme.top_up("USDC", "100").await;
    let jane = accepted(&acme, badge, 1).await;
    acme.customer_with(&phone(1), "10").await;
    acme.customer_with(&phone(2), "10").await;
    let badges = app.badges_of(&acme);
    for is_badged in [true, false] {
        if !is_badged {
            badges.delete(&format!("/{badge}/assignments/{jane}")).await.expect(204);
        }
        for (compliance, account) in [("REJECTED", "BLOCKED"), ("PENDING", "BLOCKED"), ("REJECTED", "INACTIVE")] {
            stands(&app, jane, compliance, account).await;
            for refused in movements(&acme, "refused").await {
                allow_duplicates! { assert_snapshot!(refused, @r#"403 {"error":"customer_barred","message":"compliance has rejected this customer, or the account is blocked"}"#); }
            }
        }
        // What was accepted before is told as ever.
        let before = format!("dep_of_{}", &phone(1)[1..]);
        assert_eq!(acme.fund(&phone(1), &before, "10").await.expect(409).error(), "duplicate_deposit");
        // Looked at again, by whoever the account is not blocked for.
        stands(&app, jane, "REVIEW", "ACTIVE").await;
        for allowed in movements(&acme, &format!("allowed-{is_badged}")).await {
            allowed.expect(202);
        }
    }
}

#[tokio::test]
async fn who_was_rejected_on_arrival_is_barred() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    acme.top_up("USDC", "100").await;
    let mut body = person(&acme, badge, 1);
    body["lastName"] = json!("Reject");
    let jane = id_of(&onboard(&acme.live, &body).await.expect(201));
    until_compliance_is(&acme.live, jane, "REJECTED").await;
    provision(&acme, 1).await;
    assert_eq!(acme.fund(&phone(1), "dep-1", "1").await.expect(403).error(), "customer_barred");
}

#[tokio::test]
async fn rules_ask_where_a_customer_stands() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    acme.top_up("USDC", "100").await;
    let jane = accepted(&acme, badge, 1).await;
    provision(&acme, 1).await;
    let (badges, badge) = (app.badges_of(&acme), badge.to_string());
    let standing = "compliance == \"ACCEPTED\" && onboarding == \"ACCEPTED\" && account == \"ACTIVE\"";
    badges.rule(&badge, standing, "ULTT0001").await;
    badges.rule(&badge, "kyc == \"ACCEPTED\" || amount <= tokens(\"1\")", "ULTT0002").await;
    acme.fund(&phone(1), "dep-1", "1").await.expect(202);
    assert_eq!(acme.fund(&phone(1), "dep-2", "2").await.expect(403).json["error_code"], "ULTT0002");
    sqlx::query("update customer_profile set kyc_status = 'ACCEPTED' where customer_id = $1")
        .bind(jane)
        .execute(&mut app.sql().await)
        .await
        .unwrap();
    acme.fund(&phone(1), "dep-2", "2").await.expect(202);
    stands(&app, jane, "REVIEW", "ACTIVE").await;
    assert_eq!(acme.fund(&phone(1), "dep-3", "1").await.expect(403).json["error_code"], "ULTT0001");
    // Of those who have only a number nobody has asked anything.
    let john = app.customer_of(acme.customer(&phone(2)).await).await;
    let plain = badges.plain("Plain").await;
    badges.assign(&plain, john).await;
    badges
        .rule(&plain, "[kyc, compliance, onboarding, account] == [\"NONE\", \"NONE\", \"NONE\", \"NONE\"]", "ULTT0003")
        .await;
    acme.fund(&phone(2), "dep-4", "1").await.expect(202);
}
