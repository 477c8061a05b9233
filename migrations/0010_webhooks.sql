-- Webhooks (src/webhooks). An endpoint is where a tenant wants to be told; deleted ones stay for their logs.
create table webhook_endpoint (
    tenant_id   uuid        not null references tenant,
    id          uuid        not null,
    url         text        not null,
    description text,
    -- The events that it wants; all, also those that come later, when null.
    events      text[],
    -- Attempts in a row that failed or were slow. A new endpoint has yet to show that it is well.
    trouble     integer     not null default 1,
    created_at  timestamptz not null default now(),
    deleted_at  timestamptz,
    constraint webhook_endpoint_pkey primary key (tenant_id, id),
    constraint webhook_endpoint_url_length check (length(url) between 1 and 2048),
    constraint webhook_endpoint_description_length check (length(description) <= 500),
    constraint webhook_endpoint_events_some check (cardinality(events) > 0),
    constraint webhook_endpoint_trouble check (trouble >= 0)
);
create index webhook_endpoint_alive on webhook_endpoint (tenant_id, id) where deleted_at is null;
call diolkos_scope_to_tenant('webhook_endpoint');
call diolkos_open_to_engine('webhook_endpoint');
grant select, insert on webhook_endpoint to diolkos_server;
grant update (trouble, deleted_at) on webhook_endpoint to diolkos_server;
-- The engine sees that there is an endpoint and how it does (update: to lock it), never where it is.
grant select (tenant_id, id, trouble, created_at, deleted_at), update (trouble), delete
    on webhook_endpoint to diolkos_engine;

-- Secrets that sign, sealed under the tenant's key. The newest has no end; a rotated one ends a day later.
create table webhook_secret (
    tenant_id   uuid        not null,
    id          uuid        not null,
    endpoint_id uuid        not null,
    sealed      bytea       not null,
    created_at  timestamptz not null default now(),
    expires_at  timestamptz,
    constraint webhook_secret_pkey primary key (tenant_id, id),
    constraint webhook_secret_endpoint_fkey foreign key (tenant_id, endpoint_id)
        references webhook_endpoint (tenant_id, id) on delete cascade
);
create unique index webhook_secret_one_lasting on webhook_secret (tenant_id, endpoint_id) where expires_at is null;
create index webhook_secret_endpoint on webhook_secret (tenant_id, endpoint_id, id);
call diolkos_scope_to_tenant('webhook_secret');
grant select, insert, delete on webhook_secret to diolkos_server;
grant update (expires_at) on webhook_secret to diolkos_server;

-- What happened, as it is told: the very bytes that are signed and sent.
create table webhook_event (
    tenant_id  uuid        not null references tenant,
    id         uuid        not null,
    event      text        not null,
    body       text        not null,
    created_at timestamptz not null default now(),
    constraint webhook_event_pkey primary key (tenant_id, id)
);
create index webhook_event_age on webhook_event (created_at);
call diolkos_scope_to_tenant('webhook_event');
call diolkos_open_to_engine('webhook_event');
grant select, insert on webhook_event to diolkos_server;
grant select (tenant_id, id, created_at), delete on webhook_event to diolkos_engine;

-- Delivery: one event to one endpoint.
-- pending ──▶ delivered | failed
create table webhook_delivery (
    tenant_id   uuid        not null,
    id          uuid        not null,
    endpoint_id uuid        not null,
    event_id    uuid        not null,
    -- What the event is about; an endpoint hears of one resource in the order of seq.
    resource    text        not null,
    seq         bigint      not null generated always as identity,
    event       text        not null,
    status      text        not null default 'pending',
    -- Also tells who is at it: whoever began an earlier attempt may not write the outcome.
    attempts    integer     not null default 0,
    -- Not before this. While somebody is at it: when that one is taken for dead.
    next_at     timestamptz not null default now(),
    lease_until timestamptz,
    -- A failed attempt after this is the last one.
    expires_at  timestamptz not null default now() + interval '24 hours',
    status_code smallint,
    failure     text,
    created_at  timestamptz not null default now(),
    ended_at    timestamptz,
    constraint webhook_delivery_pkey primary key (tenant_id, id),
    constraint webhook_delivery_endpoint_fkey foreign key (tenant_id, endpoint_id)
        references webhook_endpoint (tenant_id, id) on delete cascade,
    constraint webhook_delivery_event_fkey foreign key (tenant_id, event_id)
        references webhook_event (tenant_id, id) on delete cascade,
    constraint webhook_delivery_status_known check (status in ('pending', 'delivered', 'failed')),
    constraint webhook_delivery_end check ((status = 'pending') = (ended_at is null)),
    constraint webhook_delivery_lease check (lease_until is null or status = 'pending')
) with (fillfactor = 80);
-- An event is on its way to an endpoint once at a time.
create unique index webhook_delivery_pending_unique on webhook_delivery (tenant_id, endpoint_id, event_id)
    where status = 'pending';
create index webhook_delivery_due on webhook_delivery (tenant_id, endpoint_id, next_at, seq) where status = 'pending';
create index webhook_delivery_in_turn on webhook_delivery (tenant_id, endpoint_id, resource, seq)
    where status = 'pending';
create index webhook_delivery_leased on webhook_delivery (tenant_id, endpoint_id) where lease_until is not null;
create index webhook_delivery_event on webhook_delivery (tenant_id, event_id);
create index webhook_delivery_endpoint on webhook_delivery (tenant_id, endpoint_id, id desc);
call diolkos_scope_to_tenant('webhook_delivery');
call diolkos_open_to_engine('webhook_delivery');
grant select, insert on webhook_delivery to diolkos_server;
grant update (status, next_at, lease_until, status_code, failure, ended_at) on webhook_delivery to diolkos_server;
grant select on webhook_delivery to diolkos_engine;
grant update (attempts, next_at, lease_until) on webhook_delivery to diolkos_engine;

create table webhook_attempt (
    tenant_id   uuid        not null,
    delivery_id uuid        not null,
    number      integer     not null,
    started_at  timestamptz not null,
    duration_ms integer     not null,
    status_code smallint,
    error       text,
    -- The beginning of the answer's body.
    answer      text,
    constraint webhook_attempt_pkey primary key (tenant_id, delivery_id, number),
    constraint webhook_attempt_delivery_fkey foreign key (tenant_id, delivery_id)
        references webhook_delivery (tenant_id, id) on delete cascade,
    constraint webhook_attempt_answer_length check (length(answer) <= 256)
);
call diolkos_scope_to_tenant('webhook_attempt');
grant select, insert on webhook_attempt to diolkos_server;
