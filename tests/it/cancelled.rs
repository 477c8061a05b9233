//! Whoever gives up in the middle of a transaction's beginning leaves nothing behind in the pool.

use std::time::Duration;

use diolkos::foundation::TenantId;

use crate::harness::{self, until};

#[tokio::test]
async fn a_transaction_whose_beginning_is_given_up_leaves_no_role_scope_or_lock_behind() {
    let db = harness::database().await;
    for round in 0..400_u64 {
        let patience = Duration::from_micros(round * 5 % 900);
        let _ = tokio::time::timeout(patience, db.engine()).await;
        let _ = tokio::time::timeout(patience, db.tenant(TenantId::new()).begin()).await;
    }
    // As the server's own role, which may look at its own sessions; the pool's other connections are at rest.
    // Sooner than the limit at which the server ends such transactions by itself.
    let at_rest = until("no transaction is left open", || async {
        let open = "select count(*) from pg_stat_activity
                    where datname = current_database() and pid <> pg_backend_pid() and state like 'idle in transaction%'";
        let open: i64 = sqlx::query_scalar(open).fetch_one(db.pool()).await.ok()?;
        (open == 0).then_some(())
    });
    tokio::time::timeout(Duration::from_secs(10), at_rest).await.expect("a transaction was left open");
    let mut connections = Vec::new();
    while let Some(connection) = db.pool().try_acquire() {
        connections.push(connection);
    }
    assert!(!connections.is_empty());
    for mut connection in connections {
        let (role, scope): (String, Option<String>) =
            sqlx::query_as("select current_user::text, current_setting('diolkos.tenants', true)")
                .fetch_one(&mut *connection)
                .await
                .unwrap();
        assert_eq!((role.as_str(), scope.as_deref().unwrap_or("")), ("diolkos_server", ""));
    }
}
