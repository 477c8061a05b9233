-- What the daily job looks for that forgets agreements which nobody decided on.
create index agreement_undecided on agreement (tenant_id, created_at)
    where status = 'PENDING' and customer_id is null and wrapped_key is not null;
