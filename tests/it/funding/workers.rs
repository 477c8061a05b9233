//! What workers make of the chain's news of deposits.

use super::*;

/// Several replicas' workers, until the test ends.
fn workers(app: &TestApp, count: usize) -> DropGuard {
    let stop = CancellationToken::new();
    for _ in 0..count {
        tokio::spawn(chain::follow(app.app.chain.clone(), funding::Settlement(app.app.clone()), stop.clone()));
    }
    stop.drop_guard()
}

/// All operations stand there now, as if the engine had said so.
async fn all_stand(app: &TestApp, state: &str) {
    let statement = format!(
        "with op as (
            update chain_op set state = {state}, failure = case {state} when 'review' then 'odd' end, ended_at = now()
            returning kind, id, tenant_id, state
        )
        insert into chain_news (kind, operation, tenant_id, state) select * from op
        on conflict (tenant_id, operation) do update set state = excluded.state"
    );
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut app.sql().await).await.unwrap();
}

#[tokio::test]
async fn several_workers_settle_every_deposit_once() {
    let app = without_workers().await;
    let (acme, _) = acme_with(&app, "100").await;
    let globex = app.tenant("globex").await;
    globex.top_up("USDC", "100").await;
    globex.customer(JANE).await;
    for n in 0..20 {
        acme.fund(JANE, &format!("dep_{n}"), "1").await.expect(202);
        globex.fund(JANE, &format!("dep_{n}"), "2").await.expect(202);
    }
    let _workers = workers(&app, 4);

    let submitted = "insert into chain_news (kind, operation, tenant_id, state)
        select kind, id, tenant_id, 'submitted' from chain_op";
    sqlx::query(submitted).execute(&mut app.sql().await).await.unwrap();
    all_stand(&app, "case when id::text ~ '[0-7]$' then 'succeeded' else 'failed' end").await;

    crate::harness::until("everything is noted", || async {
        let query = "select count(*) from chain_news";
        let left: i64 = sqlx::query_scalar(query).fetch_one(&mut app.sql().await).await.unwrap();
        (left == 0).then_some(())
    })
    .await;
    for (tenant, price) in [(&acme, 1), (&globex, 2)] {
        let page = tenant.dashboard.get(&format!("{LIST}?status=SETTLED&limit=100")).await.expect(200).json;
        let left = format!("{}.000000", 100 - price * ids(&page).len());
        assert_eq!(tenant.balance().await, (left, "0.000000".to_owned()));
        let failed = tenant.dashboard.get(&format!("{LIST}?status=FAILED&limit=100")).await.expect(200).json;
        assert_eq!(ids(&page).len() + ids(&failed).len(), 20);
    }
    books_agree(&app).await;
}

#[tokio::test]
async fn a_deposit_under_review_keeps_its_money_reserved() {
    let app = without_workers().await;
    let (acme, _) = acme_with(&app, "100").await;
    acme.fund(JANE, "dep_1", "1").await.expect(202);
    all_stand(&app, "'review'").await;
    let _workers = workers(&app, 1);

    let deposit = acme.until_deposit_is("dep_1", "SUBMITTED").await;

    assert_eq!(deposit["failure_reason"], "odd");
    assert_eq!(acme.balance().await, ("99.000000".to_owned(), "1.000000".to_owned()));
    books_agree(&app).await;
}

#[tokio::test]
async fn an_operation_that_belongs_to_nothing_does_not_hold_the_others_up() {
    let app = without_workers().await;
    let (acme, _) = acme_with(&app, "100").await;
    let lost = "insert into chain_op (tenant_id, id, kind, reference, account, token, recipient, amount)
         select tenant_id, '00000000-0000-7000-8000-000000000000', 'deposit', 'lost', w.address, w.address, w.address, 1
         from wallet w";
    sqlx::query(lost).execute(&mut app.sql().await).await.unwrap();
    acme.fund(JANE, "dep_1", "1").await.expect(202);
    all_stand(&app, "'succeeded'").await;
    let _workers = workers(&app, 2);

    acme.until_deposit_is("dep_1", "SETTLED").await;

    let query = "select reference from chain_news n join chain_op o on o.id = n.operation";
    let left: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut app.sql().await).await.unwrap();
    assert_eq!(left, ["lost"]);
}
