-- Tokens from a customer's wallet back to the treasury, and local money for them by mobile money. The chain operation
-- that sweeps, and the ledger's transfer of a live one, bear the same id.
-- PENDING ──▶ SUBMITTED ──▶ CRYPTO_RECEIVED ──▶ COMPLETED | PAYOUT_FAILED        or ──▶ FAILED: nothing was taken
create table withdrawal (
    tenant_id       uuid           not null references tenant,
    id              uuid           not null,
    mode            text           not null,
    customer_id     uuid           not null,
    wallet          bytea          not null,
    token           text           not null,
    amount          numeric(38, 0) not null,
    -- Who receives the local money: sealed under the customer's key, and its last digits for people to recognise.
    mobile_sealed   bytea          not null,
    mobile_hint     text           not null,
    network         text           not null,
    country         text           not null,
    -- What is paid out, by the rate of the moment at which it was asked for; local units for one token.
    currency        text           not null,
    fiat_amount     numeric        not null,
    rate            numeric        not null,
    spread_bps      integer        not null,
    middle_rate     numeric        not null,
    rate_as_of      timestamptz    not null,
    idempotency_key text,
    request_digest  bytea          not null,
    status          text           not null default 'PENDING',
    failure         text,
    tx_hash         bytea,
    block_number    bigint,
    -- The network's or the confirming person's reference of the payment.
    payout_reference text,
    -- After a refused payout: due ──▶ sent ──▶ returned | failed, under a chain operation of its own.
    refund          text,
    refund_at       timestamptz,
    refund_op_id    uuid,
    refund_tx_hash  bytea,
    created_at      timestamptz    not null default now(),
    submitted_at    timestamptz,
    received_at     timestamptz,
    ended_at        timestamptz,
    constraint withdrawal_pkey primary key (tenant_id, id),
    constraint withdrawal_idempotency_key_unique unique (tenant_id, mode, idempotency_key),
    constraint withdrawal_customer_fkey foreign key (tenant_id, customer_id) references customer (tenant_id, id),
    constraint withdrawal_chain_op_fkey foreign key (tenant_id, id) references chain_op (tenant_id, id),
    constraint withdrawal_refund_op_fkey foreign key (tenant_id, refund_op_id) references chain_op (tenant_id, id),
    constraint withdrawal_mode_known check (mode in ('live', 'test')),
    constraint withdrawal_sums_positive check (amount > 0 and fiat_amount > 0),
    constraint withdrawal_rates_positive check (rate > 0 and middle_rate > 0),
    -- The house never gives more than it gets.
    constraint withdrawal_rate_below_middle check (rate <= middle_rate),
    constraint withdrawal_currency_form check (currency ~ '^[A-Z]{3}$'),
    constraint withdrawal_status_known check (
        status in ('PENDING', 'SUBMITTED', 'CRYPTO_RECEIVED', 'COMPLETED', 'FAILED', 'PAYOUT_FAILED')),
    constraint withdrawal_end check ((status in ('COMPLETED', 'FAILED', 'PAYOUT_FAILED')) = (ended_at is not null)),
    constraint withdrawal_received check (
        (status in ('CRYPTO_RECEIVED', 'COMPLETED', 'PAYOUT_FAILED')) = (received_at is not null)),
    constraint withdrawal_paid check ((status = 'COMPLETED') = (payout_reference is not null)),
    constraint withdrawal_refund_known check (refund in ('due', 'sent', 'returned', 'failed')),
    constraint withdrawal_refund_of_refused check ((status = 'PAYOUT_FAILED') = (refund is not null)),
    constraint withdrawal_refund_op check (refund is null or (refund = 'due') or refund_op_id is not null)
);
create index withdrawal_newest on withdrawal (tenant_id, mode, id desc);
create index withdrawal_customer on withdrawal (tenant_id, customer_id, id desc);
create index withdrawal_unpaid on withdrawal (tenant_id, mode, id)
    where status in ('CRYPTO_RECEIVED', 'PAYOUT_FAILED');
