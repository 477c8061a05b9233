-- A customer's phone is a blind index for look-up and a ciphertext under the customer's own data key.
create table customer (
    tenant_id    uuid        not null references tenant,
    id           uuid        not null,
    mode         text        not null,
    blind_index  text        not null,
    phone_sealed bytea       not null,
    wrapped_key  bytea       not null,
    created_at   timestamptz not null default now(),
    constraint customer_pkey primary key (tenant_id, id),
    constraint customer_phone_unique unique (tenant_id, mode, blind_index),
    constraint customer_mode_known check (mode in ('live', 'test'))
);
call diolkos_scope_to_tenant('customer');
grant select, insert on customer to diolkos_server;

create table wallet (
    tenant_id   uuid        not null,
    id          uuid        not null,
    customer_id uuid        not null,
    kind        text        not null,
    address     bytea       not null,
    salt        bytea       not null,
    owner       bytea       not null,
    is_primary  boolean     not null,
    created_at  timestamptz not null default now(),
    constraint wallet_pkey primary key (tenant_id, id),
    constraint wallet_customer_fkey foreign key (tenant_id, customer_id) references customer (tenant_id, id),
    constraint wallet_address_unique unique (tenant_id, address),
    constraint wallet_kind_known check (kind in ('smart')),
    constraint wallet_address_length check (length(address) = 20),
    constraint wallet_salt_length check (length(salt) = 32),
    constraint wallet_owner_length check (length(owner) = 20)
);
create unique index wallet_primary_unique on wallet (tenant_id, customer_id) where is_primary;
call diolkos_scope_to_tenant('wallet');
grant select, insert on wallet to diolkos_server;
