//! What features are yet to learn of their operations.

use uuid::Uuid;

use crate::db::{self, EngineTx};

/// Operations in these user operations are on their way, if they were not before.
///
/// Whoever ends a user operation locks it as well, so that this never takes the place of an outcome. Returns how many
/// seconds each of these operations had waited.
pub(super) async fn tell_submitted(tx: &mut EngineTx, user_ops: &[Uuid]) -> db::Result<Vec<f64>> {
    let first = sqlx::query_scalar!(
        "with first as (
             select id from user_op where id = any($1) and coalesce(sent_at is null, false) order by id for update
         )
         update user_op u set sent_at = now() from first where u.id = first.id returning u.id",
        user_ops
    )
    .fetch_all(&mut **tx)
    .await?;
    // A statement of its own: what was committed before the locks were ours is seen.
    sqlx::query_scalar!(
        r#"with gone as (
             select tenant_id, id, kind, created_at from chain_op
             where user_op_id = any($1) and coalesce(state = 'waiting', false)
         ), told as (
             insert into chain_news (kind, operation, tenant_id, state)
             select kind, id, tenant_id, 'submitted' from gone
             on conflict do nothing
         )
         select extract(epoch from now() - created_at)::float8 as "waited!" from gone"#,
        &first
    )
    .fetch_all(&mut **tx)
    .await
}
