-- Each number by which a state knows a customer, together with name and day of birth, as a keyed digest of its own: a
-- person is known by any of them. A customer without a number has one row, for name and day of birth.
create table customer_identifier (
    tenant_id   uuid not null,
    mode        text not null,
    customer_id uuid not null,
    index       text not null,
    constraint customer_identifier_pkey primary key (tenant_id, customer_id, index),
    constraint customer_identifier_customer_fkey foreign key (tenant_id, customer_id) references customer (tenant_id, id),
    constraint customer_identifier_unique unique (tenant_id, mode, index),
    constraint customer_identifier_mode_known check (mode in ('live', 'test'))
);
alter table customer_profile no force row level security;
insert into customer_identifier (tenant_id, mode, customer_id, index)
select tenant_id, mode, customer_id, identification_index from customer_profile;
alter table customer_profile force row level security;
alter table customer_profile drop column identification_index;
call diolkos_scope_to_tenant('customer_identifier');
grant select, insert, delete on customer_identifier to diolkos_server;

-- A phone number is changed at the dashboard too, by the subject of a token. (What an identity check has changed is made
-- by neither.)
alter table customer_change
    alter column key_id drop not null,
    add column if not exists identity_check_id uuid,
    add column subject text,
    drop constraint if exists customer_change_by,
    add constraint customer_change_somebody check (num_nonnulls(key_id, identity_check_id, subject) = 1);

-- What operators let a tenant do with customers (src/product/customers/policy.rs); a tenant without a row may do everything.
create table customer_policy (
    tenant_id    uuid        not null references tenant,
    onboarding   boolean     not null,
    multi_wallet boolean     not null,
    changed_at   timestamptz not null default now(),
    constraint customer_policy_pkey primary key (tenant_id)
);
call diolkos_scope_to_tenant('customer_policy');
grant select, insert on customer_policy to diolkos_server;
grant update (onboarding, multi_wallet, changed_at) on customer_policy to diolkos_server;
