-- Business users (src/product/business_users): a customer is a person or a business. What a business has told, its owners
-- and those who control it among that, is a profile like a person's, sealed under the business's own data key.
alter table customer_profile
    add column kind text not null default 'person',
    add constraint customer_profile_kind_known check (kind in ('person', 'business'));

-- What else a business is known by: keyed digests alone. Its e-mail address and its domain stand in the profile.
create table business_user (
    tenant_id   uuid        not null,
    customer_id uuid        not null,
    mode        text        not null,
    name_index  text        not null,
    created_at  timestamptz not null,
    constraint business_user_pkey primary key (tenant_id, customer_id),
    constraint business_user_customer_fkey foreign key (tenant_id, customer_id) references customer (tenant_id, id),
    constraint business_user_mode_known check (mode in ('live', 'test')),
    constraint business_user_name_unique unique (tenant_id, mode, name_index)
);
call diolkos_scope_to_tenant('business_user');
grant select, insert, delete on business_user to diolkos_server;

-- Who controls a business, by a keyed digest of the e-mail address: nobody controls two of a tenant's.
create table business_control_person (
    tenant_id   uuid not null,
    customer_id uuid not null,
    mode        text not null,
    email_index text not null,
    constraint business_control_person_pkey primary key (tenant_id, mode, email_index),
    constraint business_control_person_business_fkey foreign key (tenant_id, customer_id)
        references business_user (tenant_id, customer_id),
    constraint business_control_person_mode_known check (mode in ('live', 'test'))
);
create index business_control_person_business on business_control_person (tenant_id, customer_id);
call diolkos_scope_to_tenant('business_control_person');
grant select, insert, delete on business_control_person to diolkos_server;
