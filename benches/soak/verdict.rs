//! What must hold when everything is quiet: nothing lost, nothing twice, ledger and chain exact.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::primitives::{Address, U256};
use alloy::providers::Provider;
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent;
use diolkos::chain::contracts::IERC20::Transfer;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::Instant;

use super::book::{Book, Kind, Movement};
use super::cluster::{Cluster, TREASURY_USDC};
use super::node;

/// How long what was accepted may take to end once nothing goes wrong any more.
const QUIET: Duration = Duration::from_secs(300);

/// One line of the final table.
pub struct Finding {
    pub what: &'static str,
    pub said: String,
    pub good: bool,
}

/// Waits until everything has ended and judges.
pub async fn judge(cluster: &Cluster, book: &Book) -> anyhow::Result<Vec<Finding>> {
    let mut sql = cluster.sql().await?;
    let mut findings = vec![quiet(&mut sql).await?, node::is_whole(cluster).await?];
    let mut expected = Vec::new();
    for kind in Kind::ALL {
        findings.push(ended(&mut sql, book, kind, &mut expected).await?);
    }
    findings.push(moved(cluster, expected).await?);
    findings.push(books(cluster, &mut sql).await?);
    findings.push(agrees(cluster, "ledger verify", &["ledger", "verify"]).await?);
    findings.push(agrees(cluster, "reconcile", &["reconcile"]).await?);
    Ok(findings)
}

/// How long an indexer may take to reach the newest final block.
const CATCH_UP: Duration = Duration::from_secs(60);

