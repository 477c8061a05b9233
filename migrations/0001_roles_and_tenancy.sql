-- The owner of the schema runs migrations. The server logs in as diolkos_server, which owns nothing and
-- bypasses nothing; inside one transaction it may become diolkos_engine, the role of the engine's own tables.
do $$
begin
    if not exists (select from pg_roles where rolname = 'diolkos_server') then
        create role diolkos_server login noinherit;
    end if;
    if not exists (select from pg_roles where rolname = 'diolkos_engine') then
        create role diolkos_engine nologin;
    end if;
    if not pg_has_role('diolkos_server', 'diolkos_engine', 'member') then
        grant diolkos_engine to diolkos_server;
    end if;
end
$$;

grant usage on schema public to diolkos_server, diolkos_engine;

-- The tenants that the running transaction names; none outside a tenant-scoped transaction.
create function diolkos_tenants() returns uuid[]
    language sql stable parallel safe
    return coalesce(string_to_array(nullif(current_setting('diolkos.tenants', true), ''), ',')::uuid[], '{}');

-- Puts a tenant's table behind row-level security, for its owner too.
create procedure diolkos_scope_to_tenant(target regclass)
    language plpgsql as $$
begin
    execute format('alter table %s enable row level security', target);
    execute format('alter table %s force row level security', target);
    execute format(
        'create policy tenant_scope on %s to diolkos_server
            using (tenant_id = any ((select diolkos_tenants())::uuid[]))
            with check (tenant_id = any ((select diolkos_tenants())::uuid[]))', target);
end
$$;

-- Lets the engine see a tenant's table across tenants; what it may do there is granted table by table.
create procedure diolkos_open_to_engine(target regclass)
    language plpgsql as $$
begin
    execute format('create policy engine_scope on %s to diolkos_engine using (true) with check (true)', target);
end
$$;

create table tenant (
    tenant_id   uuid        not null,
    namespace   text        not null,
    name        text        not null,
    wrapped_key bytea       not null,
    created_at  timestamptz not null default now(),
    constraint tenant_pkey primary key (tenant_id),
    constraint tenant_namespace_unique unique (namespace),
    constraint tenant_namespace_form check (namespace ~ '^[a-z0-9][a-z0-9-]{0,62}\.ul$'),
    constraint tenant_name_length check (length(name) between 1 and 200)
);
call diolkos_scope_to_tenant('tenant');
call diolkos_open_to_engine('tenant');
grant select on tenant to diolkos_server;
grant select, insert on tenant to diolkos_engine;

create table api_key (
    tenant_id  uuid        not null references tenant,
    id         uuid        not null,
    name       text        not null,
    mode       text        not null,
    prefix     text        not null,
    digest     bytea       not null,
    created_at timestamptz not null default now(),
    revoked_at timestamptz,
    constraint api_key_pkey primary key (tenant_id, id),
    constraint api_key_digest_unique unique (digest),
    constraint api_key_mode_known check (mode in ('live', 'test')),
    constraint api_key_name_length check (length(name) between 1 and 100),
    constraint api_key_digest_length check (length(digest) = 32)
);
create unique index api_key_name_unique on api_key (tenant_id, mode, name) where revoked_at is null;
call diolkos_scope_to_tenant('api_key');
call diolkos_open_to_engine('api_key');
grant select, insert on api_key to diolkos_server;
grant update (revoked_at) on api_key to diolkos_server;
grant select on api_key to diolkos_engine;

-- Answers of POST requests that carried an Idempotency-Key, kept 24 hours. Operators' are kept under the nil tenant.
create table idempotency_record (
    tenant_id  uuid        not null,
    mode       text        not null,
    key        text        not null,
    digest     bytea       not null,
    status     smallint    not null,
    answer     bytea       not null,
    created_at timestamptz not null default now(),
    constraint idempotency_record_pkey primary key (tenant_id, mode, key),
    constraint idempotency_record_mode_known check (mode in ('live', 'test'))
);
create index idempotency_record_age on idempotency_record (created_at);
call diolkos_scope_to_tenant('idempotency_record');
call diolkos_open_to_engine('idempotency_record');
grant select, insert, delete on idempotency_record to diolkos_server;
grant select, delete on idempotency_record to diolkos_engine;
