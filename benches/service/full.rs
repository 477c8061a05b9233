//! A database that is full: whether accepting stays as fast with ten million deposits stored.

use diolkos::foundation::TenantId;
use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::Bench;
use super::accept::Counter;
use super::load::Until;
use super::table::{Row, Target, per_second};

/// Stored deposits to compare with.
const FEW: u64 = 10_000;
/// Stored in one transaction.
const PART: u64 = 250_000;
/// Connections that fund.
const CONNECTIONS: usize = 256;

impl Bench {
    fn many(&self) -> u64 {
        if self.quick { 500_000 } else { 10_000_000 }
    }
}

/// Funds a second with ten million deposits stored, against ten thousand in the same database before.
pub async fn accepted(bench: &Bench) -> anyhow::Result<Row> {
    let many = bench.many();
    let counter = Counter::open(bench, 1, 500).await?;
    // The first deposit opens the accounts that the stored ones name.
    let first = counter.load(1, 0).closed(Until::Count(1)).await?;
    let mut sql = bench.world.superuser(&counter.database).await?;
    let tenant = counter.tenants.first().map_or_else(TenantId::default, |tenant| tenant.id);

    store(&mut sql, tenant, 0, FEW).await?;
    let with_few = counter.load(CONNECTIONS, first.next).closed(bench.period()).await?;
    store(&mut sql, tenant, FEW, many).await?;
    let with_many = counter.load(CONNECTIONS, with_few.next).closed(bench.period()).await?;

    sqlx::Connection::close(sql).await?;
    counter.close(bench).await?;
    let (few, many_rate) = (with_few.rate(), with_many.rate());
    Ok(Row::ratio(
        &format!("accepted funds/s with {many} deposits stored, {CONNECTIONS} connections"),
        (many_rate, per_second(many_rate)),
        (few, format!("{}, with {FEW} stored", per_second(few))),
        Target::AtLeast(0.9),
    ))
}

/// Stores deposits `from` to `to` as settled ones, in all tables that funding writes, and lets the database rest.
async fn store(sql: &mut PgConnection, tenant: TenantId, from: u64, to: u64) -> anyhow::Result<()> {
    // Foreign keys of rows that are right by construction are not looked up one by one.
    sql.execute("set session_replication_role = replica").await?;
    room_for_wal(sql, "4GB").await?;
    for first in (from..to).step_by(PART as usize) {
        let last = (first + PART).min(to) - 1;
        let mut tx = sqlx::Connection::begin(&mut *sql).await?;
        for statement in [TRANSFERS, OPERATIONS, DEPOSITS] {
            let query = sqlx::query(statement).bind(tenant.0).bind(first as i64).bind(last as i64);
            query.execute(&mut *tx).await?;
        }
        tx.commit().await?;
        eprintln!("{} of {to} deposits stored", last + 1);
    }
    room_for_wal(sql, "1GB").await?;
    sql.execute("vacuum analyze ledger_transfer").await?;
    sql.execute("vacuum analyze chain_op").await?;
    sql.execute("vacuum analyze deposit").await?;
    sql.execute("checkpoint").await?;
    Ok(())
}

/// Between checkpoints; after each of them every page is logged whole once. 1GB is the default.
async fn room_for_wal(sql: &mut PgConnection, size: &str) -> anyhow::Result<()> {
    sql.execute(AssertSqlSafe(format!("alter system set max_wal_size = '{size}'"))).await?;
    sql.execute("select pg_reload_conf()").await?;
    Ok(())
}

const TRANSFERS: &str = "
    insert into ledger_transfer (tenant_id, id, debit, credit, token, amount, state, reason, reference, ended_at)
    select $1, lpad(to_hex(n), 32, '0')::uuid, debit.id, credit.id, 'USDC', 1000, 'posted', 'deposit',
        'deposit:old_' || n, now()
    from generate_series($2::bigint, $3::bigint) n,
        (select id from ledger_account where tenant_id = $1 and kind = 'treasury' and token = 'USDC') debit,
        (select id from ledger_account where tenant_id = $1 and kind = 'customers' and token = 'USDC') credit";

const OPERATIONS: &str = "
    insert into chain_op (tenant_id, id, kind, reference, account, token, recipient, amount, state,
        user_op_id, tx_hash, block_number, submitted_at, ended_at)
    select $1, lpad(to_hex(n), 32, '0')::uuid, 'deposit', 'old_' || n, like_this.account, like_this.token,
        like_this.recipient, 1000, 'succeeded', lpad(to_hex(n / 100), 32, '0')::uuid,
        sha256(int8send(n / 100)), n / 1000, now(), now()
    from generate_series($2::bigint, $3::bigint) n,
        (select account, token, recipient from chain_op where tenant_id = $1 order by id desc limit 1) like_this";

const DEPOSITS: &str = "
    insert into deposit (tenant_id, mode, deposit_id, id, customer_id, wallet, token, amount, local_fiat_amount, status,
        transfer_id, chain_op_id, tx_hash, block_number, submitted_at, ended_at)
    select $1, 'live', 'old_' || n, lpad(to_hex(n), 32, '0')::uuid, customer.id, customer.wallet, 'USDC', 1000, 11000,
        'SETTLED', lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n), 32, '0')::uuid, sha256(int8send(n / 100)), n / 1000,
        now(), now()
    from generate_series($2::bigint, $3::bigint) n
    join (select customer_id as id, address as wallet, row_number() over () - 1 as number, count(*) over () as of
        from wallet where tenant_id = $1) customer on customer.number = n % customer.of";
