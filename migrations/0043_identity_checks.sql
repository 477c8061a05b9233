-- Identity checks (src/product/identity_checks): whether the person who holds a telephone number is who they say they are.
-- What was told, the fingerprint and what it proved are sealed under a key of the check's own, wrapped by the tenant's:
-- there may be no customer yet. The key is thrown away an hour after the check can no longer be used, and with the
-- customer.
create table identity_check (
    tenant_id    uuid        not null references tenant,
    -- What callers know it by, and the provider.
    id           uuid        not null,
    mode         text        not null,
    -- Who began it and alone may go on with it: the tenant's back end, a customer, or a device (a keyed digest).
    begun_by     text        not null,
    device_index text,
    -- Whose standing it may change.
    customer_id  uuid,
    -- A keyed digest of the number, by which messages to it are counted.
    mobile_index text,
    state        text        not null default 'waiting',
    wrapped_key  bytea,
    details      bytea,
    reference    bytea,
    fingerprint  bytea,
    finding      bytea,
    attempts     integer     not null default 0,
    created_at   timestamptz not null,
    expires_at   timestamptz not null,
    -- When the provider is asked again about a fingerprint that it has not answered.
    next_at      timestamptz,
    ended_at     timestamptz,
    constraint identity_check_pkey primary key (tenant_id, id),
    constraint identity_check_customer_fkey foreign key (tenant_id, customer_id) references customer (tenant_id, id),
    constraint identity_check_mode_known check (mode in ('live', 'test')),
    constraint identity_check_begun_by_known check (begun_by in ('tenant', 'customer', 'device')),
    constraint identity_check_caller check (
        (begun_by = 'device') = (device_index is not null) and (begun_by <> 'customer' or customer_id is not null)),
    constraint identity_check_state_known check (
        state in ('waiting', 'sent', 'validating', 'proven', 'refused', 'failed', 'expired')),
    constraint identity_check_end check (
        (state in ('proven', 'refused', 'failed', 'expired')) = (ended_at is not null)),
    constraint identity_check_validating check (
        state <> 'validating' or num_nonnulls(wrapped_key, reference, fingerprint, next_at) = 4),
    constraint identity_check_attempts check (attempts between 0 and 5),
    constraint identity_check_forgotten check (
        wrapped_key is not null
        or num_nonnulls(details, reference, fingerprint, finding, mobile_index) = 0 and ended_at is not null)
);
create index identity_check_mobile on identity_check (tenant_id, mode, mobile_index, created_at)
    where mobile_index is not null;
create index identity_check_customer on identity_check (tenant_id, customer_id) where customer_id is not null;
create index identity_check_due on identity_check (next_at) where state = 'validating';
create index identity_check_stale on identity_check (expires_at) where wrapped_key is not null;
call diolkos_scope_to_tenant('identity_check');
call diolkos_open_to_engine('identity_check');
grant select, insert, delete on identity_check to diolkos_server;
grant update (state, reference, fingerprint, finding, attempts, next_at, ended_at) on identity_check to diolkos_server;
-- Which checks of any tenant are due, and which can be used no more; of these all that is personal goes.
grant select (tenant_id, id, state, next_at, expires_at, ended_at, wrapped_key) on identity_check to diolkos_engine;
grant update (state, wrapped_key, details, reference, fingerprint, finding, mobile_index, next_at, ended_at)
    on identity_check to diolkos_engine;

-- What is known of a customer may also change by an identity check, which no API key has made.
alter table customer_change
    alter column key_id drop not null,
    add column identity_check_id uuid,
    add constraint customer_change_by check (num_nonnulls(key_id, identity_check_id) = 1);
