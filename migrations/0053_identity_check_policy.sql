-- Where operators let a tenant's customers and devices have people sent with their fingerprints
-- (src/product/identity_checks/policy.rs): to any page when there is no row, or no origin in it.
create table identity_check_policy (
    tenant_id      uuid        not null references tenant,
    target_origins text[]      not null,
    changed_at     timestamptz not null default now(),
    constraint identity_check_policy_pkey primary key (tenant_id),
    constraint identity_check_policy_length check (cardinality(target_origins) <= 100)
);
call diolkos_scope_to_tenant('identity_check_policy');
grant select, insert on identity_check_policy to diolkos_server;
grant update (target_origins, changed_at) on identity_check_policy to diolkos_server;
