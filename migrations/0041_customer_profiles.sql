-- A customer who was forgotten: the data key is destroyed, the phone number's index and ciphertext are replaced by what
-- says nothing. The row stays, because money has moved in its name.
alter table customer add column forgotten_at timestamptz;
alter table customer
    add constraint customer_forgotten_has_no_key check (
        forgotten_at is null or length(wrapped_key) = 0 and length(phone_sealed) = 0);
grant update (wrapped_key, forgotten_at) on customer to diolkos_server;
grant select (forgotten_at) on customer to diolkos_engine;
grant update (old_blind_index, new_blind_index) on phone_change to diolkos_server;

-- What an onboarded customer has told: one document, sealed under the customer's data key. It is found again by keyed
-- digests alone.
create table customer_profile (
    tenant_id            uuid        not null,
    customer_id          uuid        not null,
    mode                 text        not null,
    document             bytea       not null,
    email_index          text        not null,
    identification_index text        not null,
    onboarding_status    text        not null,
    compliance_status    text        not null,
    kyc_status           text        not null,
    account_status       text        not null,
    funding_status       text        not null,
    denial_sealed        bytea,
    created_at           timestamptz not null default now(),
    updated_at           timestamptz not null default now(),
    constraint customer_profile_pkey primary key (tenant_id, customer_id),
    constraint customer_profile_customer_fkey foreign key (tenant_id, customer_id) references customer (tenant_id, id),
    constraint customer_profile_mode_known check (mode in ('live', 'test')),
    constraint customer_profile_email_unique unique (tenant_id, mode, email_index),
    constraint customer_profile_identification_unique unique (tenant_id, mode, identification_index),
    constraint customer_profile_onboarding_known check (onboarding_status in ('PENDING', 'ACCEPTED', 'REJECTED')),
    constraint customer_profile_compliance_known check (compliance_status in ('PENDING', 'REVIEW', 'ACCEPTED', 'REJECTED')),
    constraint customer_profile_kyc_known check (kyc_status in ('PENDING', 'REVIEW', 'ACCEPTED', 'REJECTED')),
    constraint customer_profile_account_known check (account_status in ('INACTIVE', 'ACTIVE', 'BLOCKED')),
    constraint customer_profile_funding_known check (funding_status in ('PENDING', 'ACCEPTED', 'REJECTED'))
);
call diolkos_scope_to_tenant('customer_profile');
grant select, insert, delete on customer_profile to diolkos_server;
grant update (document, email_index, identification_index, onboarding_status, compliance_status, kyc_status,
    account_status, funding_status, denial_sealed, updated_at) on customer_profile to diolkos_server;

-- Papers, sealed under the customer's data key. The bytes wait here until the document store has them.
create table customer_document (
    tenant_id   uuid        not null,
    id          uuid        not null,
    customer_id uuid        not null,
    mode        text        not null,
    media_type  text        not null,
    size        integer     not null,
    content     bytea,
    stored_at   timestamptz,
    created_at  timestamptz not null default now(),
    constraint customer_document_pkey primary key (tenant_id, id),
    constraint customer_document_customer_fkey foreign key (tenant_id, customer_id) references customer (tenant_id, id),
    constraint customer_document_mode_known check (mode in ('live', 'test')),
    constraint customer_document_size_positive check (size > 0),
    constraint customer_document_somewhere check ((content is null) = (stored_at is not null))
);
create index customer_document_customer on customer_document (tenant_id, customer_id);
call diolkos_scope_to_tenant('customer_document');
grant select, insert, delete on customer_document to diolkos_server;
grant update (content, stored_at) on customer_document to diolkos_server;

-- What a customer's document was before and after each change, sealed under the customer's data key. Append-only until
-- the customer is forgotten.
create table customer_change (
    tenant_id      uuid        not null,
    id             uuid        not null,
    customer_id    uuid        not null,
    mode           text        not null,
    old_sealed     bytea       not null,
    new_sealed     bytea       not null,
    remarks_sealed bytea,
    -- The API key by which it was changed.
    key_id         uuid        not null,
    created_at     timestamptz not null default now(),
    constraint customer_change_pkey primary key (tenant_id, id),
    constraint customer_change_customer_fkey foreign key (tenant_id, customer_id) references customer (tenant_id, id),
    constraint customer_change_key_fkey foreign key (tenant_id, key_id) references api_key (tenant_id, id),
    constraint customer_change_mode_known check (mode in ('live', 'test'))
);
create index customer_change_customer on customer_change (tenant_id, customer_id, id desc);
call diolkos_scope_to_tenant('customer_change');
grant select, insert, delete on customer_change to diolkos_server;

-- What a provider was asked about a customer, and what it said. Its id is the provider's too, so that asking again asks
-- about the same.
create table compliance_check (
    tenant_id   uuid        not null,
    id          uuid        not null,
    customer_id uuid        not null,
    mode        text        not null,
    state       text        not null,
    created_at  timestamptz not null default now(),
    asked_at    timestamptz,
    next_at     timestamptz,
    ended_at    timestamptz,
    constraint compliance_check_pkey primary key (tenant_id, id),
    constraint compliance_check_customer_fkey foreign key (tenant_id, customer_id) references customer (tenant_id, id),
    constraint compliance_check_mode_known check (mode in ('live', 'test')),
    constraint compliance_check_state_known check (
        state in ('waiting', 'pending', 'review', 'accepted', 'rejected', 'dropped')),
    constraint compliance_check_asked check (state in ('waiting', 'dropped') or asked_at is not null),
    constraint compliance_check_next check (state not in ('pending', 'review') or next_at is not null),
    constraint compliance_check_end check ((state in ('accepted', 'rejected', 'dropped')) = (ended_at is not null))
);
create index compliance_check_customer on compliance_check (tenant_id, customer_id, id desc);
create index compliance_check_due on compliance_check (next_at) where state in ('pending', 'review');
call diolkos_scope_to_tenant('compliance_check');
call diolkos_open_to_engine('compliance_check');
grant select, insert on compliance_check to diolkos_server;
grant update (state, asked_at, next_at, ended_at) on compliance_check to diolkos_server;
-- Which checks are due to be looked at again, of any tenant.
grant select (tenant_id, id, state, next_at) on compliance_check to diolkos_engine;
