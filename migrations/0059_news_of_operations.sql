-- An operation is written three times: when it is asked for, when it joins a user operation, and when it has ended. Each
-- version is entered into every index of the table, so that what comes and goes has its own places: that it is on its way
-- is the user operation's to say, and what the feature that asked has not noted yet is a row of `chain_news`, which is gone
-- when it is noted.
create table chain_news (
    tenant_id uuid        not null,
    operation uuid        not null,
    kind      text        not null,
    state     text        not null,
    -- Since when it stands there.
    since     timestamptz not null default now(),
    constraint chain_news_pkey primary key (tenant_id, operation),
    constraint chain_news_state_known check (state in ('submitted', 'succeeded', 'failed', 'review'))
);
create index chain_news_oldest on chain_news (kind, operation);
call diolkos_scope_to_tenant('chain_news');
call diolkos_open_to_engine('chain_news');
grant select, insert, update on chain_news to diolkos_engine;
-- Who takes note locks a row before it goes, for which Postgres asks for the right to update something.
grant select, delete, update (since) on chain_news to diolkos_server;

-- Since when it is on its way: a node has taken a bundle with it, or the bundler has it. The halves of one have this of it.
alter table user_op add column sent_at timestamptz;

-- What is under way. The policies hide it from the owner.
alter table chain_op no force row level security;
alter table chain_news no force row level security;
insert into chain_news (kind, operation, tenant_id, state, since)
    select kind, id, tenant_id, state, coalesce(ended_at, submitted_at, now()) from chain_op where state <> noted_state;
update user_op u set sent_at = o.sent_at
    from (select user_op_id, min(submitted_at) as sent_at from chain_op
          where user_op_id is not null and submitted_at is not null group by user_op_id) o
    where u.id = o.user_op_id and u.state <> 'ended';
update chain_op set state = 'waiting' where state = 'submitted' and mode = 'live';
alter table chain_op force row level security;
alter table chain_news force row level security;

drop index chain_op_unnoted, chain_op_unfinished;
alter table chain_op
    drop column noted_state,
    -- Who asks names operations by ids that are there once: a deposit's is its own.
    drop constraint chain_op_reference_unique,
    add constraint chain_op_submitted_is_rehearsed check (state <> 'submitted' or mode = 'test') not valid;
-- What may still pay somebody.
create index chain_op_open on chain_op (recipient, id)
    where state in ('waiting', 'submitted', 'review') and mode = 'live';
create index chain_op_review on chain_op (id) where state = 'review';

-- What is written twice is written the second time beside the first, where no index is to be told of it.
alter table ledger_transfer set (fillfactor = 60);
alter table deposit set (fillfactor = 50);

-- What fits into an account is decided by who holds its lock.
drop aggregate ledger_take_in_order(numeric, numeric);
drop function ledger_take(numeric, numeric, numeric);
