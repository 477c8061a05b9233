//! What operators read: `/metrics`, `/admin/chain`, `/admin/ledger/verify`.

use insta::assert_snapshot;
use regex::Regex;
use serde_json::json;

use crate::harness::actor::Actor;
use crate::harness::app::TestApp;
use crate::harness::process::Process;
use crate::harness::rpc_proxy::Fault;
use crate::harness::tenant::phone;
use crate::harness::until;

#[tokio::test]
async fn metrics_tell_requests_jobs_operations_gas_and_the_ledgers_totals() {
    let app = TestApp::with(|variables| {
        variables.insert("ROLES", "api".to_owned());
    })
    .await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    // A process of its own: this one's metrics are those of all tests.
    let mut variables = app.variables.clone();
    variables.insert("ROLES", "api,worker".to_owned());
    let process = Process::serve(&variables, None).await;
    let live = acme.live.at(&process.base_url);
    live.post("/v1/users/provision", json!({"phone_number": phone(1)})).await.expect(200);
    live.post("/v1/users/provision", json!({"phone_number": "x"})).await.expect(400);
    acme.fund(&phone(1), "dep-1", "40").await.expect(202);
    acme.until_deposit_is("dep-1", "SETTLED").await;
    live.get("/v1/users/nothing-here-7").await.expect(404);

    let nobody = Actor::new(&process.base_url, &[]);
    let (text, kind) = until("the job is done and the ledger's totals are told", || async {
        let answer = nobody.get("/metrics").await.expect(200);
        let settled = r#"diolkos_ledger_base_units{kind="treasury",token="USDC",side="debit",state="posted"} 40000000"#;
        let job = r#"diolkos_job_attempts_total{kind="verify_ledger","#;
        (answer.text.contains(settled) && answer.text.contains(job))
            .then(|| (answer.text.clone(), answer.header("content-type").to_owned()))
    })
    .await;

    assert!(kind.starts_with("text/plain"), "{kind}");
    for line in [
        r#"http_requests_total{method="POST",route="/v1/users/provision",status="200"} 1"#,
        r#"http_requests_total{method="POST",route="/v1/users/provision",status="400"} 1"#,
        r#"http_requests_total{method="GET",route="unmatched",status="404"} 1"#,
        r#"http_request_duration_seconds_count{method="POST",route="/v1/users/provision",status="200"} 1"#,
        r#"http_request_duration_seconds_bucket{method="POST",route="/v1/users/provision",status="200",le="30"} 1"#,
        r#"diolkos_chain_stage_seconds_count{stage="submitted"} 1"#,
        r#"diolkos_chain_stage_seconds_count{stage="final"} 1"#,
        r#"diolkos_chain_operations_total{state="succeeded"} 1"#,
        r#"diolkos_chain_operations{state="waiting"} 0"#,
        r#"diolkos_chain_operations{state="submitted"} 0"#,
        r#"diolkos_ledger_base_units{kind="treasury",token="USDC",side="credit",state="posted"} 100000000"#,
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
    let lane = app.app.chain.settings().lanes[0].address();
    let gas = Regex::new(&format!("diolkos_lane_gas_balance\\{{lane=\"{lane}\"\\}} ([0-9.]+)")).unwrap();
    let gas: f64 = gas.captures(&text).unwrap_or_else(|| panic!("{text}"))[1].parse().unwrap();
    assert!(gas > 0.0);
    // No label can be invented by a caller.
    assert!(!text.contains("nothing-here") && !text.contains(&phone(1)[1..]), "{text}");
    for seconds in text.lines().filter(|line| line.starts_with("# TYPE ") && line.contains("_seconds")) {
        assert!(!seconds.ends_with(" summary"), "nobody can add summaries up: {seconds}");
    }
}

#[tokio::test]
async fn metrics_of_a_server_without_a_chain_are_still_told() {
    let app = TestApp::new().await;
    app.rpc_proxy.next(usize::MAX, "eth_getBalance", Fault::Garbage);
    app.nobody().get("/version").await.expect(200);
    let answer = app.nobody().get("/metrics").await.expect(200);
    assert!(answer.text.contains("http_requests_total"));
}

#[tokio::test]
async fn the_chain_engines_state_is_shown_to_operators() {
    let app = TestApp::new().await;
    let mut shown = until("the treasury is delegated and the lane at rest", || async {
        let answer = app.operator().get("/admin/chain").await.expect(200);
        let lane = &answer.json["lanes"][0];
        let is_at_rest = lane["holder"].is_string() && lane["in_flight"] == 0 && lane["note"].is_null();
        (is_at_rest && answer.json["treasury"]["delegated"] == true).then_some(answer)
    })
    .await;
    let lane = &shown.json["lanes"][0];
    assert!(lane["gas_balance_wei"].as_str().unwrap().parse::<u128>().unwrap() > 0);
    assert_eq!(lane["next_nonce"], lane["chain_nonce"], "{shown}");
    // What differs from run to run was looked at above.
    let numbers = r#""(head|next_nonce|chain_nonce|health|latency_ms|height|lasts_seconds)":(?:\d+|null)|"([a-z_]+_wei(?:_a_day)?)":"\d+""#;
    shown.text = Regex::new(numbers).unwrap().replace_all(&shown.text, "\"$1$2\":[number]").into_owned();
    shown.text = shown.text.replace(app.rpc_proxy.url.trim_start_matches("http://"), "[host]");
    assert_snapshot!(shown.redacted(), @r#"200 {"chain_id":137,"head":[number],"confirmations":1,"treasury":{"address":"[address]","delegated":true},"endpoints":[{"name":"0-[host]","health":[number],"resting":false,"latency_ms":[number],"height":[number],"behind":0,"other_chain_id":null}],"fees":{"base_fee_wei":[number],"suggested_max_fee_wei":[number],"suggested_tip_wei":[number],"tip_floor_wei":[number],"max_fee_cap_wei":[number],"waiting_at_cap":0},"lanes":[{"address":"[address]","holder":"[uuid]","lease_until":"[time]","next_nonce":[number],"chain_nonce":[number],"in_flight":0,"gas_balance_wei":[number],"spends_wei_a_day":[number],"lasts_seconds":[number],"note":null}],"funding":null,"bundler":null,"operations":{"waiting":0,"submitted":0,"review":0,"lag_seconds":0}}"#);

    app.rpc_proxy.next(usize::MAX, "eth_getBlockByNumber", Fault::Refuse(-32000, "missing trie node of 0xsecret"));
    app.rpc_proxy.next(usize::MAX, "eth_getCode", Fault::Refuse(-32000, "missing trie node of 0xsecret"));
    assert_snapshot!(app.operator().get("/admin/chain").await, @r#"502 {"error":"chain_unavailable","message":"the chain does not answer"}"#);
    app.nobody().get("/admin/chain").await.expect(401);
}

#[tokio::test]
async fn the_books_are_verified_for_one_tenant_or_for_all() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    app.tenant("globex").await;
    acme.top_up("USDC", "100").await;
    let verify = |query: String| {
        let operator = app.operator();
        async move { operator.get(&format!("/admin/ledger/verify{query}")).await }
    };
    assert_snapshot!(verify(String::new()).await, @r#"200 {"ok":true,"tenants":2,"discrepancies":[]}"#);
    assert_snapshot!(verify(format!("?tenant={}", acme.id)).await, @r#"200 {"ok":true,"tenants":1,"discrepancies":[]}"#);
    assert_snapshot!(verify(format!("?tenant={}", uuid::Uuid::now_v7())).await, @r#"404 {"error":"tenant_not_found","message":"there is no such tenant"}"#);
    assert_snapshot!(verify("?tenant=acme".to_owned()).await, @r#"400 {"error":"invalid_tenant","message":"tenant is not valid: UUID parsing failed: invalid character: found `m` at 2"}"#);
    acme.dashboard.get("/admin/ledger/verify").await.expect(401);
}
