-- Double entry. Amounts are base units of the account's token. A pending transfer reserves; post or void ends it.
create table ledger_account (
    tenant_id       uuid           not null references tenant,
    id              uuid           not null,
    kind            text           not null,
    token           text           not null,
    pending_debits  numeric(38, 0) not null default 0,
    posted_debits   numeric(38, 0) not null default 0,
    pending_credits numeric(38, 0) not null default 0,
    posted_credits  numeric(38, 0) not null default 0,
    created_at      timestamptz    not null default now(),
    constraint ledger_account_pkey primary key (tenant_id, id),
    constraint ledger_account_kind_unique unique (tenant_id, kind, token),
    constraint ledger_account_token_key unique (tenant_id, id, token),
    constraint ledger_account_kind_known check (kind in ('funding', 'treasury', 'customers')),
    constraint ledger_account_not_negative check (
        pending_debits >= 0 and posted_debits >= 0 and pending_credits >= 0 and posted_credits >= 0),
    -- What a tenant's treasury holds can be spent once: debits, also reserved ones, stay within posted credits.
    constraint ledger_account_no_overdraft check (
        kind <> 'treasury' or posted_credits - posted_debits - pending_debits >= 0)
) with (fillfactor = 50);
call diolkos_scope_to_tenant('ledger_account');
call diolkos_open_to_engine('ledger_account');
grant select on ledger_account to diolkos_engine;
grant select, insert on ledger_account to diolkos_server;
grant update (pending_debits, posted_debits, pending_credits, posted_credits) on ledger_account to diolkos_server;

-- Append-only apart from its state.
create table ledger_transfer (
    tenant_id  uuid           not null,
    id         uuid           not null,
    debit      uuid           not null,
    credit     uuid           not null,
    token      text           not null,
    amount     numeric(38, 0) not null,
    state      text           not null,
    reason     text           not null,
    reference  text           not null,
    created_at timestamptz    not null default now(),
    ended_at   timestamptz,
    constraint ledger_transfer_pkey primary key (tenant_id, id),
    constraint ledger_transfer_reference_unique unique (tenant_id, reference),
    constraint ledger_transfer_debit_fkey
        foreign key (tenant_id, debit, token) references ledger_account (tenant_id, id, token),
    constraint ledger_transfer_credit_fkey
        foreign key (tenant_id, credit, token) references ledger_account (tenant_id, id, token),
    constraint ledger_transfer_two_accounts check (debit <> credit),
    constraint ledger_transfer_amount_positive check (amount > 0),
    constraint ledger_transfer_state_known check (state in ('pending', 'posted', 'voided')),
    constraint ledger_transfer_end check ((state = 'pending') = (ended_at is null))
);
call diolkos_scope_to_tenant('ledger_transfer');
grant select, insert on ledger_transfer to diolkos_server;
grant update (state, ended_at) on ledger_transfer to diolkos_server;

-- State of a walk over requests in order: what is left of an account after taking those that fit.
-- The first row starts from what is available; a request that does not fit leaves the rest untouched.
create function ledger_take(left_over numeric, amount numeric, available numeric) returns numeric
    language plpgsql immutable parallel safe as $$
begin
    left_over := coalesce(left_over, available);
    if amount is null or left_over < amount then
        return left_over;
    end if;
    return left_over - amount;
end
$$;

create aggregate ledger_take_in_order(amount numeric, available numeric) (
    sfunc = ledger_take,
    stype = numeric
);
