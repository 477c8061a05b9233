-- The indexer (src/chain/indexer): transfers of the configured tokens that touch an account of ours.

-- Up to which block a chain's transfers are known, and which process is at work on them.
create table indexer (
    chain_id     bigint      not null,
    -- Everything up to this block is known; none before the first look.
    head_number  bigint,
    head_hash    bytea,
    -- Blocks up to this one were deep enough when they were read; it never goes back below a reorg's ancestor.
    final_number bigint      not null default 0,
    -- When the chain had nothing newer than the head.
    current_at   timestamptz,
    holder       uuid,
    fence        bigint      not null default 0,
    lease_until  timestamptz not null default '-infinity',
    -- What hinders it.
    note         text,
    created_at   timestamptz not null default now(),
    constraint indexer_pkey primary key (chain_id),
    constraint indexer_head check ((head_number is null) = (head_hash is null)),
    constraint indexer_head_hash_length check (length(head_hash) = 32)
);
grant select, insert, update on indexer to diolkos_engine;
grant select (chain_id, head_number, final_number, current_at) on indexer to diolkos_server;

-- Hashes by which a reorg is noticed, and by which the way back to the common ancestor is found.
create table indexed_block (
    chain_id bigint not null,
    number   bigint not null,
    hash     bytea  not null,
    constraint indexed_block_pkey primary key (chain_id, number),
    constraint indexed_block_hash_length check (length(hash) = 32)
);
grant select, insert, delete on indexed_block to diolkos_engine;

-- One side of a transfer: what an account of ours received or sent. The treasury's are under the nil tenant, whom no
-- key names.
-- present ──reorg──▶ undone        (and back, when the chain comes back to the block)
create table token_movement (
    tenant_id    uuid           not null,
    id           uuid           not null,
    chain_id     bigint         not null,
    block_number bigint         not null,
    block_hash   bytea          not null,
    block_time   timestamptz    not null,
    log_index    bigint         not null,
    tx_hash      bytea          not null,
    token        bytea          not null,
    account      bytea          not null,
    direction    text           not null,
    counterparty bytea          not null,
    amount       numeric(38, 0) not null,
    -- What the account is to us: `treasury`, `wallet`. The feature that gave it to the indexer is told of its movements.
    kind         text           not null,
    state        text           not null default 'present',
    -- What the feature has taken note of.
    noted        text           not null default 'nothing',
    created_at   timestamptz    not null default now(),
    undone_at    timestamptz,
    constraint token_movement_pkey primary key (tenant_id, chain_id, block_hash, log_index, account, direction),
    constraint token_movement_id_unique unique (tenant_id, id),
    constraint token_movement_direction_known check (direction in ('in', 'out')),
    constraint token_movement_state_known check (state in ('present', 'undone')),
    constraint token_movement_noted_known check (noted in ('nothing', 'present', 'undone')),
    constraint token_movement_undone check ((state = 'undone') = (undone_at is not null)),
    constraint token_movement_amount_positive check (amount > 0),
    constraint token_movement_lengths check (length(block_hash) = 32 and length(tx_hash) = 32 and length(token) = 20
        and length(account) = 20 and length(counterparty) = 20)
);
-- What a reorg undoes, and what has become final.
create index token_movement_block on token_movement (chain_id, block_number);
create index token_movement_undone on token_movement (chain_id, undone_at) where state = 'undone';
create index token_movement_news on token_movement (kind, chain_id, block_number)
    where kind <> 'treasury' and noted <> state and (state = 'present' or noted = 'present');
call diolkos_scope_to_tenant('token_movement');
call diolkos_open_to_engine('token_movement');
grant select on token_movement to diolkos_server;
grant update (noted) on token_movement to diolkos_server;
grant select, insert, update on token_movement to diolkos_engine;

-- What a wallet holds of a token, as the chain said at a block after its newest movement.
create table wallet_balance (
    tenant_id     uuid        not null,
    chain_id      bigint      not null,
    account       bytea       not null,
    token         bytea       not null,
    touched_block bigint      not null,
    -- None until the chain has been asked, and again after each movement.
    amount        numeric(38, 0),
    block_number  bigint,
    asked_at      timestamptz,
    constraint wallet_balance_pkey primary key (tenant_id, chain_id, account, token),
    constraint wallet_balance_asked check (
        (amount is null) = (block_number is null) and (amount is null) = (asked_at is null)),
    constraint wallet_balance_not_negative check (amount >= 0)
);
create index wallet_balance_due on wallet_balance (chain_id, touched_block) where amount is null;
call diolkos_scope_to_tenant('wallet_balance');
call diolkos_open_to_engine('wallet_balance');
grant select on wallet_balance to diolkos_server;
grant select, insert, update on wallet_balance to diolkos_engine;

-- The accounts whose transfers are kept. Whoever has more kinds of them adds a `union all`. Test keys' wallets hold
-- nothing on this chain.
create index wallet_by_address on wallet (address);
call diolkos_open_to_engine('wallet');
call diolkos_open_to_engine('customer');
grant select (tenant_id, customer_id, address) on wallet to diolkos_engine;
grant select (tenant_id, id, mode) on customer to diolkos_engine;
create view indexed_account with (security_invoker = true) as
    select w.tenant_id, w.address as account, 'wallet'::text as kind
    from wallet w join customer c on c.tenant_id = w.tenant_id and c.id = w.customer_id
    where c.mode = 'live';
grant select on indexed_account to diolkos_engine;

-- What has succeeded since a block.
create index chain_op_succeeded on chain_op (block_number) where state = 'succeeded' and mode = 'live';
