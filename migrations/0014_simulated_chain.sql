-- Test keys' operations: told like live ones, and made to happen by nobody but the clock (src/chain/simulated.rs).
alter table chain_op
    add column mode text not null default 'live',
    -- Why one of a test key is to fail.
    add column rehearsed_failure text,
    -- The block in which the operation was seen and which is not final yet; none after a reorg dropped it.
    add column mined_block bigint,
    add constraint chain_op_mode_known check (mode in ('live', 'test')),
    -- Live and test keys may name their payments alike.
    drop constraint chain_op_reference_unique,
    add constraint chain_op_reference_unique unique (tenant_id, mode, kind, reference),
    add constraint chain_op_rehearsed check (mode = 'test' or rehearsed_failure is null);
drop index chain_op_unassigned, chain_op_unassigned_wallet, chain_op_unfinished;
create index chain_op_unassigned on chain_op (account, id)
    where user_op_id is null and state = 'waiting' and mode = 'live';
create index chain_op_unassigned_wallet on chain_op (owner, id)
    where user_op_id is null and state = 'waiting' and owner is not null and mode = 'live';
create index chain_op_unfinished on chain_op (state, created_at)
    where state in ('waiting', 'submitted', 'review') and mode = 'live';
create index chain_op_simulated on chain_op (id) where mode = 'test' and state in ('waiting', 'submitted');
create index chain_op_simulated_in on chain_op (tenant_id, recipient) where mode = 'test';
-- What a wallet has promised, and what it has paid of late.
create index chain_op_wallet_promised on chain_op (tenant_id, account)
    where owner is not null and state in ('waiting', 'submitted', 'review');
create index chain_op_wallet_paid on chain_op (tenant_id, account, block_number)
    where owner is not null and state = 'succeeded';

-- A test key's deposit goes through the same states as a live one, on the simulated chain.
alter table deposit no force row level security;
update deposit set status = 'SETTLED', submitted_at = created_at, ended_at = created_at
    where status = 'SANDBOX_SIMULATED';
alter table deposit force row level security;
-- A name that is new is found out by storing the deposit; its operation follows.
alter table deposit alter constraint deposit_chain_op_fkey deferrable initially deferred;
alter table deposit
    drop constraint deposit_status_known,
    drop constraint deposit_live_has_money,
    add constraint deposit_status_known check (status in ('QUEUED', 'SUBMITTED', 'SETTLED', 'FAILED')),
    add constraint deposit_live_has_money check (
        (mode = 'live') = (transfer_id is not null) and (mode = 'test' or chain_op_id is not null));

-- Tokens that customers' wallets have sent back for fiat: `payouts` while the fiat is owed, `house` once it is paid.
alter table ledger_account
    drop constraint ledger_account_kind_known,
    drop constraint ledger_account_no_overdraft,
    add constraint ledger_account_kind_known check (kind in ('funding', 'treasury', 'customers', 'payouts', 'house')),
    add constraint ledger_account_no_overdraft check (
        kind not in ('treasury', 'payouts') or posted_credits - posted_debits - pending_debits >= 0);
