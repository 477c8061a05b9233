-- As in 0019: what new customers and wallets refer to is looked up once a statement. Tenants and customers stay.
create function customer_has_tenant() returns trigger
    language plpgsql set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
begin
    if exists (
        select from (select distinct tenant_id from added) c
        where not exists (select from tenant t where t.tenant_id = c.tenant_id)) then
        perform diolkos_refuse('customer', 'customer_tenant_id_fkey');
    end if;
    return null;
end
$$;
create trigger customer_has_tenant after insert on customer
    referencing new table as added for each statement execute function customer_has_tenant();
alter table customer drop constraint customer_tenant_id_fkey;

create function wallet_has_customer() returns trigger
    language plpgsql set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
begin
    if exists (
        select from added w
        where not exists (select from customer c where c.tenant_id = w.tenant_id and c.id = w.customer_id)) then
        perform diolkos_refuse('wallet', 'wallet_customer_fkey');
    end if;
    return null;
end
$$;
create trigger wallet_has_customer after insert on wallet
    referencing new table as added for each statement execute function wallet_has_customer();
create trigger wallet_keeps_customer before update of tenant_id, customer_id on wallet
    for each row when ((old.tenant_id, old.customer_id) is distinct from (new.tenant_id, new.customer_id))
    execute function diolkos_stays();
alter table wallet drop constraint wallet_customer_fkey;

-- A smart wallet that nobody has named yet is entered into half as many indexes.
alter table wallet drop constraint wallet_address_unique;
drop index wallet_by_address, wallet_namespace, wallet_namespace_unique, wallet_custom_namespace_unique;
alter table wallet add constraint wallet_address_unique unique (address, tenant_id, mode);
create index wallet_namespace on wallet (mode, namespace) where namespace is not null;
create unique index wallet_namespace_unique on wallet (mode, diolkos_skeleton(namespace)) where namespace is not null;
create unique index wallet_custom_namespace_unique on wallet (mode, custom_skeleton) where custom_skeleton is not null;

alter table chain_op validate constraint chain_op_submitted_is_rehearsed;