/// A command of the server's own that finds nothing wrong, once what it looks at is up to date.
async fn agrees(cluster: &Cluster, what: &'static str, arguments: &[&str]) -> anyhow::Result<Finding> {
    let started = Instant::now();
    loop {
        let Some((good, said)) = cluster.command(arguments).await? else {
            return Ok(Finding { what, said: "this binary has no such command".to_owned(), good: true });
        };
        if good || started.elapsed() > CATCH_UP {
            if !good {
                eprintln!("{what}: {said}");
            }
            return Ok(Finding { what, said: said.lines().last().unwrap_or_default().to_owned(), good });
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

const UNFINISHED: &str = "
    select 'deposit ' || deposit_id || ' ' || status from deposit where status not in ('SETTLED', 'FAILED')
    union all
    select 'transfer ' || coalesce(idempotency_key, '') || ' ' || status from transfer
        where status not in ('SETTLED', 'FAILED')
    union all
    select 'withdrawal ' || coalesce(idempotency_key, '') || ' ' || status || ' ' || coalesce(refund, '') from withdrawal
        where status not in ('COMPLETED', 'FAILED') and refund is distinct from 'returned'
    union all
    select 'operation ' || id || ' ' || state from chain_op where state in ('waiting', 'submitted', 'review')
    union all
    select 'news of ' || operation || ' ' || state from chain_news
    union all
    select 'reservation ' || reference from ledger_transfer where state = 'pending'";

async fn quiet(sql: &mut PgConnection) -> anyhow::Result<Finding> {
    let started = Instant::now();
    loop {
        let unfinished: Vec<String> = sqlx::query_scalar(UNFINISHED).fetch_all(&mut *sql).await?;
        let waited = started.elapsed();
        if unfinished.is_empty() || waited > QUIET {
            for line in &unfinished {
                eprintln!("unfinished: {line}");
            }
            let said = format!("{} unfinished after {:.0} s of quiet", unfinished.len(), waited.as_secs_f64());
            return Ok(Finding { what: "everything has ended", said, good: unfinished.is_empty() });
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Each that was accepted is there as it was asked for, in an end state, and nobody asked for any other. Adds what must
/// have moved to `expected`.
async fn ended(
    sql: &mut PgConnection,
    book: &Book,
    kind: Kind,
    expected: &mut Vec<Movement>,
) -> anyhow::Result<Finding> {
    let (table, column) = kind.table();
    let refund = if kind == Kind::Withdrawal { "refund" } else { "null" };
    let query = format!("select {column}, status, {refund}, amount::bigint, failure from {table}");
    type Row = (String, String, Option<String>, i64, Option<String>);
    let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(query)).fetch_all(&mut *sql).await?;
    let rows: BTreeMap<String, Row> = rows.into_iter().map(|row| (row.0.clone(), row)).collect();
    let accepted = book.all(kind);
    let (mut succeeded, mut failed, mut returned, mut wrong) = (0, 0, 0, 0);
    for (name, movement) in &accepted {
        let Some((_, status, refund, amount, failure)) = rows.get(name) else {
            eprintln!("lost: {table} {name} was accepted and is not there");
            wrong += 1;
            continue;
        };
        if *amount as u64 != movement.amount {
            eprintln!("changed: {table} {name} is {amount}, and {} was asked for", movement.amount);
            wrong += 1;
        }
        match (status.as_str(), refund.as_deref()) {
            ("SETTLED" | "COMPLETED", _) => {
                succeeded += 1;
                expected.push(*movement);
            }
            ("PAYOUT_FAILED", Some("returned")) => {
                returned += 1;
                expected.extend([*movement, Movement { from: movement.to, to: movement.from, ..*movement }]);
            }
            ("FAILED", _) => {
                eprintln!("failed: {table} {name}: {}", failure.as_deref().unwrap_or("no reason"));
                failed += 1;
                // The treasury holds more than is asked of it, so that no deposit has a reason to fail.
                wrong += u64::from(kind == Kind::Deposit);
            }
            (status, refund) => {
                eprintln!("unfinished: {table} {name} is {status} {refund:?}");
                wrong += 1;
            }
        }
    }
    let unknown = rows.keys().filter(|name| !accepted.contains_key(*name)).count();
    let what = match kind {
        Kind::Deposit => "deposits",
        Kind::Transfer => "transfers",
        Kind::Withdrawal => "withdrawals",
    };
    let total = accepted.len();
    let said = format!(
        "{total} accepted: {succeeded} done, {failed} failed, {returned} returned, {wrong} wrong; {unknown} unknown"
    );
    Ok(Finding { what, said, good: wrong == 0 && unknown == 0 })
}

/// The chain's `Transfer` events are those that were expected, each as often as expected.
async fn moved(cluster: &Cluster, expected: Vec<Movement>) -> anyhow::Result<Finding> {
    let mut difference: BTreeMap<Movement, i64> = BTreeMap::new();
    let (count, mut found) = (expected.len(), 0);
    for movement in expected {
        *difference.entry(movement).or_default() -= 1;
    }
    let provider = cluster.provider()?;
    let head = provider.get_block_number().await?;
    for first in (0..=head).step_by(100) {
        let filter = Filter::new().address(cluster.contracts.usdc).event_signature(Transfer::SIGNATURE_HASH);
        let filter = filter.from_block(first).to_block((first + 99).min(head));
        for log in provider.get_logs(&filter).await? {
            let Transfer { from, to, value } = log.log_decode()?.inner.data;
            if from != Address::ZERO {
                found += 1;
                *difference.entry(Movement { from, to, amount: value.to() }).or_default() += 1;
            }
        }
    }
    difference.retain(|_, times| *times != 0);
    for (movement, times) in &difference {
        eprintln!("{}: {movement:?}, {} times", if *times > 0 { "too often" } else { "missing" }, times.abs());
    }
    let said = format!("{found} transfers, {count} expected, {} differ", difference.len());
    Ok(Finding { what: "nothing lost, nothing twice on chain", said, good: difference.is_empty() })
}

/// What wallets hold on chain is what the ledger says customers have, and the treasury has the rest.
async fn books(cluster: &Cluster, sql: &mut PgConnection) -> anyhow::Result<Finding> {
    let ledger: i64 = sqlx::query_scalar(
        "select coalesce(sum(posted_credits - posted_debits), 0)::bigint from ledger_account
        where kind = 'customers' and token = 'USDC'",
    )
    .fetch_one(&mut *sql)
    .await?;
    let provider = cluster.provider()?;
    let wallets: Vec<Vec<u8>> = sqlx::query_scalar("select address from wallet").fetch_all(&mut *sql).await?;
    let mut held: u64 = 0;
    for wallet in &wallets {
        held += holds(&provider, cluster.contracts.usdc, Address::from_slice(wallet)).await?;
    }
    let treasury = holds(&provider, cluster.contracts.usdc, cluster.treasury).await?;
    let good = u64::try_from(ledger).is_ok_and(|ledger| ledger == held) && treasury + held == TREASURY_USDC;
    let said = format!("ledger {ledger}, wallets {held}, treasury {treasury} of {TREASURY_USDC}");
    Ok(Finding { what: "ledger and chain agree", said, good })
}

async fn holds(provider: &impl Provider, token: Address, holder: Address) -> anyhow::Result<u64> {
    use alloy::sol_types::SolCall;
    let input = diolkos::chain::contracts::IERC20::balanceOfCall { account: holder }.abi_encode();
    let call = alloy::rpc::types::TransactionRequest::default().to(token).input(input.into());
    let answer = provider.call(call).await?;
    Ok(U256::try_from_be_slice(&answer).map(|units| units.to()).unwrap_or_default())
}
