-- Tokens that somebody else sent to a customer's wallet, or that left it by no operation of ours: what the indexer saw
-- and nothing here explains.
-- SETTLED ──▶ REVERSED     (a reorg undid what had counted as final; and back, when the chain comes back to it)
create table outside_movement (
    tenant_id    uuid           not null references tenant,
    -- The indexer's.
    id           uuid           not null,
    customer_id  uuid           not null,
    direction    text           not null,
    wallet       bytea          not null,
    counterparty bytea          not null,
    token        text           not null,
    amount       numeric(38, 0) not null,
    status       text           not null default 'SETTLED',
    tx_hash      bytea          not null,
    block_number bigint         not null,
    log_index    bigint         not null,
    -- When its block was made.
    created_at   timestamptz    not null,
    constraint outside_movement_pkey primary key (tenant_id, id),
    constraint outside_movement_customer_fkey foreign key (tenant_id, customer_id) references customer (tenant_id, id),
    constraint outside_movement_direction_known check (direction in ('in', 'out')),
    constraint outside_movement_status_known check (status in ('SETTLED', 'REVERSED')),
    constraint outside_movement_amount_positive check (amount > 0),
    constraint outside_movement_lengths check (
        length(wallet) = 20 and length(counterparty) = 20 and length(tx_hash) = 32)
);
create index outside_movement_newest on outside_movement (tenant_id, customer_id, id desc);
call diolkos_scope_to_tenant('outside_movement');
grant select, insert on outside_movement to diolkos_server;
grant update (status) on outside_movement to diolkos_server;

-- What the treasury held of a token at a block up to which everything agreed. The first row of a token is where
-- reconciliation began: what was there before is taken as it was found.
create table reconciled_balance (
    chain_id     bigint         not null,
    token        bytea          not null,
    block_number bigint         not null,
    block_hash   bytea          not null,
    amount       numeric(38, 0) not null,
    created_at   timestamptz    not null default now(),
    constraint reconciled_balance_pkey primary key (chain_id, token, block_number),
    constraint reconciled_balance_not_negative check (amount >= 0),
    constraint reconciled_balance_lengths check (length(token) = 20 and length(block_hash) = 32)
);
grant select, insert on reconciled_balance to diolkos_engine;

-- What each reconciliation found.
create table reconciliation (
    chain_id     bigint      not null,
    id           uuid        not null,
    -- Up to where; none when there was nothing to compare yet.
    block_number bigint,
    is_full      boolean     not null,
    differences  integer     not null,
    -- The first that was found, in words.
    first        text,
    created_at   timestamptz not null default now(),
    constraint reconciliation_pkey primary key (chain_id, id)
);
grant select, insert, delete on reconciliation to diolkos_engine;
