-- Identity checks: those of a number, a customer and a device are counted without reading all that there ever were; how
-- often a provider was asked about a fingerprint is counted too; and of checks that were nobody's nothing stays.
alter table identity_check
    -- How often the provider has been asked about the fingerprint at hand: counted before it is asked.
    add column asked integer not null default 0,
    add constraint identity_check_asked check (asked >= 0);
create index identity_check_device on identity_check (tenant_id, device_index, created_at) where device_index is not null;
drop index identity_check_customer;
create index identity_check_customer on identity_check (tenant_id, customer_id, created_at) where customer_id is not null;
create index identity_check_nobodys on identity_check (created_at) where customer_id is null;
grant update (asked) on identity_check to diolkos_server;
grant select (customer_id, created_at, attempts, asked), delete on identity_check to diolkos_engine;

-- Codes whose time has long been up are deleted of every tenant, also of those that issue no more.
drop index one_time_code_expired;
create index one_time_code_expired on one_time_code (expires_at);
call diolkos_open_to_engine('one_time_code');
grant select (tenant_id, id, expires_at), delete on one_time_code to diolkos_engine;
