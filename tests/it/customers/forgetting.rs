//! `DELETE /tenant/customer/forget/{customerAccountId}`: what is gone, what stays, and what is free again.

use insta::assert_snapshot;
use serde_json::{Value, json};
use sqlx::Row;

use super::{accepted, acme, at_once, onboard, person};
use crate::harness::app::TestApp;
use crate::harness::tenant::{fund_body, phone};
use crate::harness::withdrawals::{books_agree, withdraw_body};

#[tokio::test]
async fn nothing_of_a_forgotten_customer_can_be_opened_and_the_books_agree() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    acme.top_up("USDC", "100").await;
    let wallet = acme.customer_with(&phone(1), "10").await;
    let keyed = acme.live.with("idempotency-key", "once");
    let body = person(&acme, badge, 1);
    let first = onboard(&keyed, &body).await.expect(201);
    let customer = super::id_of(&first);
    super::until_compliance_is(&acme.live, customer, "ACCEPTED").await;
    let mut update = super::update_of(&acme, badge, customer, 1);
    update["firstName"] = json!("Amber");
    acme.live.post("/tenant/customer/update", update).await.expect(202);
    // Agreements, a consent and a wallet of their own with a badge.
    let mut shown = crate::agreements::example();
    shown["accountAddress"] = json!(format!("0x{:040x}", 1));
    let agreement = acme.live.post(crate::agreements::PREVIEW, shown).await.expect(200).json["data"][0]["id"].clone();
    let mut second = super::wallets::wallet(&acme, customer, 1);
    second["financialBadgeId"] = json!(super::wallets::financial_badge(&app, &acme).await);
    second["tokenSymbol"] = json!("USDC");
    acme.live.post("/tenant/customer/add-wallet", second).await.expect(201);
    let words = crate::consents::words(&acme.live, &acme).await;
    let consent = json!({
        "customerAccountId": customer, "dssVendorId": words["dssId"], "consentStatus": "ACCEPTED",
        "consentVersion": words["currentActiveVersion"], "type": "ACH",
    });
    acme.live.post(crate::consents::ACCEPT, consent).await.expect(201);
    let indexes: Vec<String> = sqlx::query_scalar(
        "select blind_index from customer union all select email_index from customer_profile
        union all select index from customer_identifier",
    )
    .fetch_all(&mut app.sql().await)
    .await
    .unwrap();
    assert_eq!(indexes.len(), 3);

    let answer = acme.live.delete(&format!("/tenant/customer/forget/{customer}")).await;
    assert_snapshot!(answer, @r#"200 {"data":{"message":"success"}}"#);

    let kept = sqlx::query("select wrapped_key, phone_sealed, forgotten_at is not null from customer where id = $1")
        .bind(customer)
        .fetch_one(&mut app.sql().await)
        .await
        .unwrap();
    assert_eq!((kept.get::<Vec<u8>, _>(0).len(), kept.get::<Vec<u8>, _>(1).len()), (0, 0));
    assert!(kept.get::<bool, _>(2));
    let dump = crate::secrets::dump(&mut app.sql().await).await;
    for index in indexes {
        assert!(!dump.contains(&index), "an index is left");
    }
    for table in ["customer_profile", "customer_change", "customer_document", "customer_identifier", "wallet_badge"] {
        let query = format!("select count(*) from {table}");
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&mut app.sql().await).await.unwrap();
        assert_eq!(count, 0, "{table}");
    }
    let agreement = agreement.as_str().unwrap();
    let shown = acme.live.get(&format!("{}?agreementId={agreement}", crate::agreements::LIST)).await.expect(200);
    assert!(shown.json["data"][0]["content"].is_null() && !shown.text.contains("Jone"), "{shown}");
    let consents: i64 = sqlx::query_scalar("select count(*) from customer_consent where customer_id = $1")
        .bind(customer)
        .fetch_one(&mut app.sql().await)
        .await
        .unwrap();
    assert_eq!(consents, 1, "that somebody consented stays, without who it was");
    // Not even the answer that was kept for repetitions.
    let again = onboard(&keyed, &body).await;
    assert_snapshot!(again, @r#"400 {"errors":[{"message":"There is no account for the given customer Id","type":"Customer"}]}"#);

    books_agree(&app).await;
    let deposit = acme.deposit("dep_of_2250700000001").await;
    assert_eq!((&deposit["status"], &deposit["wallet_address"]), (&json!("SETTLED"), &json!(wallet.to_checksum(None))));
}

