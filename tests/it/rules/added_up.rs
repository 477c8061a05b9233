//! What is written down of a customer's movements and what came later are together what plain sums say, and little is read.

mod steps;

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveTime, TimeDelta, Utc};
use diolkos::foundation::Amount;
use diolkos::product::rules::{Counts, Movement, Operation, Rules};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sqlx::PgConnection;
use uuid::Uuid;

use steps::{Planted, Step, history, step};

use super::{Scene, scene};
use crate::harness::app::TestApp;

/// How rules call what is moved in each way: how many, and how much.
const NAMES: [(&str, &str); 4] = [
    ("deposits", "deposited"),
    ("transfers_in", "transferred_in"),
    ("transfers_out", "transferred_out"),
    ("withdrawals", "withdrawn"),
];

/// Jane's movements, as they are planted: in the tables, but with nothing behind them.
struct Books {
    app: TestApp,
    tenant: Uuid,
    jane: Uuid,
    /// What rules take for now. Long ago, so that whatever the day of the test much of the month is old; ids are of these
    /// days all the same.
    now: DateTime<Utc>,
    sql: PgConnection,
    /// Claims about Jane's numbers, by which her movements are ruled.
    claims: [Uuid; 2],
}

impl Books {
    async fn open() -> Self {
        let Scene { app, acme, badges, plain, jane } = scene().await;
        let claims = [
            badges.rule(&plain, "true", "ULTT0001").await.parse().unwrap(),
            badges.rule(&plain, "true", "ULTT0002").await.parse().unwrap(),
        ];
        let mut sql = app.sql().await;
        sqlx::query("update badge_rule set starts_at = '2000-01-01' where id = any($1)")
            .bind(claims)
            .execute(&mut sql)
            .await
            .unwrap();
        sqlx::query("set session_replication_role = replica").execute(&mut sql).await.unwrap();
        let day = (Utc::now() - TimeDelta::days(40)).date_naive().with_day(20).unwrap();
        let now = day.and_hms_opt(15, 0, 0).unwrap().and_utc();
        Self { tenant: acme.id.0, app, jane, now, sql, claims }
    }

