-- Background work (src/jobs). A job is stored in the transaction that causes it and runs at least once.
-- waiting ──▶ running ──▶ done | dead        (running goes back to waiting when an attempt fails)
create table job (
    id            uuid        not null,
    kind          text        not null,
    payload       jsonb       not null,
    -- At most one job of its kind has this, whatever became of it: the period of a periodic job.
    once          text,
    status        text        not null default 'waiting',
    attempts      integer     not null default 0,
    max_attempts  integer     not null,
    -- Counts who ran it: whoever holds an older number may not write its end.
    fence         bigint      not null default 0,
    -- Waiting: not before this. Running: when this has passed, whoever ran it is taken for dead.
    due_at        timestamptz not null default now(),
    lease_seconds integer     not null,
    last_error    text,
    created_at    timestamptz not null default now(),
    started_at    timestamptz,
    ended_at      timestamptz,
    constraint job_pkey primary key (id),
    constraint job_once_unique unique (kind, once),
    constraint job_status_known check (status in ('waiting', 'running', 'done', 'dead')),
    constraint job_attempts check (attempts >= 0 and max_attempts > 0 and lease_seconds > 0),
    constraint job_end check ((status in ('done', 'dead')) = (ended_at is not null))
);
create index job_due on job (due_at) where status in ('waiting', 'running');
create index job_newest on job (status, id desc);
create index job_done on job (ended_at) where status = 'done';

-- An engine's table: payloads name tenants by id and hold no data of theirs. Tenants' transactions only add to it.
grant insert on job to diolkos_server;
grant select, insert, update, delete on job to diolkos_engine;

-- Workers listen; one that does not hear looks every few seconds.
create function job_wakes_workers() returns trigger
    language plpgsql as $$
begin
    perform pg_notify('diolkos_job', '');
    return null;
end
$$;
create trigger job_added after insert on job
    for each statement execute function job_wakes_workers();
create trigger job_waits_again after update of status on job
    for each row when (new.status = 'waiting' and new.due_at <= now()) execute function job_wakes_workers();
