//! The SQL of jobs. Storing one needs only the right to insert; everything else is the engine's.

use std::time::Duration;

use sqlx::PgConnection;
use sqlx::postgres::PgListener;
use uuid::Uuid;

use super::{Job, Listed, Retry, Status};
use crate::db::{self, Db, Error, TenantTx};

/// Longer than the time limit, so that an attempt is over when its lease is.
const GRACE: Duration = Duration::from_secs(30);

/// A job that this process runs, until its lease ends.
#[derive(Debug)]
pub(super) struct Claimed {
    pub id: Uuid,
    pub kind: String,
    pub payload: serde_json::Value,
    pub attempts: i32,
    pub max_attempts: i32,
    pub fence: i64,
    /// Its last attempt's runner died; there is none left.
    pub dead: bool,
}

pub(super) async fn insert<J: Job>(connection: &mut PgConnection, job: &J, once: Option<&str>) -> db::Result<()> {
    sqlx::query!(
        "insert into job (id, kind, payload, once, max_attempts, lease_seconds) values ($1, $2, $3, $4, $5, $6)
        on conflict do nothing",
        Uuid::now_v7(),
        J::KIND,
        payload(job)?,
        once,
        J::ATTEMPTS,
        lease_seconds::<J>(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Stores the job unless one was stored in the running period, by the database's clock.
pub(super) async fn insert_for_period<J: Job>(
    connection: &mut PgConnection,
    job: &J,
    period: Duration,
) -> db::Result<()> {
    sqlx::query!(
        "insert into job (id, kind, payload, once, max_attempts, lease_seconds)
        values ($1, $2, $3, 'period ' || (extract(epoch from now())::bigint / $6::bigint), $4, $5)
        on conflict do nothing",
        Uuid::now_v7(),
        J::KIND,
        payload(job)?,
        J::ATTEMPTS,
        lease_seconds::<J>(),
        i64::try_from(period.as_secs().max(1)).unwrap_or(i64::MAX),
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn payload<J: Job>(job: &J) -> db::Result<serde_json::Value> {
    serde_json::to_value(job).map_err(|error| Error::Encode(error.into()))
}

fn lease_seconds<J: Job>() -> i32 {
    i32::try_from((J::TIME_LIMIT + GRACE).as_secs()).unwrap_or(i32::MAX)
}

/// Takes up to `limit` jobs of these kinds that are due or whose runner is taken for dead.
pub(super) async fn claim(db: &Db, kinds: &[&str], limit: i64) -> db::Result<Vec<Claimed>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query_as!(
        Claimed,
        r#"with due as (
            select id from job
            where status in ('waiting', 'running') and due_at <= now() and kind = any($1)
            order by due_at limit $2
            for update skip locked
        )
        update job j set
            status = case when j.attempts < j.max_attempts then 'running' else 'dead' end,
            attempts = case when j.attempts < j.max_attempts then j.attempts + 1 else j.attempts end,
            fence = j.fence + 1,
            due_at = now() + make_interval(secs => j.lease_seconds),
            started_at = case when j.attempts < j.max_attempts then now() else j.started_at end,
            ended_at = case when j.attempts < j.max_attempts then null else now() end,
            last_error = case when j.status = 'running'
                then 'the process that ran it died or was stopped' else j.last_error end
        from due where j.id = due.id
        returning j.id, j.kind, j.payload, j.attempts, j.max_attempts, j.fence, j.status = 'dead' as "dead!""#,
        kinds as &[&str],
        limit,
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(rows)
}

/// Writes that an attempt succeeded; `false` when somebody else has taken the job over.
pub(super) async fn succeed(db: &Db, job: &Claimed) -> db::Result<bool> {
    let mut tx = db.engine().await?;
    let written = sqlx::query!(
        "update job set status = 'done', ended_at = now(), last_error = null
        where id = $1 and fence = $2 and status = 'running'",
        job.id,
        job.fence,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(written.rows_affected() > 0)
}

/// Writes that an attempt failed: the job waits for `pause`, or is dead when there is none; `false` when somebody else
/// has taken the job over.
pub(super) async fn fail(db: &Db, job: &Claimed, error: &str, pause: Option<Duration>) -> db::Result<bool> {
    let mut tx = db.engine().await?;
    let pause_ms = pause.map(|pause| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
    let written = sqlx::query!(
        "update job set
            status = case when $4::bigint is null then 'dead' else 'waiting' end,
            due_at = now() + coalesce($4, 0) * interval '1 millisecond',
            ended_at = case when $4 is null then now() end,
            last_error = $3
        where id = $1 and fence = $2 and status = 'running'",
        job.id,
        job.fence,
        error,
        pause_ms,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(written.rows_affected() > 0)
}

pub(super) async fn list(db: &Db, status: Option<Status>, limit: i64, after: Option<Uuid>) -> db::Result<Vec<Listed>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        "select id, kind, payload, status, attempts, max_attempts, last_error, created_at, due_at, started_at, ended_at
        from job
        where ($1::text is null or status = $1) and ($2::uuid is null or id < $2)
        order by id desc limit $3",
        status.map(Status::as_str),
        after,
        limit,
    )
    .fetch_all(&mut *tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Listed {
                id: row.id,
                kind: row.kind,
                payload: row.payload,
                status: read_status(&row.status)?,
                attempts: row.attempts,
                max_attempts: row.max_attempts,
                last_error: row.last_error,
                created_at: row.created_at,
                due_at: row.due_at,
                started_at: row.started_at,
                ended_at: row.ended_at,
            })
        })
        .collect()
}

/// Only the engine's role may, so that the transaction takes it for this.
pub(super) async fn retry(tx: &mut TenantTx, id: Uuid) -> db::Result<Retry> {
    sqlx::query!("set local role diolkos_engine").execute(&mut **tx).await?;
    let status = sqlx::query_scalar!("select status from job where id = $1 for update", id);
    let status = status.fetch_optional(&mut **tx).await?.map(|word| read_status(&word)).transpose()?;
    if status == Some(Status::Dead) {
        sqlx::query!(
            "update job set status = 'waiting', attempts = 0, due_at = now(), ended_at = null where id = $1",
            id
        )
        .execute(&mut **tx)
        .await?;
    }
    sqlx::query!("set local role none").execute(&mut **tx).await?;
    Ok(match status {
        None => Retry::Unknown,
        Some(Status::Dead) => Retry::Waiting,
        Some(other) => Retry::NotDead(other),
    })
}

fn read_status(word: &str) -> db::Result<Status> {
    Status::from_word(word).ok_or_else(|| Error::Decode(format!("{word} is no status of a job").into()))
}

/// Deletes jobs that were done more than a week ago; returns how many.
pub(super) async fn purge_done(db: &Db) -> db::Result<u64> {
    let mut tx = db.engine().await?;
    let purged = sqlx::query!("delete from job where status = 'done' and ended_at < now() - interval '7 days'")
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(purged.rows_affected())
}

/// How many jobs are dead.
pub(super) async fn count_dead(db: &Db) -> db::Result<i64> {
    let mut tx = db.engine().await?;
    sqlx::query_scalar!(r#"select count(*) as "count!" from job where status = 'dead'"#).fetch_one(&mut *tx).await
}

/// Hears of new jobs.
pub(super) async fn listen(db: &Db) -> db::Result<PgListener> {
    let mut listener = PgListener::connect_with(db.pool()).await?;
    listener.listen("diolkos_job").await?;
    Ok(listener)
}
