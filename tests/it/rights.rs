//! What the server's two roles may do with each table, as the catalogue says.

use insta::assert_snapshot;
use sqlx::{Connection, PgConnection};

use crate::harness::services::services;

/// What a role may do with each table, as the catalogue says; a whole-table right or the columns it is limited to.
async fn rights(role: &str, has_tenant_id: bool) -> String {
    let database = services().database().await;
    let mut superuser = PgConnection::connect(&services().superuser_url(&database)).await.unwrap();
    let query = "with tables as (
            select c.oid, c.relname::text as name from pg_class c
            where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and c.relnamespace = 'public'::regnamespace
              and $2 = exists (select from pg_attribute where attrelid = c.oid and attname = 'tenant_id'))
        select name || ': ' || coalesce(string_agg(what, ', ' order by what), 'nothing') from tables
        left join lateral (
            select lower(r) as what from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) r
            where has_table_privilege($1, oid, r)
            union all
            select 'update (' || string_agg(attname, ', ' order by attnum) || ')' from pg_attribute
            where attrelid = oid and attnum > 0 and not has_table_privilege($1, oid, 'UPDATE')
              and has_column_privilege($1, oid, attnum, 'UPDATE') having count(*) > 0) held on true
        group by name order by name";
    let rows: Vec<String> =
        sqlx::query_scalar(query).bind(role).bind(has_tenant_id).fetch_all(&mut superuser).await.unwrap();
    rows.join("\n")
}

#[tokio::test]
async fn the_server_reaches_no_table_without_a_tenant_but_to_add_jobs() {
    assert_snapshot!(rights("diolkos_server", false).await, @r#"
    _sqlx_migrations: select
    bundle: nothing
    bundle_version_seq: nothing
    indexed_block: nothing
    indexer: nothing
    job: insert
    lane: nothing
    reconciled_balance: nothing
    reconciliation: nothing
    refill: nothing
    refill_id_seq: nothing
    sign_in_challenge: nothing
    user_op: nothing
    user_op_version: nothing
    user_op_version_version_seq: nothing
    webhook_delivery_seq_seq: nothing
    "#);
}

#[tokio::test]
async fn across_tenants_the_engine_reaches_only_what_it_works_with() {
    // A line here is a table that one statement can read of all tenants: think twice before adding one.
    assert_snapshot!(rights("diolkos_engine", true).await, @r#"
    agreement: nothing
    agreement_template: nothing
    api_key: select
    badge: insert
    badge_assignment: nothing
    badge_link: insert
    badge_rule: insert
    business_control_person: nothing
    business_user: nothing
    chain_news: insert, select, update
    chain_op: select, update
    compliance_check: update (queued)
    consent_message: nothing
    consent_vendor: nothing
    counted_month: nothing
    customer: nothing
    customer_change: nothing
    customer_consent: nothing
    customer_document: nothing
    customer_flow: nothing
    customer_identifier: nothing
    customer_policy: nothing
    customer_profile: nothing
    customer_standing: nothing
    deposit: nothing
    fx_quote: nothing
    idempotency_record: delete, select
    identity_check: delete, update (mobile_index, state, wrapped_key, details, reference, fingerprint, finding, next_at, ended_at)
    identity_check_policy: nothing
    indexed_account: select
    ledger_account: select
    ledger_transfer: nothing
    one_time_code: delete
    outside_movement: nothing
    payout: update (attempts, next_at, leased_until)
    phone_change: nothing
    stored_value: nothing
    tenant: insert, select
    terms_access: nothing
    token_movement: insert, select, update
    topup: select
    transfer: nothing
    wallet: nothing
    wallet_badge: nothing
    wallet_balance: insert, select, update
    webhook_attempt: nothing
    webhook_delivery: select, update (attempts, next_at, lease_until)
    webhook_endpoint: delete, update (trouble)
    webhook_event: delete
    webhook_secret: nothing
    withdrawal: update (refund_at)
    withdrawal_step: nothing
    "#);
}