create index withdrawal_refund_due on withdrawal (refund_at) where refund = 'due';
create unique index withdrawal_by_id on withdrawal (id);
create unique index withdrawal_refund_op_unique on withdrawal (tenant_id, refund_op_id);
call diolkos_scope_to_tenant('withdrawal');
call diolkos_open_to_engine('withdrawal');
grant select, insert on withdrawal to diolkos_server;
grant update (status, failure, tx_hash, block_number, payout_reference, refund, refund_at, refund_op_id, refund_tx_hash,
    submitted_at, received_at, ended_at) on withdrawal to diolkos_server;
-- The engine sees whose refunds are due and takes turns, and nothing else.
grant select (tenant_id, id, refund, refund_at), update (refund_at) on withdrawal to diolkos_engine;

-- What a withdrawal went through, in order. Append-only.
create table withdrawal_step (
    tenant_id     uuid        not null,
    withdrawal_id uuid        not null,
    seq           integer     not null,
    state         text        not null,
    at            timestamptz not null,
    tx_hash       bytea,
    -- The payout's id or the network's reference, and what there is to say.
    reference     text,
    note          text,
    constraint withdrawal_step_pkey primary key (tenant_id, withdrawal_id, seq),
    constraint withdrawal_step_withdrawal_fkey foreign key (tenant_id, withdrawal_id)
        references withdrawal (tenant_id, id)
);
call diolkos_scope_to_tenant('withdrawal_step');
grant select, insert on withdrawal_step to diolkos_server;

-- Payout: local money asked of a mobile-money provider, who knows it by this id and pays each id once.
-- ready ──▶ asked ──▶ paid | refused        (asked: the provider may have heard of it)
create table payout (
    tenant_id     uuid        not null,
    id            uuid        not null,
    withdrawal_id uuid        not null,
    mode          text        not null,
    provider      text        not null,
    state         text        not null default 'ready',
    reference     text,
    failure       text,
    asked_at      timestamptz,
    -- When the provider first said that it has it: from then on it is never sent again.
    heard_at      timestamptz,
    -- Counts who looks after it: whoever began an earlier look may not write the outcome.
    attempts      integer     not null default 0,
    -- Not before this; none while it waits for a person.
    next_at       timestamptz default now(),
    -- Until when whoever looks after it is given.
    leased_until  timestamptz,
    created_at    timestamptz not null default now(),
    ended_at      timestamptz,
    constraint payout_pkey primary key (tenant_id, id),
    constraint payout_withdrawal_fkey foreign key (tenant_id, withdrawal_id) references withdrawal (tenant_id, id),
    constraint payout_mode_known check (mode in ('live', 'test')),
    constraint payout_state_known check (state in ('ready', 'asked', 'paid', 'refused')),
    constraint payout_asked check (state = 'ready' or asked_at is not null or provider = 'manual'),
    constraint payout_end check ((state in ('paid', 'refused')) = (ended_at is not null))
);
-- Fiat for one withdrawal is on its way once at a time, and paid once.
create unique index payout_one_unrefused on payout (tenant_id, withdrawal_id) where state <> 'refused';
create index payout_due on payout (mode, next_at) where state in ('ready', 'asked');
create index payout_withdrawal on payout (tenant_id, withdrawal_id);
create unique index payout_by_id on payout (id);
call diolkos_scope_to_tenant('payout');
call diolkos_open_to_engine('payout');
grant select, insert on payout to diolkos_server;
grant update (state, reference, failure, asked_at, heard_at, attempts, next_at, leased_until, ended_at)
    on payout to diolkos_server;
-- The engine sees which are due and takes turns; what they are about is the tenant's.
grant select (tenant_id, id, mode, state, attempts, next_at, leased_until), update (attempts, next_at, leased_until)
    on payout to diolkos_engine;
