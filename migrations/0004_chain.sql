-- Operation: what should happen and for whom. It knows nothing of gas or nonces.
-- waiting ──▶ submitted ──▶ succeeded | failed | review   (review: the chain did something else than was asked)
create table chain_op (
    tenant_id    uuid           not null references tenant,
    id           uuid           not null,
    kind         text           not null,
    reference    text           not null,
    account      bytea          not null,
    token        bytea          not null,
    recipient    bytea          not null,
    amount       numeric(38, 0) not null,
    state        text           not null default 'waiting',
    user_op_id   uuid,
    position     integer,
    tx_hash      bytea,
    block_number bigint,
    log_index    bigint,
    failure      text,
    created_at   timestamptz    not null default now(),
    submitted_at timestamptz,
    ended_at     timestamptz,
    -- The state that the feature which asked has taken note of.
    noted_state  text           not null default 'waiting',
    constraint chain_op_pkey primary key (tenant_id, id),
    constraint chain_op_reference_unique unique (tenant_id, kind, reference),
    constraint chain_op_state_known check (state in ('waiting', 'submitted', 'succeeded', 'failed', 'review')),
    constraint chain_op_amount_positive check (amount > 0),
    constraint chain_op_addresses check (length(account) = 20 and length(token) = 20 and length(recipient) = 20)
);
create index chain_op_unassigned on chain_op (account, id) where user_op_id is null and state = 'waiting';
create index chain_op_user_op on chain_op (user_op_id) where user_op_id is not null;
create index chain_op_unfinished on chain_op (state, created_at) where state in ('waiting', 'submitted', 'review');
create index chain_op_unnoted on chain_op (kind, id) where state <> noted_state;
call diolkos_scope_to_tenant('chain_op');
call diolkos_open_to_engine('chain_op');
grant select, insert on chain_op to diolkos_server;
grant update (noted_state) on chain_op to diolkos_server;
grant select, update on chain_op to diolkos_engine;

-- User operation (ERC-4337): one or many operations of one account under one nonce. Safety lives here.
-- open ──▶ mined ──▶ ended         (mined goes back to open when its block is dropped by a reorg)
create table user_op (
    id           uuid        not null,
    account      bytea       not null,
    nonce_key    bytea       not null,
    state        text        not null default 'open',
    success      boolean,
    tx_hash      bytea,
    block_number bigint,
    block_hash   bytea,
    failure      text,
    born_block   bigint      not null,
    held_until   timestamptz,
    created_at   timestamptz not null default now(),
    mined_at     timestamptz,
    ended_at     timestamptz,
    constraint user_op_pkey primary key (id),
    constraint user_op_nonce_unique unique (account, nonce_key),
    constraint user_op_nonce_length check (length(nonce_key) = 24),
    constraint user_op_state_known check (state in ('open', 'mined', 'ended')),
    constraint user_op_mined check (state = 'open' or (success is not null and block_hash is not null))
);
create index user_op_unfinished on user_op (id) where state <> 'ended';

-- Every signature ever made for a user operation. All share its nonce, so at most one of them is executed.
create table user_op_version (
    hash       bytea          not null,
    user_op_id uuid           not null references user_op,
    call_gas   bigint         not null,
    packed     bytea          not null,
    version    bigint         not null generated always as identity,
    created_at timestamptz    not null default now(),
    constraint user_op_version_pkey primary key (hash)
);
create index user_op_version_user_op on user_op_version (user_op_id, version);

-- Lane: an account with native coin and no code that carries bundles, leased by one process at a time.
create table lane (
    address     bytea       not null,
    next_nonce  bigint      not null default 0,
    holder      uuid,
    fence       bigint      not null default 0,
    lease_until timestamptz not null default '-infinity',
    note        text,
    created_at  timestamptz not null default now(),
    constraint lane_pkey primary key (address),
    constraint lane_address_length check (length(address) = 20)
);

-- Bundle: one signed transaction of a lane. Several may share a nonce (replacements). Liveness lives here.
-- stored ──▶ sent ──▶ done        (done: the lane's nonce has passed it, in whichever version)
create table bundle (
    hash            bytea          not null,
    lane            bytea          not null references lane,
    nonce           bigint         not null,
    purpose         text           not null,
    user_ops        uuid[]         not null,
    raw             bytea          not null,
    gas_limit       bigint         not null,
    max_fee         numeric(38, 0) not null,
    max_tip         numeric(38, 0) not null,
    state           text           not null default 'stored',
    stored_block    bigint         not null,
    sent_block      bigint,
    done_block      bigint,
    failure         text,
    -- The order in which versions were stored, whatever the clock does.
    version         bigint         not null generated always as identity,
    created_at      timestamptz    not null default now(),
    constraint bundle_pkey primary key (hash),
    constraint bundle_purpose_known check (purpose in ('user_ops', 'delegate', 'cancel')),
    constraint bundle_state_known check (state in ('stored', 'sent', 'done'))
);
create index bundle_lane_nonce on bundle (lane, nonce);
create index bundle_alive on bundle (lane, nonce) where state <> 'done';

grant select, insert, update on user_op, user_op_version, lane, bundle to diolkos_engine;
