//! Metrics: figures by day, against figures computed by hand.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use diolkos::foundation::TenantId;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use uuid::{Builder, Uuid};

use crate::harness::actor::Actor;
use crate::harness::app::TestApp;
use crate::harness::tenant::{TestTenant, phone};
use crate::harness::withdrawals::{until_is, withdraw};

const METRICS: &str = "/v1/dashboard/metrics";

async fn metrics(acme: &TestTenant, query: &str) -> Value {
    acme.clerk.get(&format!("{METRICS}{query}")).await.expect(200).json
}

/// A server without workers, whose clock stands at noon: no day ends while a test runs, and nobody tends what it plants.
async fn at_noon() -> (TestApp, DateTime<Utc>) {
    let app = TestApp::with(|variables| {
        variables.insert("ROLES", "api".to_owned());
    })
    .await;
    let now = app.app.clock.now();
    let noon = (now.date_naive().and_time(NaiveTime::MIN) + TimeDelta::hours(36)).and_utc();
    app.app.clock.move_by(noon - now);
    (app, noon.date_naive().and_time(NaiveTime::MIN).and_utc())
}

/// Records of the past, written past all rules.
struct Planter {
    sql: PgConnection,
    tenant: TenantId,
    mode: &'static str,
}

impl Planter {
    async fn new(app: &TestApp, tenant: &TestTenant, mode: &'static str) -> Self {
        let mut sql = PgConnection::connect(&app.services.superuser_url(&app.database)).await.unwrap();
        sql.execute("set session_replication_role = replica").await.unwrap();
        Self { sql, tenant: tenant.id, mode }
    }

    /// A movement of `amount` base units that was asked for `at` and took so many seconds, if it has ended.
    async fn movement(&mut self, kind: &str, status: &str, token: &str, amount: i64, at: DateTime<Utc>, took: i64) {
        let ended = status != "QUEUED" && status != "CRYPTO_RECEIVED";
        let insert = match kind {
            "deposit" => {
                "insert into deposit (tenant_id, mode, deposit_id, id, customer_id, wallet, token, amount,
                    local_fiat_amount, status, transfer_id, chain_op_id, created_at, ended_at)
                values ($1, $2, $3::text, $3, gen_random_uuid(), decode(repeat('11', 20), 'hex'), $4, $5, 1, $6,
                    case when $2 = 'live' then $3 end, $3, $7, $8)"
            }
            "transfer" => {
                "insert into transfer (tenant_id, mode, id, sender_id, recipient_id, sender_wallet, recipient_wallet,
                    token, amount, request_digest, status, created_at, ended_at)
                values ($1, $2, $3, gen_random_uuid(), gen_random_uuid(), decode(repeat('11', 20), 'hex'),
                    decode(repeat('22', 20), 'hex'), $4, $5, '', $6, $7, $8)"
            }
            _ => {
                "insert into withdrawal (tenant_id, mode, id, customer_id, wallet, token, amount, mobile_sealed,
                    mobile_hint, network, country, currency, fiat_amount, rate, spread_bps, middle_rate, rate_as_of,
                    request_digest, status, created_at, ended_at, received_at, payout_reference, refund, refund_op_id)
                values ($1, $2, $3, gen_random_uuid(), decode(repeat('11', 20), 'hex'), $4, $5, '', '01',
                    'orange_money', 'CI', 'XOF', 1, 1, 0, 1, $7, '', $6, $7, $8,
                    case when $6 in ('CRYPTO_RECEIVED', 'COMPLETED', 'PAYOUT_FAILED') then $7 end,
                    case when $6 = 'COMPLETED' then 'MP1' end,
                    case when $6 = 'PAYOUT_FAILED' then 'returned' end,
                    case when $6 = 'PAYOUT_FAILED' then $3 end)"
            }
        };
        let planted = sqlx::query(insert)
            .bind(self.tenant.0)
            .bind(self.mode)
            .bind(id_of(at))
            .bind(token)
            .bind(amount)
            .bind(status)
            .bind(at)
            .bind(ended.then_some(at + TimeDelta::seconds(took)));
        planted.execute(&mut self.sql).await.unwrap();
    }

    async fn customer(&mut self, at: DateTime<Utc>) {
        sqlx::query(
            "insert into customer (tenant_id, id, mode, blind_index, phone_sealed, wrapped_key, created_at)
            values ($1, $2, $3, $2::text, '', '', $4)",
        )
        .bind(self.tenant.0)
        .bind(id_of(at))
        .bind(self.mode)
        .bind(at)
        .execute(&mut self.sql)
        .await
        .unwrap();
    }
}

/// A UUIDv7 as it would have been made then.
fn id_of(at: DateTime<Utc>) -> Uuid {
    let random: [u8; 10] = Uuid::new_v4().as_bytes()[..10].try_into().unwrap();
    Builder::from_unix_timestamp_millis(u64::try_from(at.timestamp_millis()).unwrap(), &random).into_uuid()
}

