-- How far a customer is known, as rules may ask: what identity checks say of whoever was onboarded.
create or replace view customer_standing with (security_invoker = true) as
    select c.tenant_id, c.id as customer_id, coalesce(p.kyc_status, 'NONE') as kyc
    from customer c left join customer_profile p on p.tenant_id = c.tenant_id and p.customer_id = c.id;
grant select on customer_standing to diolkos_server;
