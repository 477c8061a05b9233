//! A payment with which the chain did something else than was asked is for an operator to decide.

use serde_json::json;

use crate::harness::app::TestApp;
use crate::harness::tenant::{TestTenant, phone};

/// A deposit that came to review, as it would with a token that charges a fee; its operation's id.
async fn deposit_under_review(app: &TestApp, acme: &TestTenant, deposit: &str) -> String {
    acme.fund(&phone(1), deposit, "10").await.expect(202);
    let mut sql = app.sql().await;
    let review = "with op as (
            update chain_op set state = 'review' where reference = $1 returning kind, id, tenant_id, state
        )
        insert into chain_news (kind, operation, tenant_id, state) select * from op returning operation";
    let id: uuid::Uuid = sqlx::query_scalar(review).bind(deposit).fetch_one(&mut sql).await.unwrap();
    id.to_string()
}

#[tokio::test]
async fn an_operator_ends_a_review_and_the_money_goes_where_it_belongs() {
    let app = TestApp::with(|variables| {
        // No chain engine for this lane: nothing but the operator moves these deposits.
        variables.insert("LANE_LEASE_SECONDS", "600".to_owned());
    })
    .await;
    let mut sql = app.sql().await;
    sqlx::query(
        "update lane set holder = gen_random_uuid(), fence = fence + 1, lease_until = now() + interval '10 minutes'",
    )
    .execute(&mut sql)
    .await
    .unwrap();
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    acme.customer(&phone(1)).await;
    let paid = deposit_under_review(&app, &acme, "dep_paid").await;
    let lost = deposit_under_review(&app, &acme, "dep_lost").await;
    let listed = app.operator().get("/admin/chain/reviews").await.expect(200);
    assert_eq!(listed.json["data"].as_array().unwrap().len(), 2, "{listed}");

    let end = async |id: &str, outcome: &str| {
        app.operator().post(&format!("/admin/chain/reviews/{id}"), json!({"outcome": outcome})).await
    };
    end(&paid, "succeeded").await.expect(200);
    end(&lost, "failed").await.expect(200);

    acme.until_deposit_is("dep_paid", "SETTLED").await;
    acme.until_deposit_is("dep_lost", "FAILED").await;
    assert_eq!(acme.balance().await, ("90.000000".to_owned(), "0.000000".to_owned()));
    end(&paid, "failed").await.expect(404);
    end("nonsense", "failed").await.expect(404);
    end(&lost, "perhaps").await.expect(400);
    acme.dashboard.get("/admin/chain/reviews").await.expect(401);
    app.nobody().get("/admin/chain/reviews").await.expect(401);
}

#[tokio::test]
async fn a_settled_deposit_that_a_reorg_undid_for_good_is_reversed_by_a_new_entry() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    acme.customer(&phone(1)).await;
    acme.fund(&phone(1), "dep_1", "10").await.expect(202);
    acme.until_deposit_is("dep_1", "SETTLED").await;
    let undo = async || {
        let undone = "update chain_op set undone = 'blacklisted' where reference = 'dep_1' returning id";
        sqlx::query_scalar::<_, uuid::Uuid>(undone).fetch_one(&mut app.sql().await).await.unwrap()
    };
    let end = async |id: uuid::Uuid, outcome: &str| {
        app.operator().post(&format!("/admin/chain/reviews/{id}"), json!({"outcome": outcome})).await
    };

    let id = undo().await;
    let listed = app.operator().get("/admin/chain/reviews").await.expect(200);
    assert_eq!(listed.json["data"][0]["reason"], "undone by a reorg: blacklisted", "{listed}");
    // Made good in another way.
    end(id, "succeeded").await.expect(200);
    assert_eq!(acme.balance().await, ("90.000000".to_owned(), "0.000000".to_owned()));
    end(id, "failed").await.expect(404);

    for _ in 0..2 {
        // However often: the money goes back once.
        undo().await;
        end(id, "failed").await.expect(200);
        assert_eq!(acme.balance().await, ("100.000000".to_owned(), "0.000000".to_owned()));
    }
    acme.until_deposit_is("dep_1", "SETTLED").await;
    let query = "select reference, state from ledger_transfer where reason in ('deposit', 'reversal') order by id";
    let entries: Vec<(String, String)> = sqlx::query_as(query).fetch_all(&mut app.sql().await).await.unwrap();
    let posted = |reference: &str| (reference.to_owned(), "posted".to_owned());
    assert_eq!(entries, [posted("deposit:dep_1"), posted("reversal:deposit:dep_1")]);
    let verified = app.operator().get("/admin/ledger/verify").await.expect(200);
    assert_eq!(verified.json["ok"], true, "{verified}");
}
