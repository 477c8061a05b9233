-- Codes that prove whose an e-mail address or a phone number is. Neither the code nor what it was sent to is here: only
-- keyed digests of them.
create table one_time_code (
    tenant_id   uuid        not null references tenant,
    id          uuid        not null,
    mode        text        not null,
    purpose     text        not null,
    target      bytea       not null,
    device      bytea,
    digest      bytea       not null,
    attempts    integer     not null default 0,
    created_at  timestamptz not null,
    expires_at  timestamptz not null,
    verified_at timestamptz,
    constraint one_time_code_pkey primary key (tenant_id, id),
    constraint one_time_code_mode_known check (mode in ('live', 'test')),
    constraint one_time_code_purpose_known check (purpose in ('email', 'recovery')),
    constraint one_time_code_lengths check (length(target) = 32 and length(digest) = 32 and length(device) = 32),
    constraint one_time_code_attempts check (attempts between 0 and 5)
);
create index one_time_code_sent on one_time_code (tenant_id, mode, purpose, target, created_at);
create index one_time_code_expired on one_time_code (tenant_id, expires_at);
call diolkos_scope_to_tenant('one_time_code');
grant select, insert, delete on one_time_code to diolkos_server;
grant update (attempts, verified_at) on one_time_code to diolkos_server;

-- What wallets are asked to sign. Who holds a wallet is nobody's yet, so that no tenant owns these.
create table sign_in_challenge (
    nonce      bytea       not null,
    address    bytea       not null,
    expires_at timestamptz not null,
    used_at    timestamptz,
    constraint sign_in_challenge_pkey primary key (nonce),
    constraint sign_in_challenge_lengths check (length(nonce) = 16 and length(address) = 20)
);
create index sign_in_challenge_expired on sign_in_challenge (expires_at);
create index sign_in_challenge_open on sign_in_challenge (address, expires_at);
grant select, insert, delete on sign_in_challenge to diolkos_engine;
grant update (used_at) on sign_in_challenge to diolkos_engine;
