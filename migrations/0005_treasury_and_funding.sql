create table topup (
    tenant_id    uuid           not null references tenant,
    id           uuid           not null,
    token        text           not null,
    amount       numeric(38, 0) not null,
    reference    text           not null,
    note         text,
    status       text           not null default 'PENDING',
    created_at   timestamptz    not null default now(),
    confirmed_at timestamptz,
    confirmed_by text,
    constraint topup_pkey primary key (tenant_id, id),
    constraint topup_reference_unique unique (tenant_id, reference),
    constraint topup_amount_positive check (amount > 0),
    constraint topup_status_known check (status in ('PENDING', 'CONFIRMED')),
    constraint topup_confirmed check ((status = 'CONFIRMED') = (confirmed_at is not null and confirmed_by is not null))
);
call diolkos_scope_to_tenant('topup');
call diolkos_open_to_engine('topup');
grant select, insert on topup to diolkos_server;
grant update (status, confirmed_at, confirmed_by) on topup to diolkos_server;
grant select on topup to diolkos_engine;

-- A deposit of a live key has a ledger transfer and a chain operation; one of a test key has neither.
create table deposit (
    tenant_id         uuid           not null,
    mode              text           not null,
    deposit_id        text           not null,
    id                uuid           not null,
    customer_id       uuid           not null,
    wallet            bytea          not null,
    token             text           not null,
    amount            numeric(38, 0) not null,
    local_fiat_amount numeric        not null,
    status            text           not null,
    failure           text,
    transfer_id       uuid,
    chain_op_id       uuid,
    tx_hash           bytea,
    block_number      bigint,
    created_at        timestamptz    not null default now(),
    submitted_at      timestamptz,
    ended_at          timestamptz,
    constraint deposit_pkey primary key (tenant_id, mode, deposit_id),
    constraint deposit_id_unique unique (tenant_id, id),
    constraint deposit_customer_fkey foreign key (tenant_id, customer_id) references customer (tenant_id, id),
    constraint deposit_transfer_fkey foreign key (tenant_id, transfer_id) references ledger_transfer (tenant_id, id),
    constraint deposit_chain_op_fkey foreign key (tenant_id, chain_op_id) references chain_op (tenant_id, id),
    constraint deposit_mode_known check (mode in ('live', 'test')),
    constraint deposit_amount_positive check (amount > 0),
    constraint deposit_status_known check (
        status in ('QUEUED', 'SUBMITTED', 'SETTLED', 'FAILED', 'SANDBOX_SIMULATED')),
    constraint deposit_live_has_money check (
        (mode = 'live') = (transfer_id is not null and chain_op_id is not null))
);
create unique index deposit_chain_op_unique on deposit (tenant_id, chain_op_id);
create index deposit_newest on deposit (tenant_id, mode, id desc);
create index deposit_customer on deposit (tenant_id, customer_id, id desc);
call diolkos_scope_to_tenant('deposit');
grant select, insert on deposit to diolkos_server;
grant update (status, failure, tx_hash, block_number, submitted_at, ended_at) on deposit to diolkos_server;
