-- What 0019 and 0060 look up for operations and customers, by one function.
create function diolkos_has_tenant() returns trigger
    language plpgsql set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
begin
    if exists (
        select from (select distinct tenant_id from added) a
        where not exists (select from tenant t where t.tenant_id = a.tenant_id)) then
        perform diolkos_refuse(tg_table_name, (tg_table_name || '_tenant_id_fkey')::name);
    end if;
    return null;
end
$$;
drop trigger chain_op_has_tenant on chain_op;
drop trigger customer_has_tenant on customer;
drop function chain_op_has_tenant(), customer_has_tenant();
create trigger chain_op_has_tenant after insert on chain_op
    referencing new table as added for each statement execute function diolkos_has_tenant();
create trigger customer_has_tenant after insert on customer
    referencing new table as added for each statement execute function diolkos_has_tenant();
