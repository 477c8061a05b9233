-- A deposit that a reorg undid for good and an operator reversed stays as it was told, but comes to nothing: the customer
-- never had the tokens.
alter table deposit add column reversed_at timestamptz;
alter table deposit add constraint deposit_reversed_was_settled check (reversed_at is null or status = 'SETTLED') not valid;
grant update (reversed_at) on deposit to diolkos_server;

-- Those of before, which a policy hides from the owner.
alter table deposit no force row level security;
alter table ledger_transfer no force row level security;
update deposit d set reversed_at = r.created_at
from ledger_transfer r
join ledger_transfer t on t.tenant_id = r.tenant_id and 'reversal:' || t.reference = r.reference
where r.reason = 'reversal' and d.tenant_id = t.tenant_id and d.transfer_id = t.id and d.status = 'SETTLED';
alter table deposit force row level security;
alter table ledger_transfer force row level security;

-- What came to a customer and what left, whichever way; a transfer once for each side. What is final does not change any
-- more, unless it is reversed; what does not count has failed or came back.
create view customer_flow with (security_invoker = true) as
    select tenant_id, customer_id, id, token, 'deposit'::text as kind, true as comes, amount, created_at,
        status in ('SETTLED', 'FAILED') as is_final, status <> 'FAILED' and reversed_at is null as counts
    from deposit
    union all
    select tenant_id, recipient_id, id, token, 'transfer_in', true, amount, created_at,
        status in ('SETTLED', 'FAILED'), status <> 'FAILED'
    from transfer
    union all
    select tenant_id, sender_id, id, token, 'transfer_out', false, amount, created_at,
        status in ('SETTLED', 'FAILED'), status <> 'FAILED'
    from transfer
    union all
    select tenant_id, customer_id, id, token, 'withdrawal', false, amount, created_at,
        status in ('COMPLETED', 'FAILED') or refund is not distinct from 'returned',
        status <> 'FAILED' and refund is distinct from 'returned'
    from withdrawal
    union all
    select tenant_id, customer_id, id, token, 'outside', direction = 'in', amount, created_at,
        true, status = 'SETTLED'
    from outside_movement;
grant select on customer_flow to diolkos_server;

-- A customer's movements of these kinds (all, where none are named) from an id on, and those of smaller ids that had not
-- ended when the others were added up. However many there are of older ones, only these are read: `offset 0` keeps each
-- range a condition of the tables' indexes.
create function customer_flow_since(whose uuid, customer uuid, kinds text[], since uuid, not_ended uuid[])
    returns table (id uuid, token text, comes boolean, amount numeric, created_at timestamptz, is_final boolean,
        counts boolean, is_new boolean)
    language sql stable as $$
    select f.id, f.token, f.comes, f.amount, f.created_at, f.is_final, f.counts, r.is_new
    from (
        select since as first, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid as last, true as is_new
        union all
        select n, n, false from unnest(not_ended) as n
    ) r
    cross join lateral (
        select * from customer_flow
        where tenant_id = whose and customer_id = customer and coalesce(kind = any (kinds), true)
            and id between r.first and r.last
        offset 0
    ) f
$$;

-- What a customer's movements of one kind came to since a month began, as far as they are old, so that a rule that asks for
-- the month adds up the newer ones only. Written in passing by whoever adds up many, like stored_value, and may be deleted at
-- any time. Of another month than the one that is asked for it says nothing.
create table counted_month (
    tenant_id   uuid             not null,
    customer_id uuid             not null,
    kind        text             not null,
    month       timestamptz      not null,
    -- Movements with smaller ids are in the sums, but for those that had not ended.
    up_to       uuid             not null,
    not_ended   uuid[]           not null,
    -- By token: how many there were, and of how much.
    tokens      text[]           not null,
    movements   bigint[]         not null,
    amounts     numeric(38, 0)[] not null,
    updated_at  timestamptz      not null,
    constraint counted_month_pkey primary key (tenant_id, customer_id, kind),
    constraint counted_month_customer_fkey foreign key (tenant_id, customer_id) references customer (tenant_id, id),
    constraint counted_month_kind_known check (kind in ('deposit', 'transfer_in', 'transfer_out', 'withdrawal')),
    constraint counted_month_by_token check (
        cardinality(movements) = cardinality(tokens) and cardinality(amounts) = cardinality(tokens))
);
call diolkos_scope_to_tenant('counted_month');
grant select, insert, delete on counted_month to diolkos_server;
grant update (month, up_to, not_ended, tokens, movements, amounts, updated_at) on counted_month to diolkos_server;

-- One movement that never ends does not keep the later ones from being added up: it is remembered beside the sums.
alter table stored_value add column not_ended uuid[] not null default '{}';
grant update (not_ended) on stored_value to diolkos_server;
