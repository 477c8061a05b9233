-- Whom a tenant's customers let fetch or move something for them (src/product/consents), by what it is for.
create table consent_vendor (
    tenant_id       uuid        not null references tenant,
    id              uuid        not null,
    name            text        not null,
    sub_category    text        not null,
    kind            text        not null,
    payment_partner text        not null,
    created_at      timestamptz not null default now(),
    retired_at      timestamptz,
    constraint consent_vendor_pkey primary key (tenant_id, id),
    constraint consent_vendor_name_length check (length(name) between 1 and 100),
    constraint consent_vendor_sub_category_length check (length(sub_category) between 1 and 100),
    constraint consent_vendor_kind_length check (length(kind) between 1 and 100),
    constraint consent_vendor_payment_partner_length check (length(payment_partner) between 1 and 100)
);
create unique index consent_vendor_unique on consent_vendor (tenant_id, sub_category, kind, payment_partner)
    where retired_at is null;
call diolkos_scope_to_tenant('consent_vendor');
grant select, insert on consent_vendor to diolkos_server;
grant update (retired_at) on consent_vendor to diolkos_server;

-- The words that a vendor's consent is given to. The message with the highest number counts; whoever consented to one
-- before has to consent again.
create table consent_message (
    tenant_id  uuid        not null,
    vendor_id  uuid        not null,
    number     integer     not null,
    version    text        not null,
    message    text        not null,
    created_at timestamptz not null default now(),
    constraint consent_message_pkey primary key (tenant_id, vendor_id, number),
    constraint consent_message_version_unique unique (tenant_id, vendor_id, version),
    constraint consent_message_vendor_fkey foreign key (tenant_id, vendor_id) references consent_vendor (tenant_id, id),
    constraint consent_message_number_positive check (number > 0),
    constraint consent_message_version_length check (length(version) between 1 and 40),
    constraint consent_message_length check (length(message) between 1 and 20000)
);
call diolkos_scope_to_tenant('consent_message');
grant select, insert on consent_message to diolkos_server;

-- Who consented to which words, or took that back, and when. Append-only: the newest row counts. Without a customer it is
-- the tenant's own consent. Exactly one of the two says who told us: the tenant's API key or the customer's wallet.
create table customer_consent (
    tenant_id   uuid        not null,
    id          uuid        not null,
    mode        text        not null,
    customer_id uuid,
    vendor_id   uuid        not null,
    version     text        not null,
    status      text        not null,
    key_id      uuid,
    wallet      bytea,
    created_at  timestamptz not null,
    constraint customer_consent_pkey primary key (tenant_id, id),
    constraint customer_consent_customer_fkey foreign key (tenant_id, customer_id) references customer (tenant_id, id),
    constraint customer_consent_message_fkey foreign key (tenant_id, vendor_id, version)
        references consent_message (tenant_id, vendor_id, version),
    constraint customer_consent_key_fkey foreign key (tenant_id, key_id) references api_key (tenant_id, id),
    constraint customer_consent_mode_known check (mode in ('live', 'test')),
    constraint customer_consent_status_known check (status in ('ACCEPTED', 'REJECTED')),
    constraint customer_consent_somebody check (num_nonnulls(key_id, wallet) = 1),
    constraint customer_consent_wallet_length check (length(wallet) = 20)
);
create index customer_consent_newest on customer_consent (tenant_id, mode, vendor_id, customer_id, id desc);
call diolkos_scope_to_tenant('customer_consent');
grant select, insert on customer_consent to diolkos_server;

-- Whether a tenant may fetch the terms and the privacy policy for its customers; who has no row may.
create table terms_access (
    tenant_id  uuid        not null references tenant,
    allowed    boolean     not null,
    changed_at timestamptz not null default now(),
    constraint terms_access_pkey primary key (tenant_id)
);
call diolkos_scope_to_tenant('terms_access');
grant select, insert on terms_access to diolkos_server;
grant update (allowed, changed_at) on terms_access to diolkos_server;

-- What is written in these tables stays, whoever asks.
create trigger consent_vendor_stays before delete or truncate on consent_vendor
    for each statement execute function diolkos_stays();
create trigger consent_vendor_keeps before update on consent_vendor
    for each row when ((old.tenant_id, old.id, old.name, old.sub_category, old.kind, old.payment_partner, old.created_at)
            is distinct from
            (new.tenant_id, new.id, new.name, new.sub_category, new.kind, new.payment_partner, new.created_at)
        or old.retired_at is not null and old.retired_at is distinct from new.retired_at)
    execute function diolkos_stays();
create trigger consent_message_stays before update or delete or truncate on consent_message
    for each statement execute function diolkos_stays();
create trigger customer_consent_stays before update or delete or truncate on customer_consent
    for each statement execute function diolkos_stays();
