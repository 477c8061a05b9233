//! Money rules that hold in the database, whatever the code above it does.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::harness::services::services;

const TENANT: &str = "01990000-0000-7000-8000-000000000001";

/// A tenant with 100 units in its treasury, of which 30 are reserved, and one pending transfer.
async fn books() -> (PgConnection, PgConnection) {
    let database = services().database().await;
    let mut superuser = PgConnection::connect(&services().superuser_url(&database)).await.unwrap();
    let mut server = PgConnection::connect(&services().server_url(&database)).await.unwrap();
    let planted = format!(
        "insert into tenant (tenant_id, namespace, name, wrapped_key) values ('{TENANT}', 'acme.ul', 'Acme', '');
         insert into ledger_account (tenant_id, id, kind, token, posted_credits, pending_debits) values
            ('{TENANT}', '00000000-0000-0000-0000-00000000000a', 'treasury', 'USDC', 100, 30),
            ('{TENANT}', '00000000-0000-0000-0000-00000000000b', 'customers', 'USDC', 0, 0),
            ('{TENANT}', '00000000-0000-0000-0000-00000000000c', 'customers', 'USDT', 0, 0);
         insert into ledger_transfer (tenant_id, id, debit, credit, token, amount, state, reason, reference) values
            ('{TENANT}', '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-00000000000a',
             '00000000-0000-0000-0000-00000000000b', 'USDC', 30, 'pending', 'deposit', 'deposit:1')"
    );
    superuser.execute(AssertSqlSafe(planted)).await.unwrap();
    server.execute(AssertSqlSafe(format!("set diolkos.tenants = '{TENANT}'"))).await.unwrap();
    (superuser, server)
}

/// The constraint that a statement breaks, or else the SQLSTATE of its refusal.
async fn refusal(connection: &mut PgConnection, statement: &str) -> String {
    match connection.execute(AssertSqlSafe(statement)).await {
        Ok(done) => format!("{} rows", done.rows_affected()),
        Err(error) => {
            let refused = error.as_database_error().unwrap();
            refused.constraint().map_or_else(|| refused.code().unwrap().into_owned(), ToOwned::to_owned)
        }
    }
}

fn transfer(debit: char, credit: char, token: &str, amount: &str, reference: &str) -> String {
    format!(
        "insert into ledger_transfer (tenant_id, id, debit, credit, token, amount, state, reason, reference) values
         ('{TENANT}', gen_random_uuid(), '00000000-0000-0000-0000-00000000000{debit}',
          '00000000-0000-0000-0000-00000000000{credit}', '{token}', {amount}, 'pending', 'deposit', '{reference}')"
    )
}

#[tokio::test]
async fn a_balance_cannot_be_overdrawn_or_negative_whoever_asks() {
    let (mut superuser, mut server) = books().await;
    for connection in [&mut superuser, &mut server] {
        for (change, of, constraint) in [
            ("pending_debits = 101", "treasury", "ledger_account_no_overdraft"),
            ("posted_debits = 71", "treasury", "ledger_account_no_overdraft"),
            ("posted_credits = 29", "treasury", "ledger_account_no_overdraft"),
            ("pending_debits = -1", "customers", "ledger_account_not_negative"),
            ("posted_debits = -1", "customers", "ledger_account_not_negative"),
            ("pending_credits = -1", "customers", "ledger_account_not_negative"),
            ("posted_credits = -1", "customers", "ledger_account_not_negative"),
            ("posted_debits = 70", "treasury", "1 rows"),
            ("posted_debits = 0", "treasury", "1 rows"),
        ] {
            let statement = format!("update ledger_account set {change} where kind = '{of}'");
            assert_eq!(refusal(connection, &statement).await, constraint, "{statement}");
        }
    }
}

#[tokio::test]
async fn a_transfer_moves_something_between_two_accounts_of_one_token_once() {
    let (mut superuser, mut server) = books().await;
    for connection in [&mut superuser, &mut server] {
        for (statement, constraint) in [
            (transfer('a', 'a', "USDC", "1", "r"), "ledger_transfer_two_accounts"),
            (transfer('a', 'b', "USDC", "0", "r"), "ledger_transfer_amount_positive"),
            (transfer('a', 'b', "USDC", "-1", "r"), "ledger_transfer_amount_positive"),
            (transfer('a', 'c', "USDC", "1", "r"), "ledger_transfer_credit_fkey"),
            (transfer('a', 'c', "USDT", "1", "r"), "ledger_transfer_debit_fkey"),
            (transfer('a', 'b', "USDC", "1", "deposit:1"), "ledger_transfer_reference_unique"),
            (transfer('a', 'b', "USDC", "1e38", "r"), "22003"),
        ] {
            assert_eq!(refusal(connection, &statement).await, constraint, "{statement}");
        }
    }
}