    /// So many movements of a kind, whose ids are of some hours ago and which happened some hours before now.
    async fn plant(&mut self, planted: &Planted) {
        let &Planted { kind, many, id_hours, hours, state, token, amount } = planted;
        let (table, columns, values) = match kind {
            0 => (
                "deposit",
                "customer_id, wallet, deposit_id, local_fiat_amount, ended_at",
                "$2, '', gen_random_uuid()::text, 1, null::timestamptz",
            ),
            1 | 2 => (
                "transfer",
                "recipient_id, sender_id, sender_wallet, recipient_wallet, request_digest, ended_at",
                match kind {
                    1 => {
                        "$2, $1, decode(repeat('01', 20), 'hex'), decode(repeat('02', 20), 'hex'), '',
                        case when $3 <> 'QUEUED' then now() end"
                    }
                    _ => {
                        "$1, $2, decode(repeat('01', 20), 'hex'), decode(repeat('02', 20), 'hex'), '',
                        case when $3 <> 'QUEUED' then now() end"
                    }
                },
            ),
            _ => (
                "withdrawal",
                "customer_id, wallet, mobile_sealed, mobile_hint, network, country, currency, fiat_amount, rate,
                    spread_bps, middle_rate, rate_as_of, request_digest, ended_at, received_at, payout_reference",
                "$2, '', '', '', 'n', 'SN', 'XOF', 1, 1, 0, 1, now(), '', case when $3 <> 'PENDING' then now() end,
                    case when $3 = 'COMPLETED' then now() end, case when $3 = 'COMPLETED' then 'r' end",
            ),
        };
        let status = match (state, kind) {
            (State::Open, 3) => "PENDING",
            (State::Open, _) => "QUEUED",
            (State::Done, 3) => "COMPLETED",
            (State::Done, _) => "SETTLED",
            (State::Failed, _) => "FAILED",
        };
        let statement = format!(
            "insert into {table} (tenant_id, mode, id, status, token, amount, created_at, {columns})
            select $1, 'test', (lpad(to_hex((extract(epoch from now()) * 1000)::bigint - $4 * 3600000 + n), 12, '0')
                    || '7' || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid,
                $3, $5, $6, $7, {values}
            from generate_series(1, $8) n"
        );
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(self.tenant)
            .bind(self.jane)
            .bind(status)
            .bind(id_hours)
            .bind(token)
            .bind(i64::from(amount))
            .bind(self.now - TimeDelta::hours(hours))
            .bind(many)
            .execute(&mut self.sql)
            .await
            .unwrap();
    }

    async fn run(&mut self, statement: &'static str) {
        sqlx::query(statement).execute(&mut self.sql).await.unwrap();
    }

    /// Something that others sent or received, told as the indexer tells it.
    async fn outside(&self, direction: &str, id_hours: i64) {
        let at = Utc::now() - TimeDelta::hours(id_hours);
        let seconds = u64::try_from(at.timestamp()).unwrap();
        let id = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0));
        sqlx::query(
            "insert into outside_movement (tenant_id, id, customer_id, direction, wallet, counterparty, token, amount,
                tx_hash, block_number, log_index, created_at)
            values ($1, $2, $3, $4, $5, $5, 'USDC', 700, $6, 1, 0, $7)",
        )
        .bind(self.tenant)
        .bind(id)
        .bind(self.jane)
        .bind(direction)
        .bind(vec![7_u8; 20])
        .bind(vec![7_u8; 32])
        .bind(at)
        .execute(&mut self.app.sql().await)
        .await
        .unwrap();
    }

    /// Reverses some of the settled deposits.
    async fn reverse(&self) {
        let tenant = diolkos::foundation::TenantId(self.tenant);
        let mut tx = self.app.app.db.tenant(tenant).begin().await.unwrap();
        Rules::hold(&mut tx, &[self.jane]).await.unwrap();
        sqlx::query(
            "update deposit set reversed_at = now() where id in (
                select id from deposit where status = 'SETTLED' and reversed_at is null order by id limit 3)",
        )
        .execute(&mut *tx)
        .await
        .unwrap();
        Counts::forget(&mut tx, self.jane).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Jane's numbers as plain sums say them, for a movement of USDC: of the token, of all, and what is stored.
    async fn plainly(&mut self) -> [String; 2] {
        let (day, month) = (self.now.date_naive(), self.now.date_naive().with_day(1).unwrap());
        let all: Vec<(i32, String, i64, i64, i64, i64)> = sqlx::query_as(
            "select kind, token, count(*) filter (where created_at >= $2), count(*) filter (where created_at >= $3),
                coalesce(sum(amount) filter (where created_at >= $2), 0)::bigint,
                coalesce(sum(amount) filter (where created_at >= $3), 0)::bigint
            from (
                select 0 as kind, token, amount, created_at from deposit
                where customer_id = $1 and status <> 'FAILED' and reversed_at is null
                union all
                select 1, token, amount, created_at from transfer where recipient_id = $1 and status <> 'FAILED'
                union all
                select 2, token, amount, created_at from transfer where sender_id = $1 and status <> 'FAILED'
                union all
                select 3, token, amount, created_at from withdrawal
                where customer_id = $1 and status <> 'FAILED' and coalesce(refund, '') <> 'returned'
            ) m group by kind, token",
        )
        .bind(self.jane)
        .bind(day.and_time(NaiveTime::MIN).and_utc())
        .bind(month.and_time(NaiveTime::MIN).and_utc())
        .fetch_all(&mut self.sql)
        .await
        .unwrap();
        let stored: i64 = sqlx::query_scalar(
            "select greatest(sum(amount), 0)::bigint from (
                select amount from deposit where customer_id = $1 and token = 'USDC' and status <> 'FAILED'
                    and reversed_at is null
                union all
                select amount from transfer where recipient_id = $1 and token = 'USDC' and status <> 'FAILED'
                union all
                select -amount from transfer where sender_id = $1 and token = 'USDC' and status <> 'FAILED'
                union all
                select -amount from withdrawal where customer_id = $1 and token = 'USDC' and status <> 'FAILED'
                    and coalesce(refund, '') <> 'returned'
                union all
                select case direction when 'in' then amount else -amount end from outside_movement
                where customer_id = $1 and token = 'USDC' and status = 'SETTLED'
            ) m (amount)",
        )
        .bind(self.jane)
        .fetch_one(&mut self.sql)
        .await
        .unwrap();
        let mut numbers: BTreeMap<String, i64> = BTreeMap::new();
        let (mut own, mut of_all) = (Vec::new(), Vec::new());
        for (kind, token, days, months, day_sum, month_sum) in all {
            let (count, sum) = NAMES[usize::try_from(kind).unwrap()];
            for (name, number) in [
                (format!("{count}_day"), days),
                (format!("{count}_month"), months),
                (format!("{sum}_day"), day_sum),
                (format!("{sum}_month"), month_sum),
            ] {
                *numbers.entry(format!("all_{name}")).or_default() += number;
                if token == "USDC" {
                    *numbers.entry(name).or_default() += number;
                }
            }
        }
        for (count, sum) in NAMES {
            for name in [count, sum].map(|name| ["day", "month"].map(|period| format!("{name}_{period}"))).concat() {
                own.push(format!("{name} == {}", numbers.get(&name).copied().unwrap_or_default()));
                let name = format!("all_{name}");
                of_all.push(format!("{name} == {}", numbers.get(&name).copied().unwrap_or_default()));
            }
        }
        own.push(format!("stored_value == {stored}"));
        [own.join(" && "), of_all.join(" && ")]
    }

    /// What the rules take Jane's numbers for is what plain sums say.
    async fn agree(&mut self, after: &str) {
        let claims = self.plainly().await;
        for (rule, claim) in self.claims.into_iter().zip(&claims) {
            sqlx::query("update badge_rule set expression = $2 where id = $1")
                .bind(rule)
                .bind(claim)
                .execute(&mut self.sql)
                .await
                .unwrap();
        }
        // Twice: what the first writes down the second reads.
        for turn in ["first", "second"] {
            let (refusal, _) = self.weigh(Movement::Deposit).await;
            assert!(refusal.is_none(), "after {after}, {turn}: {refusal:?} of {claims:#?}");
        }
    }

    /// Why a movement of Jane's would be refused, and how many rows of transfers were read to say so.
    async fn weigh(&self, movement: Movement) -> (Option<String>, i64) {
        let tenant = diolkos::foundation::TenantId(self.tenant);
        let operation = Operation {
            tenant,
            customer: self.jane,
            is_badged: true,
            is_barred: false,
            wallet: alloy::primitives::Address::ZERO,
            movement,
            token: self.app.app.tokens.by_symbol("USDC").unwrap().clone(),
            amount: Amount::from_base_units(1).unwrap(),
        };
        let mut tx = self.app.app.db.tenant(tenant).begin().await.unwrap();
        let operations = [operation];
        let weighing = self.app.app.rules.weigh(&mut tx, self.now, &operations).await.unwrap();
        let refusal = weighing.forbids(0).map(|refusal| format!("{refusal:?}"));
        let read: i64 = sqlx::query_scalar(
            "select (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_xact_user_tables
            where relname = 'transfer'",
        )
        .fetch_one(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
        (refusal, read)
    }

    async fn count(&mut self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&mut self.sql).await.unwrap()
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Open,
    Done,
    Failed,
}