#[tokio::test]
async fn figures_are_those_of_the_period_of_the_mode_and_of_the_tenant() {
    let (app, today) = at_noon().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    acme.top_up("USDC", "100").await;
    let on = |days_ago: i64, hour: i64| today - TimeDelta::days(days_ago) + TimeDelta::hours(hour);

    let mut live = Planter::new(&app, &acme, "live").await;
    // Two days ago: two settled, one failed.
    live.movement("deposit", "SETTLED", "USDC", 100_000_001, on(2, 10), 10).await;
    live.movement("deposit", "SETTLED", "USDC", 50_000_000, on(2, 11), 20).await;
    live.movement("deposit", "FAILED", "USDC", 7_000_000, on(2, 12), 5).await;
    live.movement("transfer", "SETTLED", "USDT", 3_500_000, on(2, 13), 2).await;
    live.movement("transfer", "FAILED", "USDT", 9_000_000, on(2, 14), 2).await;
    live.movement("transfer", "FAILED", "USDC", 9_000_000, on(2, 15), 2).await;
    // Yesterday nothing happened. Today:
    live.movement("deposit", "SETTLED", "USDT", 1_000_000, on(0, 9), 60).await;
    live.movement("deposit", "QUEUED", "USDC", 8_000_000, on(0, 10), 0).await;
    live.movement("withdrawal", "COMPLETED", "USDC", 6_000_000, on(0, 8), 30).await;
    live.movement("withdrawal", "PAYOUT_FAILED", "USDC", 9_000_000, on(0, 8), 40).await;
    live.movement("withdrawal", "CRYPTO_RECEIVED", "USDC", 4_000_000, on(0, 8), 0).await;
    // Asked for before the period and ended in it: by the skin of its teeth, and after five days.
    let last_moments = on(2, 0) - TimeDelta::seconds(10);
    live.movement("deposit", "SETTLED", "USDC", 2_000_000, last_moments, 10).await;
    live.movement("withdrawal", "COMPLETED", "USDC", 20_000_000, on(5, 8), 5 * 86_400).await;
    // Not of the period, of the mode or of the tenant.
    live.movement("deposit", "SETTLED", "USDC", 1_000_000_000, last_moments, 9).await;
    live.movement("withdrawal", "PAYOUT_FAILED", "USDC", 1_000_000_000, on(3, 0), 9).await;
    for (tenant, mode) in [(&acme, "test"), (&globex, "live")] {
        let mut other = Planter::new(&app, tenant, mode).await;
        other.movement("deposit", "SETTLED", "USDC", 5_000_000, on(0, 8), 1).await;
        other.customer(on(0, 8)).await;
    }
    for (days_ago, hour) in [(0, 0), (2, 0), (3, 23), (60, 0)] {
        live.customer(on(days_ago, hour)).await;
    }

    let day = |days_ago| on(days_ago, 0).date_naive().to_string();
    let volume = |days_ago, token, figures: [&str; 3]| {
        let [into, out, across] = figures;
        json!({"date": day(days_ago), "token": token, "in": into, "out": out, "across": across})
    };
    let none = ["0.000000"; 3];
    let expected = json!({
        "mode": "live",
        "from": format!("{}T00:00:00Z", day(2)),
        "to": format!("{}T00:00:00Z", day(-1)),
        "customers": {"total": 4, "new": 2},
        "volume": [
            volume(2, "USDC", ["152.000001", "0.000000", "0.000000"]),
            volume(2, "USDT", ["0.000000", "0.000000", "3.500000"]),
            volume(1, "USDC", none),
            volume(1, "USDT", none),
            volume(0, "USDC", ["0.000000", "26.000000", "0.000000"]),
            volume(0, "USDT", ["1.000000", "0.000000", "0.000000"]),
        ],
        // 10, 10, 20 and 60 seconds.
        "deposits": {
            "by_status": {"FAILED": 1, "QUEUED": 1, "SETTLED": 3}, "ended": 5, "succeeded": 4, "success_rate": "0.8000",
            "seconds_to_settle": {"median": 15.0, "p95": 54.0},
        },
        "transfers": {
            "by_status": {"FAILED": 2, "SETTLED": 1}, "ended": 3, "succeeded": 1, "success_rate": "0.3333",
            "seconds_to_settle": {"median": 2.0, "p95": 2.0},
        },
        // 30 seconds and five days.
        "withdrawals": {
            "by_status": {"COMPLETED": 1, "CRYPTO_RECEIVED": 1, "PAYOUT_FAILED": 1}, "ended": 3, "succeeded": 2,
            "success_rate": "0.6666", "seconds_to_settle": {"median": 216_015.0, "p95": 410_401.5},
        },
        "treasury": [
            {"token": "USDC", "available": "100.000000", "reserved": "0.000000", "owed_for_payouts": "0.000000"},
            {"token": "USDT", "available": "0.000000", "reserved": "0.000000", "owed_for_payouts": "0.000000"},
        ],
    });
    assert_eq!(metrics(&acme, "?days=3").await, expected);

    // Of the test key's only its own, and none of the money.
    let of_test = metrics(&acme, "?days=3&mode=test").await;
    assert_eq!((&of_test["mode"], &of_test["customers"]), (&json!("test"), &json!({"total": 1, "new": 1})));
    assert_eq!(of_test["volume"][4], volume(0, "USDC", ["5.000000", "0.000000", "0.000000"]));
    assert_eq!(of_test["treasury"][0]["available"], "0.000000");
    // A longer period sees more.
    let longer = metrics(&acme, "?days=4").await;
    assert_eq!(longer["volume"][0], volume(3, "USDC", ["1000.000000", "0.000000", "0.000000"]));
    assert_eq!(longer["withdrawals"]["success_rate"], "0.5000");
    assert_eq!(longer["deposits"]["by_status"]["SETTLED"], 5);
    assert_eq!(longer["customers"]["new"], 3);
}

