-- Tokens from one customer's wallet to another's. Its chain operation bears the same id.
-- QUEUED ──▶ SUBMITTED ──▶ SETTLED | FAILED
create table transfer (
    tenant_id        uuid           not null references tenant,
    id               uuid           not null,
    mode             text           not null,
    sender_id        uuid           not null,
    recipient_id     uuid           not null,
    sender_wallet    bytea          not null,
    recipient_wallet bytea          not null,
    token            text           not null,
    amount           numeric(38, 0) not null,
    -- The quote that it took; none when tokens were named directly.
    quote_id         uuid,
    idempotency_key  text,
    -- SHA-256 of what was asked for under the idempotency key.
    request_digest   bytea          not null,
    status           text           not null default 'QUEUED',
    failure          text,
    tx_hash          bytea,
    block_number     bigint,
    created_at       timestamptz    not null default now(),
    submitted_at     timestamptz,
    ended_at         timestamptz,
    constraint transfer_pkey primary key (tenant_id, id),
    constraint transfer_idempotency_key_unique unique (tenant_id, mode, idempotency_key),
    constraint transfer_quote_unique unique (tenant_id, quote_id),
    constraint transfer_sender_fkey foreign key (tenant_id, sender_id) references customer (tenant_id, id),
    constraint transfer_recipient_fkey foreign key (tenant_id, recipient_id) references customer (tenant_id, id),
    constraint transfer_quote_fkey foreign key (tenant_id, quote_id) references fx_quote (tenant_id, id),
    constraint transfer_chain_op_fkey foreign key (tenant_id, id) references chain_op (tenant_id, id),
    constraint transfer_mode_known check (mode in ('live', 'test')),
    constraint transfer_two_wallets check (sender_wallet <> recipient_wallet),
    constraint transfer_amount_positive check (amount > 0),
    constraint transfer_status_known check (status in ('QUEUED', 'SUBMITTED', 'SETTLED', 'FAILED')),
    constraint transfer_end check ((status in ('SETTLED', 'FAILED')) = (ended_at is not null)),
    constraint transfer_addresses check (length(sender_wallet) = 20 and length(recipient_wallet) = 20)
);
create index transfer_newest on transfer (tenant_id, mode, id desc);
create index transfer_sender on transfer (tenant_id, sender_id, id desc);
create index transfer_recipient on transfer (tenant_id, recipient_id, id desc);
call diolkos_scope_to_tenant('transfer');
grant select, insert on transfer to diolkos_server;
grant update (status, failure, tx_hash, block_number, submitted_at, ended_at) on transfer to diolkos_server;