#[tokio::test]
async fn a_forgotten_customer_is_nowhere_and_can_do_nothing() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    acme.top_up("USDC", "100").await;
    let wallet = acme.customer_with(&phone(1), "10").await;
    acme.customer(&phone(2)).await;
    let customer = accepted(&acme, badge, 1).await;
    acme.live.delete(&format!("/tenant/customer/forget/{customer}")).await.expect(200);

    for path in ["customer-full-details", "pii-customer-details"] {
        acme.live.get(&format!("/tenant/customer/{path}/{customer}")).await.expect(404);
    }
    let again = acme.live.delete(&format!("/tenant/customer/forget/{customer}")).await;
    assert_snapshot!(again, @r#"400 {"errors":[{"message":"something went wrong! please try again","type":"wallet user"}]}"#);
    acme.live.delete("/tenant/customer/forget/x").await.expect(400);
    acme.live.post("/tenant/customer/update", super::update_of(&acme, badge, customer, 1)).await.expect(400);
    acme.live.put(&format!("/tenant/customer/{customer}"), json!({"customNamespace": "x.eth"})).await.expect(400);
    acme.live.put("/tenant/customer/primary-wallet/acme.person-1.ul/true", json!({})).await.expect(400);
    // By phone number there is nobody: no balance, no funding, no sending, no withdrawal.
    acme.live.get("/v1/users/balance?phone_number=%2B2250700000001").await.expect(404);
    acme.live.post("/v1/users/fund", fund_body(&phone(1), "dep-9", "1")).await.expect(404);
    acme.live.post("/v1/users/withdraw", withdraw_body(&phone(1), "1", None)).await.expect(404);
    let body = json!({"old_phone_number": phone(1), "new_phone_number": phone(9)});
    acme.live.post("/v1/users/update-phone", body).await.expect(404);
    // At the dashboard neither, but for the records of money.
    let listed = acme.dashboard.get("/v1/dashboard/users").await.expect(200);
    assert_eq!(listed.json["data"].as_array().unwrap().len(), 1);
    let lookup = format!("/v1/dashboard/users/lookup?wallet_address={wallet}");
    acme.dashboard.get(&lookup).await.expect(404);
    let deposits = acme.dashboard.get("/v1/dashboard/deposits").await.expect(200);
    assert_eq!(deposits.json["data"].as_array().unwrap().len(), 1);
    let reference = acme.deposit("dep_of_2250700000001").await["blind_index"].as_str().unwrap().to_owned();
    acme.dashboard.get(&format!("/v1/dashboard/users/{reference}")).await.expect(404);
    let moved = format!("/v1/dashboard/users/{reference}/update-phone");
    acme.dashboard.post(&moved, json!({"new_phone_number": phone(9)})).await.expect(404);
}

#[tokio::test]
async fn what_a_forgotten_customer_had_is_free_again() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let first = acme.customer(&phone(1)).await;
    let customer = accepted(&acme, badge, 1).await;
    acme.live.delete(&format!("/tenant/customer/forget/{customer}")).await.expect(200);

    // The number makes a new customer with a wallet that nobody had; as often as it is forgotten.
    let second = acme.customer(&phone(1)).await;
    assert_ne!(first, second);
    let again = accepted(&acme, badge, 1).await;
    assert_ne!(customer, again);
    acme.live.delete(&format!("/tenant/customer/forget/{again}")).await.expect(200);
    let third = acme.customer(&phone(1)).await;
    assert!(third != first && third != second);
}

