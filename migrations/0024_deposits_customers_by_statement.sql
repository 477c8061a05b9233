-- As in 0019: a deposit's customer is looked up once a statement. Customers stay: to forget one is to destroy its key.
create or replace function deposit_has_money() returns trigger
    language plpgsql set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
begin
    if exists (
        select from (select distinct tenant_id, customer_id from added) d
        where not exists (select from customer c where c.tenant_id = d.tenant_id and c.id = d.customer_id)) then
        perform diolkos_refuse('deposit', 'deposit_customer_fkey');
    end if;
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
create trigger customer_stays before delete or truncate on customer
    for each statement execute function diolkos_stays();
create trigger customer_keeps_id before update of tenant_id, id on customer
    for each row when ((old.tenant_id, old.id) is distinct from (new.tenant_id, new.id))
    execute function diolkos_stays();
alter table deposit drop constraint deposit_customer_fkey;