#[tokio::test]
async fn what_is_written_down_and_what_came_later_is_what_plain_sums_say() {
    let mut books = Books::open().await;
    let mut runner = TestRunner::default();
    books.agree("nothing").await;
    for planted in history().new_tree(&mut runner).unwrap().current() {
        books.plant(&planted).await;
    }
    for step in prop::collection::vec(step(), 50).new_tree(&mut runner).unwrap().current() {
        match &step {
            Step::Plant(planted) => books.plant(planted).await,
            Step::End(statement) => books.run(statement).await,
            Step::Outside(direction, hours) => books.outside(direction, *hours).await,
            Step::Undone => {
                let undone = "update outside_movement set status = 'REVERSED' where id = (
                    select id from outside_movement where status = 'SETTLED' limit 1)";
                sqlx::query(undone).execute(&mut books.app.sql().await).await.unwrap();
            }
            Step::Reverse => {
                books.reverse().await;
                for planted in history().new_tree(&mut runner).unwrap().current() {
                    books.plant(&planted).await;
                }
            }
        }
        books.agree(&format!("{step:?}")).await;
    }
    // It is no comparison of a sum with itself: with so many old ones some is written down.
    books.reverse().await;
    let (id_hours, hours, state) = (100, 100, State::Done);
    books.plant(&Planted { kind: 1, many: 300, id_hours, hours, state, token: "USDC", amount: 5 }).await;
    books.agree("the last").await;
    assert_eq!(books.count("select count(*) from counted_month where kind = 'transfer_in'").await, 1);
    assert_eq!(books.count("select count(*) from stored_value").await, 1);
}

#[tokio::test]
async fn a_movement_does_not_read_a_month_of_a_merchants_transfers() {
    let mut books = Books::open().await;
    let of = |many, id_hours, state| Planted { kind: 1, many, id_hours, hours: 100, state, token: "USDC", amount: 5 };
    for (many, id_hours, state) in
        [(5000, 100, State::Done), (2, 90, State::Open), (3000, 80, State::Done), (100, 1, State::Done)]
    {
        books.plant(&of(many, id_hours, state)).await;
    }
    // Statistics of a moment between two of these movements would be another plan.
    books.run("alter table transfer set (autovacuum_enabled = off)").await;
    books.run("alter table counted_month set (autovacuum_enabled = off)").await;
    books.run("analyze transfer").await;
    let claim = "direction != \"in\" || all_received_month == 40510 && stored_value == 40510";
    for rule in books.claims {
        sqlx::query("update badge_rule set expression = $2 where id = $1")
            .bind(rule)
            .bind(claim)
            .execute(&mut books.sql)
            .await
            .unwrap();
    }
    // What goes out is not asked for what came in.
    assert_eq!(books.weigh(Movement::TransferOut).await, (None, 0));
    let (refusal, read) = books.weigh(Movement::TransferIn).await;
    assert!(refusal.is_none() && read >= 8102, "{refusal:?}, {read}");
    // From then on it is the hundred new ones and the two that have not ended, for the month and for what is stored.
    let (refusal, read) = books.weigh(Movement::TransferIn).await;
    assert!(refusal.is_none() && read <= 2 * 102 + 10, "{refusal:?}, {read}");
    let (refusal, read) = books.weigh(Movement::Deposit).await;
    assert!(refusal.is_none() && read <= 2 * 102 + 10, "{refusal:?}, {read}");

    // A new month begins with nothing, whatever is written down of the one before.
    books.now += TimeDelta::days(31);
    let (refusal, _) = books.weigh(Movement::TransferIn).await;
    assert!(refusal.is_some());
    books.now -= TimeDelta::days(31);
    assert_eq!(books.weigh(Movement::TransferIn).await.0, None);
}
