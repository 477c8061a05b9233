//! A business is forgotten as a person is.

use insta::assert_snapshot;

use super::{acme, business, id_of, onboard, until_compliance_is};
use crate::harness::app::TestApp;

#[tokio::test]
async fn nothing_of_a_forgotten_business_is_left_and_all_of_it_is_free() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let keyed = acme.live.with("idempotency-key", "once");
    let first = id_of(&onboard(&keyed, &business(badge, 1)).await.expect(201));
    until_compliance_is(&acme.live, first, "ACCEPTED").await;
    let forget = format!("/tenant/customer/forget/{first}");
    for stranger in [&acme.test, &app.tenant("globex").await.live] {
        stranger.delete(&forget).await.expect(400);
    }
    acme.live.delete(&forget).await.expect(200);
    acme.live.get(&format!("/tenant/business-user/{first}")).await.expect(400);
    for table in ["customer_profile", "business_user", "business_control_person", "customer_document", "wallet"] {
        let query = format!("select count(*) from {table}");
        let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&mut app.sql().await).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
    let again = onboard(&keyed, &business(badge, 1)).await;
    assert_snapshot!(again, @r#"400 [{"message":"Not able to create account","type":[{"message":"Not able to create account","type":"onboard"}]}]"#);
    let second = id_of(&onboard(&acme.live, &business(badge, 1)).await.expect(201));
    assert_ne!(first, second);
}
