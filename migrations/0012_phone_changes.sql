-- A customer may move to another phone number; nothing else of a customer ever changes.
grant update (blind_index, phone_sealed) on customer to diolkos_server;

-- Who moved whom, and when: by blind index, no number in the clear. Append-only: nobody is granted more. How often a
-- number was left also tells which wallet it gets when it is provisioned again (src/product/users/salt.rs).
create table phone_change (
    tenant_id       uuid        not null,
    id              uuid        not null,
    mode            text        not null,
    customer_id     uuid        not null,
    old_blind_index text        not null,
    new_blind_index text        not null,
    -- One of the two: an API key of the tenant's back end, or the subject of a dashboard's token.
    key_id          uuid,
    subject         text,
    created_at      timestamptz not null default now(),
    constraint phone_change_pkey primary key (tenant_id, id),
    constraint phone_change_customer_fkey foreign key (tenant_id, customer_id) references customer (tenant_id, id),
    constraint phone_change_key_fkey foreign key (tenant_id, key_id) references api_key (tenant_id, id),
    constraint phone_change_mode_known check (mode in ('live', 'test')),
    constraint phone_change_changes check (old_blind_index <> new_blind_index),
    constraint phone_change_somebody check (num_nonnulls(key_id, subject) = 1)
);
create index phone_change_left on phone_change (tenant_id, mode, old_blind_index);
create index phone_change_customer on phone_change (tenant_id, customer_id, id desc);
call diolkos_scope_to_tenant('phone_change');
grant select, insert on phone_change to diolkos_server;
