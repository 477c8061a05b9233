-- Deposits, their transfers and their operations are stored many at a time. A foreign key is checked row by row, each with
-- a query and a lock of its own, and six of them were half of what a deposit costs. Here the same rules are checked for all
-- rows of a statement at once, and what they refer to can neither go away nor be renamed. A refusal names the rule as ever.
create function diolkos_refuse(target name, rule name) returns void
    language plpgsql as $$
begin
    raise foreign_key_violation using
        message = format('insert on table "%s" violates "%s"', target, rule), table = target, constraint = rule;
end
$$;

-- What others refer to stays, whoever asks.
create function diolkos_stays() returns trigger
    language plpgsql as $$
begin
    raise restrict_violation using message = format('what table "%s" holds is referred to and stays', tg_table_name);
end
$$;

-- A transfer has two accounts of its tenant and of one token. The planner cannot know how many rows come: it is to look
-- each account up.
create function ledger_transfer_has_accounts() returns trigger
    language plpgsql set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
begin
    if exists (
        select from (select distinct tenant_id, debit, token from added) t
        where not exists (select from ledger_account a
            where a.tenant_id = t.tenant_id and a.id = t.debit and a.token = t.token)) then
        perform diolkos_refuse('ledger_transfer', 'ledger_transfer_debit_fkey');
    end if;
    if exists (
        select from (select distinct tenant_id, credit, token from added) t
        where not exists (select from ledger_account a
            where a.tenant_id = t.tenant_id and a.id = t.credit and a.token = t.token)) then
        perform diolkos_refuse('ledger_transfer', 'ledger_transfer_credit_fkey');
    end if;
    return null;
end
$$;
create trigger ledger_transfer_has_accounts after insert on ledger_transfer
    referencing new table as added for each statement execute function ledger_transfer_has_accounts();
create trigger ledger_transfer_keeps_accounts before update of tenant_id, id, debit, credit, token on ledger_transfer
    for each row when ((old.tenant_id, old.id, old.debit, old.credit, old.token)
        is distinct from (new.tenant_id, new.id, new.debit, new.credit, new.token))
    execute function diolkos_stays();
create trigger ledger_account_stays before delete or truncate on ledger_account
    for each statement execute function diolkos_stays();
create trigger ledger_account_keeps_name before update of tenant_id, id, token on ledger_account
    for each row when ((old.tenant_id, old.id, old.token) is distinct from (new.tenant_id, new.id, new.token))
    execute function diolkos_stays();
alter table ledger_transfer
    drop constraint ledger_transfer_debit_fkey,
    drop constraint ledger_transfer_credit_fkey;

-- An operation has a tenant.
create function chain_op_has_tenant() returns trigger
    language plpgsql set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
begin
    if exists (
        select from (select distinct tenant_id from added) o
        where not exists (select from tenant t where t.tenant_id = o.tenant_id)) then
        perform diolkos_refuse('chain_op', 'chain_op_tenant_id_fkey');
    end if;
    return null;
end
$$;
create trigger chain_op_has_tenant after insert on chain_op
    referencing new table as added for each statement execute function chain_op_has_tenant();
create trigger tenant_stays before delete or truncate on tenant
    for each statement execute function diolkos_stays();
create trigger tenant_keeps_id before update of tenant_id on tenant
    for each row when (old.tenant_id <> new.tenant_id) execute function diolkos_stays();
alter table chain_op drop constraint chain_op_tenant_id_fkey;

-- A deposit, its transfer and its operation have one id, by which they refer to each other. A live one's are there before
-- it is; a test key's has no transfer, and its operation follows in the same transaction.
create function deposit_has_money() returns trigger
    language plpgsql set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
begin
    if exists (
        select from added d
        where d.mode = 'live' and not exists (select from ledger_transfer t
            where t.tenant_id = d.tenant_id and t.id = d.transfer_id)) then
        perform diolkos_refuse('deposit', 'deposit_transfer_fkey');
    end if;
    if exists (
        select from added d
        where d.mode = 'live' and not exists (select from chain_op o
            where o.tenant_id = d.tenant_id and o.id = d.chain_op_id)) then
        perform diolkos_refuse('deposit', 'deposit_chain_op_fkey');
    end if;
    return null;
end
$$;
create trigger deposit_has_money after insert on deposit
    referencing new table as added for each statement execute function deposit_has_money();
create trigger ledger_transfer_stays before delete or truncate on ledger_transfer
    for each statement execute function diolkos_stays();
create trigger chain_op_stays before delete or truncate on chain_op
    for each statement execute function diolkos_stays();
create trigger chain_op_keeps_id before update of tenant_id, id on chain_op
    for each row when ((old.tenant_id, old.id) is distinct from (new.tenant_id, new.id))
    execute function diolkos_stays();
alter table deposit
    add constraint deposit_one_id check (transfer_id = id and chain_op_id = id) not valid,
    drop constraint deposit_transfer_fkey,
    drop constraint deposit_chain_op_fkey;
alter table deposit validate constraint deposit_one_id;

-- That id is unique once; one index finds a deposit by it and lists a mode's newest first.
create unique index deposit_id on deposit (tenant_id, mode, id);
drop index deposit_chain_op_unique, deposit_newest;
alter table deposit drop constraint deposit_id_unique;

-- A policy admits rows and does not find them: every statement names its tenants itself, by which an index is chosen. As a
-- condition that an index can serve, the policy was counted beside the statement's own, so that the planner took a tenant's
-- rows for a handful, and read all of them through whichever index begins with the tenant.
create or replace procedure diolkos_scope_to_tenant(target regclass)
    language plpgsql as $$
begin
    execute format('alter table %s enable row level security', target);
    execute format('alter table %s force row level security', target);
    execute format('drop policy if exists tenant_scope on %s', target);
    execute format(
        'create policy tenant_scope on %s to diolkos_server
            using (coalesce(tenant_id = any ((select diolkos_tenants())::uuid[]), false))
            with check (coalesce(tenant_id = any ((select diolkos_tenants())::uuid[]), false))', target);
end
$$;
do $$
declare
    target regclass;
begin
    for target in select polrelid::regclass from pg_policy where polname = 'tenant_scope' loop
        call diolkos_scope_to_tenant(target);
    end loop;
end
$$;
