-- How far a customer is known, where they stand, and which group's badges they can be given, as rules and badges ask. Those
-- are businesses whose profiles say so, where profiles can.
do $$
declare
    is_business text := 'false';
begin
    if exists (
        select from pg_attribute
        where attrelid = 'customer_profile'::regclass and attname = 'kind' and not attisdropped) then
        is_business := 'p.kind = ''business''';
    end if;
    execute format(
        'create or replace view customer_standing with (security_invoker = true) as
            select c.tenant_id, c.id as customer_id, coalesce(p.kyc_status, ''NONE'') as kyc,
                coalesce(p.compliance_status, ''NONE'') as compliance,
                coalesce(p.onboarding_status, ''NONE'') as onboarding,
                coalesce(p.account_status, ''NONE'') as account,
                case when %s then ''BUSINESS_USER'' else ''WALLET_USER'' end as user_group
            from customer c
            left join customer_profile p on p.tenant_id = c.tenant_id and p.customer_id = c.id', is_business);
end
$$;
grant select on customer_standing to diolkos_server;

-- Whether compliance has rejected a customer or the account is blocked: no money moves then. Like is_badged it is read where
-- the customer is looked up in any case. Whoever has told nothing is never barred.
alter table customer add column is_barred boolean not null default false;
grant update (is_barred) on customer to diolkos_server;

create function customer_profile_bars() returns trigger
    language plpgsql as $$
declare
    bars boolean := new.compliance_status = 'REJECTED' or new.account_status = 'BLOCKED';
begin
    update customer set is_barred = bars
    where tenant_id = new.tenant_id and id = new.customer_id and is_barred <> bars;
    return null;
end
$$;
create trigger customer_profile_bars after insert or update of compliance_status, account_status on customer_profile
    for each row execute function customer_profile_bars();

alter table customer no force row level security;
alter table customer_profile no force row level security;
update customer c set is_barred = true
from customer_profile p
where p.tenant_id = c.tenant_id and p.customer_id = c.id
    and (p.compliance_status = 'REJECTED' or p.account_status = 'BLOCKED');
alter table customer force row level security;
alter table customer_profile force row level security;
