-- Badges: what a tenant's customers are told apart by, and which rules their movements of money keep. Operators make
-- them for the tenant; live and test customers are given the same ones.
create table badge (
    tenant_id        uuid        not null references tenant,
    id               uuid        not null,
    name             text        not null,
    kind             text        not null,
    user_group       text        not null,
    description      text,
    -- Where its picture is, and who keeps it.
    symbol_ref       text,
    storage_provider text,
    -- Who made it; none of those that a tenant starts with.
    created_by       text,
    is_active        boolean     not null default true,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    constraint badge_pkey primary key (tenant_id, id),
    constraint badge_kind_known check (kind in ('IDENTIFICATION', 'FINANCIAL', 'INFORMATION')),
    constraint badge_user_group_known check (user_group in ('WALLET_USER', 'BUSINESS_USER')),
    constraint badge_name_length check (length(name) between 1 and 100),
    constraint badge_description_length check (length(description) <= 1000),
    constraint badge_symbol_length check (length(symbol_ref) <= 2000 and length(storage_provider) <= 100),
    -- What refers to a badge says of which kind it has to be.
    constraint badge_kind_unique unique (tenant_id, id, kind)
);
create unique index badge_name_unique on badge (tenant_id, user_group, kind, lower(name)) where is_active;
create index badge_newest on badge (tenant_id, created_at desc, id desc);
call diolkos_scope_to_tenant('badge');
call diolkos_open_to_engine('badge');
grant select, insert on badge to diolkos_server;
grant update (name, description, symbol_ref, storage_provider, is_active, updated_at) on badge to diolkos_server;
-- A tenant starts with badges, and only the engine's role makes tenants.
grant insert on badge to diolkos_engine;

-- Which financial badge's rules customers of an identification badge keep when they move a token. The custom one, where
-- there is one, in place of the other.
create table badge_link (
    tenant_id                 uuid        not null references tenant,
    id                        uuid        not null,
    identification_badge_id   uuid        not null,
    token                     text        not null,
    financial_badge_id        uuid,
    custom_financial_badge_id uuid,
    information_badge_id      uuid,
    created_at                timestamptz not null default now(),
    updated_at                timestamptz not null default now(),
    -- Constant: by which the keys below see to it that each badge is of its kind.
    identification            text        not null generated always as ('IDENTIFICATION') stored,
    financial                 text        not null generated always as ('FINANCIAL') stored,
    information               text        not null generated always as ('INFORMATION') stored,
    constraint badge_link_pkey primary key (tenant_id, id),
    constraint badge_link_unique unique (tenant_id, identification_badge_id, token),
    constraint badge_link_identification_fkey foreign key (tenant_id, identification_badge_id, identification)
        references badge (tenant_id, id, kind),
    constraint badge_link_financial_fkey foreign key (tenant_id, financial_badge_id, financial)
        references badge (tenant_id, id, kind),
    constraint badge_link_custom_financial_fkey foreign key (tenant_id, custom_financial_badge_id, financial)
        references badge (tenant_id, id, kind),
    constraint badge_link_information_fkey foreign key (tenant_id, information_badge_id, information)
        references badge (tenant_id, id, kind),
    constraint badge_link_token_form check (token ~ '^[A-Za-z0-9]{1,12}$'),
    constraint badge_link_links check (
        num_nonnulls(financial_badge_id, custom_financial_badge_id, information_badge_id) > 0)
);
call diolkos_scope_to_tenant('badge_link');
call diolkos_open_to_engine('badge_link');
grant select, insert, delete on badge_link to diolkos_server;
grant update (financial_badge_id, custom_financial_badge_id, information_badge_id, updated_at)
    on badge_link to diolkos_server;
grant insert on badge_link to diolkos_engine;

-- Which badges a customer has, and has had. A customer has one identification badge at a time, and any number of those
-- that inform.
create table badge_assignment (
    tenant_id   uuid        not null,
    id          uuid        not null,
    mode        text        not null,
    customer_id uuid        not null,
    badge_id    uuid        not null,
    kind        text        not null,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    ended_at    timestamptz,
    constraint badge_assignment_pkey primary key (tenant_id, id),
    constraint badge_assignment_customer_fkey foreign key (tenant_id, customer_id) references customer (tenant_id, id),
    constraint badge_assignment_badge_fkey foreign key (tenant_id, badge_id, kind)
        references badge (tenant_id, id, kind),
    constraint badge_assignment_mode_known check (mode in ('live', 'test')),
    constraint badge_assignment_kind_assigned check (kind in ('IDENTIFICATION', 'INFORMATION')),
    constraint badge_assignment_end check (ended_at >= created_at)
);
create unique index badge_assignment_one_identification on badge_assignment (tenant_id, customer_id)
    where kind = 'IDENTIFICATION' and ended_at is null;
create unique index badge_assignment_once on badge_assignment (tenant_id, customer_id, badge_id) where ended_at is null;
create index badge_assignment_history on badge_assignment (tenant_id, customer_id, created_at desc);
call diolkos_scope_to_tenant('badge_assignment');
grant select, insert on badge_assignment to diolkos_server;
grant update (updated_at, ended_at) on badge_assignment to diolkos_server;

-- A financial badge that one wallet of a customer has for a token, in place of those of the identification badge.
create table wallet_badge (
    tenant_id          uuid        not null,
    mode               text        not null,
    customer_id        uuid        not null,
    wallet             bytea       not null,
    token              text        not null,
    financial_badge_id uuid        not null,
    created_at         timestamptz not null default now(),
    updated_at         timestamptz not null default now(),
    financial          text        not null generated always as ('FINANCIAL') stored,
    constraint wallet_badge_pkey primary key (tenant_id, customer_id, wallet, token),
    constraint wallet_badge_customer_fkey foreign key (tenant_id, customer_id) references customer (tenant_id, id),
    constraint wallet_badge_financial_fkey foreign key (tenant_id, financial_badge_id, financial)
        references badge (tenant_id, id, kind),
    constraint wallet_badge_mode_known check (mode in ('live', 'test')),
    constraint wallet_badge_address check (length(wallet) = 20),
    constraint wallet_badge_token_form check (token ~ '^[A-Za-z0-9]{1,12}$')
);
call diolkos_scope_to_tenant('wallet_badge');
grant select, insert, delete on wallet_badge to diolkos_server;
grant update (financial_badge_id, updated_at) on wallet_badge to diolkos_server;

-- Whether a customer has a badge now: read where the customer is looked up in any case, so that payments of customers
-- without badges cost nothing more.
alter table customer add column is_badged boolean not null default false;
grant update (is_badged) on customer to diolkos_server;
