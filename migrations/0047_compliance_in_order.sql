-- Compliance checks: at most one job asks about a check at a time, however long its provider is away; an operator may end
-- a check; and what the check that accepted a customer was shown is written down.
alter table compliance_check
    -- A job that asks about it again is stored and has not come to an answer.
    add column queued          boolean not null default false,
    -- Ended by an operator, for a reason that is sealed under the customer's data key.
    add column ended_by        text,
    add column decision_sealed bytea,
    add constraint compliance_check_ended_by check (
        (ended_by is null) = (decision_sealed is null)
        and (ended_by is null or ended_by = 'operator' and ended_at is not null));
drop index compliance_check_due;
create index compliance_check_due on compliance_check (next_at) where state in ('pending', 'review') and not queued;
create index compliance_check_open on compliance_check (tenant_id, id desc) where ended_at is null;
grant update (queued, ended_by, decision_sealed) on compliance_check to diolkos_server;
grant select (queued), update (queued) on compliance_check to diolkos_engine;

-- What the check that accepted the customer was shown and has not changed since.
alter table customer_profile
    add column verified text[] not null default '{}',
    add constraint customer_profile_verified_known check (verified <@ array['government_id', 'proof_of_address', 'ssn']);
grant update (verified) on customer_profile to diolkos_server;
