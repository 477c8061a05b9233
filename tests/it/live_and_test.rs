//! FAULT 22, within one tenant: what a test key makes is not there for a live key, and the other way round.

use serde_json::json;

use crate::harness::app::TestApp;
use crate::harness::tenant::fund_body;
use crate::harness::until;

const JANE: &str = "+2250700000001";

#[tokio::test]
async fn fault_22_test_and_live_keys_see_nothing_of_each_other() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let balance = "/v1/users/balance?phone_number=%2B2250700000001";
    let provision = json!({"phone_number": JANE});
    acme.top_up("USDC", "10").await;

    let rehearsed = acme.test.post("/v1/users/provision", provision.clone()).await.expect(200).json;
    acme.test.post("/v1/users/fund", fund_body(JANE, "dep-1", "5")).await.expect(202);
    assert_eq!(acme.live.get(balance).await.error(), "wallet_not_provisioned");
    assert_eq!(acme.fund(JANE, "dep-1", "5").await.error(), "wallet_not_provisioned");
    assert_eq!(acme.dashboard.get("/v1/dashboard/deposits/dep-1").await.status, 404);

    let real = acme.live.post("/v1/users/provision", provision).await.expect(200).json;
    acme.fund(JANE, "dep-1", "3").await.expect(202);
    for field in ["wallet_address", "blind_index"] {
        assert_ne!(real[field], rehearsed[field], "{field}");
    }
    until("the rehearsed deposit has settled", || async {
        (acme.test.get(balance).await.expect(200).json["balance_usdc"] == "5.000000").then_some(())
    })
    .await;
    for (mode, amount) in [("", "3.000000"), ("?mode=live", "3.000000"), ("?mode=test", "5.000000")] {
        let page = acme.dashboard.get(&format!("/v1/dashboard/deposits{mode}")).await.expect(200).json;
        assert_eq!(page["data"].as_array().unwrap().len(), 1, "{page}");
        assert_eq!(page["data"][0]["stablecoin_amount"], amount);
        let shown = acme.dashboard.get(&format!("/v1/dashboard/deposits/dep-1{mode}")).await.expect(200).json;
        assert_eq!(shown["stablecoin_amount"], amount);
    }
    let (available, reserved) = acme.balance().await;
    assert!(available == "7.000000" && (reserved == "3.000000" || reserved == "0.000000"), "{available} {reserved}");
}
