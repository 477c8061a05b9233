//! What a run leaves behind: no phone number, key or token in the log or in the database; and an access log to read.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use diolkos::auth::hash_password;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::agreements;
use crate::harness::actor::Actor;
use crate::harness::app::TestApp;
use crate::harness::process::Process;
use crate::harness::tenant::{TestTenant, fund_body};
use crate::harness::until;

const JANE: &str = "+2250712345678";

/// A run of a real server with everything that logs, and what it left behind.
struct Run {
    log: String,
    dump: String,
    planted: Vec<(&'static str, String)>,
}

impl Run {
    async fn new() -> Self {
        let app = TestApp::by_bundler(|variables| {
            variables.insert("ROLES", "api".to_owned());
        })
        .await;
        let acme = app.tenant("acme").await;
        acme.top_up("USDC", "100").await;
        let mut variables = app.variables.clone();
        variables.insert("ROLES", "api,worker".to_owned());
        variables.insert("RUST_LOG", "debug".to_owned());
        let password = "correct horse battery staple".to_owned();
        variables.insert("OPERATOR_PASSWORD_HASH", hash_password(&password.as_str().into()).unwrap());
        let mut process = Process::serve(&variables, None).await;
        let acme = acme.at(&process.base_url);
        let mut planted = vec![
            ("phone number", JANE[1..].to_owned()),
            ("live key", acme.live_key.clone()),
            ("test key", acme.test_key.clone()),
            ("dashboard token", app.token(acme.id, &["waas"])),
            ("operator token", variables["OPERATOR_TOKEN"].clone()),
            ("operator password", password),
            ("master key", variables["MASTER_KEY"].clone()),
            ("treasury key", variables["TREASURY_KEY"].clone()),
            ("lane key", variables["LANE_KEYS"].clone()),
            ("bundler's key", "bundler-secret".to_owned()),
            ("paymaster's key", "paymaster-secret".to_owned()),
            ("wallet owner key", variables["WALLET_OWNER_KEYS"].clone()),
        ];
        planted.extend([
            ("first name", "Plantedfirst".to_owned()),
            ("e-mail address", "planted@example.org".to_owned()),
            ("tax id", "987-65-4329".to_owned()),
            ("street", "77 Planted Street".to_owned()),
        ]);
        let pem = variables["JWT_PRIVATE_KEY"].lines().nth(3).unwrap().to_owned();
        planted.push(("JWT key", pem));

        planted.push(("issued key", everything_is_called(&acme, &process.base_url, &planted).await));
        acme.until_deposit_is("dep-1", "SETTLED").await;
        process.terminate();
        process.dies().await;
        let dump = dump(&mut app.sql().await).await;
        Self { log: process.log(), dump, planted }
    }
}

/// Calls that succeed and calls that fail, with secrets in every place where one can be sent; a newly issued key.
async fn everything_is_called(acme: &TestTenant, base_url: &str, planted: &[(&str, String)]) -> String {
    let keyed = acme.dashboard.with("idempotency-key", "once");
    let issued = keyed.post("/v1/dashboard/apikeys", json!({"name": "till"})).await.expect(201).json;
    let secret = issued["key_secret"].as_str().unwrap().to_owned();
    let balance = format!("/v1/users/balance?phone_number={}", JANE.replace('+', "%2B"));
    for caller in [&acme.live, &acme.test] {
        caller.get(&balance).await.expect(404);
        caller.post("/v1/users/fund", fund_body(JANE, "dep-0", "1")).await.expect(404);
        let keyed = caller.with("idempotency-key", "twice");
        keyed.post("/v1/users/provision", json!({"phone_number": JANE})).await.expect(200);
        keyed.post("/v1/users/provision", json!({"phone_number": JANE})).await.expect(200);
        caller.post("/v1/users/fund", fund_body(JANE, "dep-1", "19.62")).await.expect(202);
        caller.post("/v1/users/fund", fund_body(JANE, "dep-1", "19.62")).await.expect(409);
        caller.get(&balance).await.expect(200);
        caller.post("/v1/users/provision", json!({"phone_number": format!("{JANE} ")})).await.expect(400);
        caller.post_bytes("/v1/users/provision", "application/json", JANE.as_bytes().to_vec()).await.expect(400);
        caller.get(&format!("/v1/users/{JANE}")).await.expect(404);
        caller.post("/v1/users/fund", fund_body(JANE, "dep-2", "1000")).await;
    }
    let mut person = agreements::example();
    person["firstName"] = json!("Plantedfirst");
    person["email"] = json!("planted@example.org");
    person["taxIdNumber"] = json!("987-65-4329");
    person["address"]["address1"] = json!("77 Planted Street");
    for caller in [&acme.live, &acme.test] {
        let keyed = caller.with("idempotency-key", "shown");
        keyed.post(agreements::PREVIEW, person.clone()).await.expect(200);
        keyed.post(agreements::PREVIEW, person.clone()).await.expect(200);
        keyed.post(agreements::PREVIEW_UL, person.clone()).await.expect(409);
        caller.post(agreements::PREVIEW_UL, person.clone()).await.expect(200);
        caller.get("/tenant/agreement/get-agreement").await.expect(200);
    }
    for (_, secret) in planted {
        let nobody = Actor::new(base_url, &[]);
        nobody.with("x-api-key", secret).get(&balance).await;
        Actor::bearer(base_url, secret).get("/v1/dashboard/deposits").await;
        Actor::bearer(base_url, secret).get("/admin/tenants").await;
        let basic = STANDARD.encode(format!("operator:{secret}"));
        nobody.with("authorization", &format!("Basic {basic}")).get("/admin/tenants").await;
        nobody.with("access-token", secret).with("cookie", secret).get("/admin/tenants").await;
        nobody.get(&format!("/v1/dashboard/deposits/{secret}?key={secret}")).await;
    }
    secret
}

/// Every row of every table as text.
pub async fn dump(superuser: &mut PgConnection) -> String {
    let tables = "select quote_ident(nspname) || '.' || quote_ident(relname) from pg_class c
        join pg_namespace n on n.oid = relnamespace
        where relkind in ('r', 'p') and nspname not in ('pg_catalog', 'information_schema', 'pg_toast')";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut *superuser).await.unwrap();
    let mut dump = String::new();
    for table in tables {
        let rows = format!("select row_to_json(t)::text from {table} t");
        for row in sqlx::query(AssertSqlSafe(rows)).fetch_all(&mut *superuser).await.unwrap() {
            dump += row.get::<&str, _>(0);
            dump += "\n";
        }
    }
    dump
}

/// The ways in which a secret could be written.
fn ways(secret: &str) -> [String; 3] {
    [secret.to_owned(), hex::encode(secret), STANDARD_NO_PAD.encode(secret)]
}

#[tokio::test]
async fn nothing_secret_reaches_the_log_or_the_database() {
    let Run { log, dump, planted } = Run::new().await;
    assert!(log.len() > 10_000 && dump.len() > 1_000, "{} {}", log.len(), dump.len());
    for (what, secret) in &planted {
        for text in ways(secret) {
            for (place, written) in [("log", &log), ("database", &dump)] {
                let line = written.lines().find(|line| line.contains(&text));
                assert!(line.is_none(), "the {what} is in the {place}: {}", line.unwrap());
            }
        }
    }
    // What is meant to be there is: this test looks where secrets would be.
    assert!(dump.contains(&planted[1].1[..16]), "{dump}");
    for logged in
        ["invalid_phone", "wallet_not_provisioned", "invalid_token", "insert into customer", "sending request"]
    {
        assert!(log.contains(logged), "{logged} is not in the log");
    }
}

#[tokio::test]
async fn every_request_is_one_line_of_json_with_its_route_status_and_id() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let mut variables = app.variables.clone();
    variables.insert("ROLES", "api".to_owned());
    variables.insert("RUST_LOG", "info".to_owned());
    let process = Process::serve(&variables, None).await;
    let acme = acme.at(&process.base_url);
    let first = acme.live.post("/v1/users/provision", json!({"phone_number": JANE})).await.expect(200);
    acme.dashboard.get("/v1/dashboard/deposits/dep-9").await.expect(404);
    Actor::new(&process.base_url, &[]).with("x-request-id", "order-7").get("/secret/path").await.expect(404);

    let lines = until("three requests are logged", || async {
        let log = process.log();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
        let lines: Vec<Value> = lines.filter(|line| line["message"] == "answered").collect();
        (lines.len() >= 3).then_some(lines)
    })
    .await;

    let told = |line: &Value| {
        let latency = line["latency_ms"].as_f64().unwrap();
        assert!(latency > 0.0 && latency < 60_000.0 && line["timestamp"].is_string(), "{line}");
        format!("{} {} {} {}", line["method"], line["route"], line["status"], line["caller"]).replace('"', "")
    };
    assert_eq!(
        lines.iter().map(told).collect::<Vec<_>>(),
        [
            "POST /v1/users/provision 200 tenant",
            "GET /v1/dashboard/deposits/{deposit_id} 404 dashboard",
            "GET unmatched 404 nobody",
        ]
    );
    assert_eq!(lines[0]["span"]["request_id"], first.header("x-request-id"));
    assert_eq!(lines[2]["span"]["request_id"], "order-7");
}
