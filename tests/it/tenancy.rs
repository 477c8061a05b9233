//! Tenancy in the database itself: whatever the code above it asks for, a tenant's rows are the tenant's alone.
//!
//! Tables are read from the catalogue, so that none that is added later can be forgotten.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use uuid::Uuid;

use crate::harness::services::services;

/// A migrated database in which two tenants have one row each in every table of tenants.
struct Planted {
    tables: Vec<String>,
    acme: Uuid,
    globex: Uuid,
    superuser: PgConnection,
    server: PgConnection,
}

impl Planted {
    async fn new() -> Self {
        let database = services().database().await;
        let mut superuser = PgConnection::connect(&services().superuser_url(&database)).await.unwrap();
        let server = PgConnection::connect(&services().server_url(&database)).await.unwrap();
        let tables = tenants_tables(&mut superuser).await;
        let (acme, globex) = (Uuid::now_v7(), Uuid::now_v7());
        execute(&mut superuser, "set session_replication_role = replica").await.unwrap();
        for table in &tables {
            forget_checks(&mut superuser, table).await;
            for tenant in [acme, globex] {
                let insert = row_of(&mut superuser, table, tenant).await;
                execute(&mut superuser, &insert).await.unwrap();
            }
        }
        Self { tables, acme, globex, superuser, server }
    }

    /// What the server's role is answered when its transaction names acme (or nobody): rows, or the SQLSTATE.
    async fn as_server(&mut self, of_acme: bool, statement: &str) -> Result<u64, String> {
        let mut tx = self.server.begin().await.unwrap();
        if of_acme {
            let scope = format!("set local diolkos.tenants = '{}'", self.acme);
            execute(&mut tx, &scope).await.unwrap();
        }
        let done = execute(&mut tx, statement).await;
        tx.rollback().await.unwrap();
        done
    }
}

async fn execute(connection: &mut PgConnection, statement: &str) -> Result<u64, String> {
    match sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await {
        Ok(done) => Ok(done.rows_affected()),
        Err(sqlx::Error::Database(refused)) => Err(refused.code().unwrap().into_owned()),
        Err(error) => panic!("{statement}: {error}"),
    }
}

async fn tenants_tables(connection: &mut PgConnection) -> Vec<String> {
    let query = "select c.relname::text from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and a.attname = 'tenant_id'
        order by 1";
    sqlx::query_scalar(query).fetch_all(connection).await.unwrap()
}

/// Rows are planted blindly: what they must look like is not what is tested here.
async fn forget_checks(connection: &mut PgConnection, table: &str) {
    let query = "select conname::text from pg_constraint where conrelid = $1::text::regclass and contype = 'c'";
    let checks: Vec<String> = sqlx::query_scalar(query).bind(table).fetch_all(&mut *connection).await.unwrap();
    for check in checks {
        execute(connection, &format!("alter table {table} drop constraint {check}")).await.unwrap();
    }
}

/// A statement that plants a row of a tenant, with something of the right type in every column.
async fn row_of(connection: &mut PgConnection, table: &str, tenant: Uuid) -> String {
    let query = "select attname::text, format_type(atttypid, null) from pg_attribute
        where attrelid = $1::text::regclass and attnum > 0 and not attisdropped and attgenerated = '' order by attnum";
    let columns = sqlx::query(query).bind(table).fetch_all(connection).await.unwrap();
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for column in columns {
        let (name, kind): (String, String) = (column.get(0), column.get(1));
        let value = match (name.as_str(), kind.as_str()) {
            ("tenant_id", _) => format!("'{tenant}'"),
            (_, "uuid") => "gen_random_uuid()".to_owned(),
            (_, list) if list.ends_with("[]") => "'{}'".to_owned(),
            (_, "text") => "gen_random_uuid()::text".to_owned(),
            (_, "bytea") => "decode(md5(gen_random_uuid()::text), 'hex')".to_owned(),
            (_, "numeric" | "bigint" | "integer" | "smallint") => "1".to_owned(),
            (_, "boolean") => "true".to_owned(),
            (_, "timestamp with time zone" | "date") => "now()".to_owned(),
            (_, "jsonb" | "json") => "'{}'".to_owned(),
            (_, other) => panic!("{table}.{name}: this test cannot make a value of type {other}; teach it"),
        };
        names.push(name);
        values.push(value);
    }
    format!("insert into {table} ({}) values ({})", names.join(", "), values.join(", "))
}