#[tokio::test]
async fn operations_customers_and_wallets_are_somebodys() {
    let (mut superuser, mut server) = books().await;
    let nobody = "01990000-0000-7000-8000-00000000000f";
    let customer = |tenant: &str| {
        format!(
            "insert into customer (tenant_id, id, mode, blind_index, phone_sealed, wrapped_key)
             values ('{tenant}', '01990000-0000-7000-8000-000000000002', 'live', 'jane', '', '')"
        )
    };
    let wallet = |customer: &str| {
        format!(
            "insert into wallet (tenant_id, id, customer_id, mode, kind, address, is_primary)
             values ('{TENANT}', gen_random_uuid(), '{customer}', 'live', 'external', decode(repeat('0a', 20), 'hex'), true)"
        )
    };
    let operation = format!(
        "insert into chain_op (tenant_id, id, kind, reference, account, token, recipient, amount)
         select '{nobody}', gen_random_uuid(), 'deposit', 'dep_1', a, a, a, 1 from decode(repeat('0a', 20), 'hex') a"
    );
    assert_eq!(refusal(&mut superuser, &operation).await, "chain_op_tenant_id_fkey");
    assert_eq!(refusal(&mut superuser, &customer(nobody)).await, "customer_tenant_id_fkey");
    for connection in [&mut superuser, &mut server] {
        assert_eq!(refusal(connection, &wallet(nobody)).await, "wallet_customer_fkey");
    }
    assert_eq!(refusal(&mut server, &customer(TENANT)).await, "1 rows");
    assert_eq!(refusal(&mut server, &wallet("01990000-0000-7000-8000-000000000002")).await, "1 rows");
    let given_away = format!("update wallet set customer_id = '{nobody}'");
    assert_eq!(refusal(&mut superuser, &given_away).await, "23001");
}

#[tokio::test]
async fn what_was_written_in_the_ledger_stays() {
    let (mut superuser, mut server) = books().await;
    let query = "select attrelid::regclass::text || '.' || attname from pg_attribute
        where attrelid in ('ledger_transfer'::regclass, 'ledger_account'::regclass, 'deposit'::regclass,
                           'topup'::regclass, 'chain_op'::regclass, 'chain_news'::regclass,
                           'transfer'::regclass,
                           'withdrawal'::regclass, 'withdrawal_step'::regclass, 'payout'::regclass,
                           'token_movement'::regclass, 'wallet_balance'::regclass, 'outside_movement'::regclass,
                           'agreement'::regclass, 'agreement_template'::regclass, 'customer_consent'::regclass,
                           'consent_message'::regclass, 'consent_vendor'::regclass) and attnum > 0
          and has_column_privilege('diolkos_server', attrelid, attnum, 'update') order by attrelid, attnum";
    let changeable: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut superuser).await.unwrap();
    insta::assert_snapshot!(changeable.join("\n"), @r#"
    ledger_account.pending_debits
    ledger_account.posted_debits
    ledger_account.pending_credits
    ledger_account.posted_credits
    ledger_transfer.state
    ledger_transfer.ended_at
    topup.status
    topup.confirmed_at
    topup.confirmed_by
    deposit.status
    deposit.failure
    deposit.tx_hash
    deposit.block_number
    deposit.submitted_at
    deposit.ended_at
    deposit.reversed_at
    transfer.status
    transfer.failure
    transfer.tx_hash
    transfer.block_number
    transfer.submitted_at
    transfer.ended_at
    withdrawal.status
    withdrawal.failure
    withdrawal.tx_hash
    withdrawal.block_number
    withdrawal.payout_reference
    withdrawal.refund
    withdrawal.refund_at
    withdrawal.refund_op_id
    withdrawal.refund_tx_hash
    withdrawal.submitted_at
    withdrawal.received_at
    withdrawal.ended_at
    payout.state
    payout.reference
    payout.failure
    payout.asked_at
    payout.heard_at
    payout.attempts
    payout.next_at
    payout.leased_until
    payout.ended_at
    token_movement.noted
    outside_movement.status
    agreement_template.retired_at
    agreement.customer_id
    agreement.wrapped_key
    agreement.status
    agreement.decided_at
    agreement.decided_by
    agreement.decided_from
    consent_vendor.retired_at
    chain_news.since
    "#);

    for statement in [
        "update ledger_transfer set amount = 1",
        "update ledger_transfer set credit = debit",
        "update ledger_transfer set reference = 'x'",
        "update ledger_account set token = 'USDT'",
        "delete from ledger_transfer",
        "delete from ledger_account",
        "delete from deposit",
        "delete from topup",
        "delete from transfer",
        "delete from withdrawal",
        "update withdrawal set amount = 1",
        "update withdrawal_step set state = 'COMPLETED'",
        "delete from payout",
        "update customer_consent set status = 'REJECTED'",
        "delete from customer_consent",
        "update consent_message set message = 'x'",
        "update agreement_template set html = 'x'",
        "update agreement set sealed = ''",
        "delete from agreement",
        "truncate ledger_transfer",
    ] {
        assert_eq!(refusal(&mut server, statement).await, "42501", "{statement}");
    }
    for (statement, constraint) in [
        ("update ledger_transfer set state = 'posted'", "ledger_transfer_end"),
        ("update ledger_transfer set ended_at = now()", "ledger_transfer_end"),
        ("update ledger_transfer set state = 'undone', ended_at = now()", "ledger_transfer_state_known"),
        ("update ledger_transfer set state = 'posted', ended_at = now()", "1 rows"),
    ] {
        assert_eq!(refusal(&mut server, statement).await, constraint, "{statement}");
    }
}