#[tokio::test]
async fn where_nothing_happened_there_are_zeros_and_nulls() {
    let (app, today) = at_noon().await;
    let acme = app.tenant("acme").await;

    let month = metrics(&acme, "").await;
    let days: Vec<String> =
        month["volume"].as_array().unwrap().iter().map(|row| row["date"].as_str().unwrap().to_owned()).collect();
    let expected = (0..30).rev().flat_map(|ago| {
        let day = (today - TimeDelta::days(ago)).date_naive().to_string();
        [day.clone(), day]
    });
    assert_eq!(days, expected.collect::<Vec<_>>());
    assert_eq!(month["customers"], json!({"total": 0, "new": 0}));
    let nothing = json!({"by_status": {}, "ended": 0, "succeeded": 0, "success_rate": null, "seconds_to_settle": null});
    for kind in ["deposits", "transfers", "withdrawals"] {
        assert_eq!(month[kind], nothing, "{kind}");
    }
    for (query, rows) in [("?days=1", 2), ("?days=90", 180)] {
        assert_eq!(metrics(&acme, query).await["volume"].as_array().unwrap().len(), rows);
    }
}

#[tokio::test]
async fn a_payment_shows_in_the_figures_and_what_is_owed_for_it() {
    let app = TestApp::with(|variables| {
        variables.insert("PAYOUT_PROVIDER", "manual".to_owned());
    })
    .await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    acme.customer_with(&phone(1), "20").await;
    let withdrawal = withdraw(&acme.live, &phone(1), "5").await;
    until_is(&app, &withdrawal, "CRYPTO_RECEIVED").await;

    let figures = metrics(&acme, "?days=2").await;
    let usdc =
        json!({"token": "USDC", "available": "80.000000", "reserved": "0.000000", "owed_for_payouts": "5.000000"});
    assert_eq!(figures["treasury"][0], usdc);
    assert_eq!(figures["customers"], json!({"total": 1, "new": 1}));
    assert_eq!(figures["deposits"]["success_rate"], "1.0000");
    assert!(figures["deposits"]["seconds_to_settle"]["median"].as_f64().unwrap() < 60.0, "{figures}");
    assert_eq!(figures["withdrawals"]["by_status"], json!({"CRYPTO_RECEIVED": 1}));
    assert_eq!(figures["withdrawals"]["success_rate"], Value::Null);

    let confirm = format!("/v1/dashboard/withdrawals/{withdrawal}/confirm-payout");
    acme.dashboard.post(&confirm, json!({"payout_reference": "MP1"})).await.expect(200);
    let figures = metrics(&acme, "?days=2").await;
    assert_eq!(figures["treasury"][0]["owed_for_payouts"], "0.000000");
    assert_eq!(figures["withdrawals"]["by_status"], json!({"COMPLETED": 1}));
    assert_eq!(figures["withdrawals"]["success_rate"], "1.0000");
}

#[tokio::test]
async fn figures_are_of_one_moment_and_are_only_read() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.customer(&phone(1)).await;
    let mut tx = app.app.db.tenant(acme.id).snapshot().await.unwrap();
    let count = async |tx: &mut PgConnection| {
        sqlx::query_scalar::<_, i64>("select count(*) from customer").fetch_one(tx).await.unwrap()
    };
    assert_eq!(count(&mut tx).await, 1);

    acme.customer(&phone(2)).await;

    assert_eq!(count(&mut tx).await, 1);
    let refused = tx.execute("update customer set blind_index = 'x'").await.unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|error| error.code()).unwrap(), "25006");
    drop(tx);
    let mut tx = app.app.db.tenant(acme.id).snapshot().await.unwrap();
    assert_eq!(count(&mut tx).await, 2);
}

#[tokio::test]
async fn who_asks_for_what_is_not_to_be_had_is_told_so() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    for (parameter, value) in [("days", "0"), ("days", "91"), ("days", "-1"), ("days", "1.5"), ("mode", "both")] {
        let refused = acme.dashboard.get(&format!("{METRICS}?{parameter}={value}")).await.expect(400);
        assert_eq!(refused.error(), format!("invalid_{parameter}"), "{refused}");
    }
    app.nobody().get(METRICS).await.expect(401);
    acme.live.get(METRICS).await.expect(401);
    Actor::bearer(&app.base_url, &app.token(acme.id, &["other"])).get(METRICS).await.expect(403);
}
