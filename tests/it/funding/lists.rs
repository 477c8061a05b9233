//! Deposits as their tenant lists them.

use super::*;

/// FAULTS 22.
#[tokio::test]
async fn a_tenant_sees_its_own_deposits_only() {
    let app = TestApp::new().await;
    let (acme, _) = acme_with(&app, "100").await;
    let globex = app.tenant("globex").await;
    acme.fund(JANE, "dep_1", "1").await.expect(202);

    let unknown = globex.dashboard.get(&format!("{LIST}/dep_1")).await;
    assert_snapshot!(unknown, @r#"404 {"error":"deposit_not_found","message":"there is no such deposit"}"#);
    assert_eq!(ids(&globex.dashboard.get(LIST).await.expect(200).json), [""; 0]);

    // The other tenant's name for a deposit is free, its customer and its money are not.
    globex.fund(JANE, "dep_1", "1").await.expect(404);
    globex.customer(JANE).await;
    globex.fund(JANE, "dep_1", "1").await.expect(402);
}

#[tokio::test]
async fn deposits_are_listed_newest_first_in_pages_and_by_status_and_time() {
    let app = without_workers().await;
    let (acme, _) = acme_with(&app, "100").await;
    let mut times = Vec::new();
    for n in 0..5 {
        let accepted = acme.fund(JANE, &format!("dep_{n}"), "1").await.expect(202).json;
        times.push(accepted["created_at"].as_str().unwrap().to_owned());
    }
    sqlx::query("update deposit set status = 'SETTLED' where deposit_id in ('dep_1', 'dep_3')")
        .execute(&mut app.sql().await)
        .await
        .unwrap();
    let list = async |query: &str| acme.dashboard.get(&format!("{LIST}?{query}")).await.expect(200).json;

    let first = list("limit=2").await;
    assert_eq!(ids(&first), ["dep_4", "dep_3"]);
    let second = list(&format!("limit=2&cursor={}", first["next_cursor"].as_str().unwrap())).await;
    assert_eq!(ids(&second), ["dep_2", "dep_1"]);
    let last = list(&format!("limit=2&cursor={}", second["next_cursor"].as_str().unwrap())).await;
    assert_eq!((ids(&last), &last["next_cursor"]), (vec!["dep_0"], &Value::Null));

    assert_eq!(ids(&list("status=SETTLED").await), ["dep_3", "dep_1"]);
    assert_eq!(ids(&list(&format!("from={}&to={}", times[1], times[3])).await), ["dep_2", "dep_1"]);
    for (query, field) in [
        ("status=settled", "status"),
        ("from=yesterday", "from"),
        ("from=-200000-01-01T00:00:00Z", "from"),
        ("to=%2B200000-01-01T00:00:00Z", "to"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=x", "cursor"),
        ("mode=both", "mode"),
    ] {
        let answer = acme.dashboard.get(&format!("{LIST}?{query}")).await;
        assert!(answer.status == 400 && answer.text.contains(field), "{query}: {answer}");
    }
}