#[tokio::test]
async fn a_number_that_moved_before_it_was_forgotten_makes_a_new_wallet_too() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let first = acme.customer(&phone(1)).await;
    let body = json!({"old_phone_number": phone(1), "new_phone_number": phone(2)});
    acme.live.post("/v1/users/update-phone", body).await.expect(200);
    let customer = accepted(&acme, badge, 2).await;
    let left: Value = super::details(&acme.live, customer).await["wallets"][0]["accountAddress"].clone();
    assert_eq!(left, first.to_checksum(None));
    acme.live.delete(&format!("/tenant/customer/forget/{customer}")).await.expect(200);
    // Nothing tells any more that the customer had the first number.
    let fresh = [acme.customer(&phone(1)).await, acme.customer(&phone(2)).await];
    assert!(fresh[0] != fresh[1] && !fresh.contains(&first));
}

#[tokio::test]
async fn money_on_its_way_to_a_number_is_paid_before_the_number_is_forgotten() {
    let app = TestApp::with(|variables| {
        // People pay, and nobody does.
        variables.insert("PAYOUT_PROVIDER", "manual".to_owned());
    })
    .await;
    let (acme, badge) = acme(&app).await;
    acme.top_up("USDC", "100").await;
    acme.customer_with(&phone(1), "10").await;
    let customer = accepted(&acme, badge, 1).await;
    let withdrawn = acme.live.post("/v1/users/withdraw", withdraw_body(&phone(1), "2", None)).await.expect(202);
    let forget = format!("/tenant/customer/forget/{customer}");
    let refused = acme.live.delete(&forget).await;
    assert_snapshot!(refused, @r#"400 {"errors":[{"message":"something went wrong! please try again","type":"wallet user"}]}"#);
    let id = withdrawn.json["withdrawal_id"].as_str().unwrap().to_owned();
    crate::harness::until("the payout is confirmed", || async {
        let path = format!("/v1/dashboard/withdrawals/{id}/confirm-payout");
        let answer = acme.dashboard.post(&path, json!({"payout_reference": "MP1"})).await;
        (answer.status == 200).then_some(())
    })
    .await;
    acme.live.delete(&forget).await.expect(200);
    books_agree(&app).await;
}

#[tokio::test]
async fn forgetting_at_once_with_everything_else_forgets() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    let answers = at_once(12, |index| {
        let (caller, update) = (acme.live.clone(), super::update_of(&acme, badge, customer, 1));
        async move {
            match index % 3 {
                0 => caller.delete(&format!("/tenant/customer/forget/{customer}")).await,
                1 => caller.post("/tenant/customer/update", update).await,
                _ => caller.put(&format!("/tenant/customer/{customer}"), json!({"customNamespace": "y.eth"})).await,
            }
        }
    })
    .await;
    let forgotten = answers.iter().step_by(3).filter(|answer| answer.status == 200).count();
    assert_eq!(forgotten, 1);
    assert!(
        answers.iter().all(|answer| answer.status < 500),
        "{:?}",
        answers.iter().map(|a| a.status).collect::<Vec<_>>()
    );
    let left: i64 = sqlx::query_scalar(
        "select (select count(*) from customer_profile) + (select count(*) from customer_document)
            + (select count(*) from customer_change) + (select count(*) from wallet)",
    )
    .fetch_one(&mut app.sql().await)
    .await
    .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn no_answer_about_a_forgotten_customer_is_repeated() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    let adds = acme.live.with("idempotency-key", "adds");
    let updates = acme.live.with("idempotency-key", "updates");
    let (wallet, update) = (super::wallets::wallet(&acme, customer, 1), super::update_of(&acme, badge, customer, 1));
    let add = async || adds.post("/tenant/customer/add-wallet", wallet.clone()).await;
    let change = async || updates.post("/tenant/customer/update", update.clone()).await;
    let (added, updated) = (add().await.expect(201), change().await.expect(202));
    assert_eq!((add().await.text, change().await.text), (added.text, updated.text));
    acme.live.delete(&format!("/tenant/customer/forget/{customer}")).await.expect(200);
    assert_snapshot!(add().await, @r#"400 {"errors":[{"message":"Wallet user details not found","type":"Add Wallet"}]}"#);
    assert_snapshot!(change().await, @r#"400 {"errors":[{"message":"There is no account for the given customer Id","type":"Customer"}]}"#);
}