async fn count(connection: &mut PgConnection, query: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn every_table_of_tenants_has_row_security_that_binds_its_owner_too() {
    let mut planted = Planted::new().await;
    assert!(planted.tables.len() >= 9, "{:?}", planted.tables);
    for table in &planted.tables {
        let query = format!(
            "select count(*) from pg_class where oid = '{table}'::regclass and relrowsecurity and relforcerowsecurity"
        );
        assert_eq!(count(&mut planted.superuser, &query).await, 1, "{table} is not behind forced row security");
        let first = format!(
            "select count(*) from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
             where i.indisprimary and i.indrelid = '{table}'::regclass and a.attname = 'tenant_id'"
        );
        assert_eq!(
            count(&mut planted.superuser, &first).await,
            1,
            "{table}'s primary key does not begin with tenant_id"
        );
    }
}

#[tokio::test]
async fn outside_a_tenants_transaction_the_server_sees_nothing() {
    let mut planted = Planted::new().await;
    for table in planted.tables.clone() {
        assert_eq!(count(&mut planted.superuser, &format!("select count(*) from {table}")).await, 2, "{table}");
        assert_eq!(count(&mut planted.server, &format!("select count(*) from {table}")).await, 0, "{table}");
        // Nor does a transaction that says nothing, an empty scope, or one whose tenant was named in an earlier one.
        assert_eq!(planted.as_server(true, &format!("select from {table}")).await, Ok(1), "{table}");
        assert_eq!(planted.as_server(false, &format!("select from {table}")).await, Ok(0), "{table}");
        let emptied = format!("set local diolkos.tenants = ''; select from {table}");
        assert_eq!(planted.as_server(true, &emptied).await, Ok(0), "{table}");
    }
}

#[tokio::test]
async fn inside_a_tenants_transaction_the_server_sees_that_tenants_rows() {
    let mut planted = Planted::new().await;
    for table in planted.tables.clone() {
        let (acme, globex) = (planted.acme, planted.globex);
        let own = planted.as_server(true, &format!("select from {table} where tenant_id = '{acme}'")).await;
        let others = planted.as_server(true, &format!("select from {table} where tenant_id = '{globex}'")).await;
        assert_eq!((own, others), (Ok(1), Ok(0)), "{table}");
    }
}

#[tokio::test]
async fn the_server_cannot_write_another_tenants_rows() {
    let mut planted = Planted::new().await;
    let refused = Err("42501".to_owned());
    for table in planted.tables.clone() {
        let globex = planted.globex;
        let insert = row_of(&mut planted.superuser, &table, globex).await;
        assert_eq!(planted.as_server(true, &insert).await, refused, "{table}: a row of another tenant was inserted");
        let give_away = format!("update {table} set tenant_id = '{globex}'");
        assert_eq!(planted.as_server(true, &give_away).await, refused, "{table}: a row was given away");

        let delete = planted.as_server(true, &format!("delete from {table} where tenant_id = '{globex}'")).await;
        assert!(delete == Ok(0) || delete == refused, "{table}: {delete:?}");
        let query = "select attname::text from pg_attribute where attrelid = $1::text::regclass and attnum > 0
            and has_column_privilege('diolkos_server', attrelid, attnum, 'update')";
        let columns: Vec<String> =
            sqlx::query_scalar(query).bind(&table).fetch_all(&mut planted.superuser).await.unwrap();
        for column in columns {
            let update = format!("update {table} set {column} = {column}");
            assert_eq!(planted.as_server(true, &update).await, Ok(1), "{table}.{column}");
            assert_eq!(planted.as_server(false, &update).await, Ok(0), "{table}.{column}");
        }
    }
}

#[tokio::test]
async fn the_servers_role_owns_nothing_and_bypasses_nothing() {
    let mut planted = Planted::new().await;
    let query =
        "select rolname::text || ' ' || (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication
            or rolinherit and rolname = 'diolkos_server')::text
            || ' ' || (select count(*) from pg_shdepend where refobjid = r.oid and deptype = 'o')::text
            || ' ' || has_schema_privilege(oid, 'public', 'create')::text
            || ' ' || has_database_privilege(oid, current_database(), 'create')::text
        from pg_roles r where rolname in ('diolkos_server', 'diolkos_engine') order by rolname";
    let roles: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut planted.superuser).await.unwrap();
    assert_eq!(roles, ["diolkos_engine false 0 false false", "diolkos_server false 0 false false"]);

    let memberships = "select count(*) from pg_auth_members m join pg_roles r on r.oid = m.member
        where r.rolname = 'diolkos_server' and m.roleid <> 'diolkos_engine'::regrole";
    assert_eq!(count(&mut planted.superuser, memberships).await, 0);
    for forbidden in [
        "set row_security = off; select from deposit",
        "alter table deposit no force row level security",
        "create table public.mine (x int)",
        "set session_replication_role = replica",
    ] {
        assert_eq!(planted.as_server(true, forbidden).await, Err("42501".to_owned()), "{forbidden}");
    }
}
