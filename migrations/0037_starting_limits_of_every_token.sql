-- The limits that a tenant starts with hold for what a customer moves of all tokens together: they are rules of the
-- identification badge. The financial badges of the same names are there for what else is to be said of a token.
create function diolkos_starting_rules(whose uuid, badge uuid, metal text, at timestamptz) returns void
    language plpgsql as $$
begin
    insert into badge_rule (tenant_id, id, version, badge_id, kind, expression, error_code, error_type, message,
        is_default, starts_at, created_at, updated_at)
    select whose, gen_random_uuid(), 1, badge, 'IDENTIFICATION', r.expression, r.error_code, r.error_type, r.message,
        true, at, at, at
    from (values
            ('Bronze', '10', '1000', '1000'),
            ('Silver', '100', '10000', '10000'),
            ('Gold', '1000', '100000', '100000')) as m (name, deposits, stored, day)
    cross join lateral (values
            ('kind != "deposit" || all_deposits_month < ' || m.deposits,
                'ULDT2005', 'deposit-tier2-failed',
                'Maximum allowed number of deposit transactions per month for a user per wallet criteria not met'),
            ('direction != "in" || all_received_month + amount <= tokens("' || m.stored || '")',
                'ULTT0010', 'transfer-failed', 'Stored value per month criteria not met'),
            ('direction != "out" || all_sent_day + amount <= tokens("' || m.day || '")',
                'ULTT0011', 'transfer-failed', 'Maximum allowed amount per day criteria not met'))
        as r (expression, error_code, error_type, message)
    where m.name = metal;
end
$$;

create or replace function diolkos_starting_badges(whose uuid) returns void
    language plpgsql as $$
declare
    metal           text;
    people          text;
    identification  uuid;
    financial       uuid;
    at              timestamptz := now();
begin
    foreach metal in array array['Gold', 'Silver', 'Bronze'] loop
        foreach people in array array['BUSINESS_USER', 'WALLET_USER'] loop
            identification := gen_random_uuid();
            financial := gen_random_uuid();
            insert into badge (tenant_id, id, name, kind, user_group, description, created_at, updated_at) values
                (whose, financial, metal, 'FINANCIAL', people,
                    'Limits of the ' || metal || ' badge', at, at),
                (whose, identification, metal, 'IDENTIFICATION', people,
                    lower(metal) || ' identification badge', at, at);
            insert into badge_link (tenant_id, id, identification_badge_id, token, financial_badge_id, created_at, updated_at)
            select whose, gen_random_uuid(), identification, token, financial, at, at
            from unnest(array['USDC', 'USDT']) as token;
            perform diolkos_starting_rules(whose, identification, metal, at);
        end loop;
    end loop;
end
$$;

-- Tenants whose badges, links and rules are those that they started with are given these limits in place of the others.
-- Where somebody has changed anything, the tenant's own word stays.
alter table tenant no force row level security;
alter table badge no force row level security;
alter table badge_link no force row level security;
alter table badge_rule no force row level security;
do $$
declare
    untouched uuid[];
    starting  record;
begin
    untouched := array(
        select t.tenant_id from tenant t
        where (select count(*) filter (where b.created_by is null and b.is_active and b.updated_at = b.created_at) = 12
                and count(*) = 12 from badge b where b.tenant_id = t.tenant_id)
            and (select count(*) filter (where l.updated_at = l.created_at) = 12 and count(*) = 12
                from badge_link l where l.tenant_id = t.tenant_id)
            and (select count(*) filter (where r.is_default and r.version = 1 and r.kind = 'FINANCIAL'
                    and r.inactive_at is null) = 18 and count(*) = 18
                from badge_rule r where r.tenant_id = t.tenant_id));
    update badge_rule set inactive_at = now(), updated_at = now() where tenant_id = any (untouched);
    for starting in
        select tenant_id, id, name from badge where tenant_id = any (untouched) and kind = 'IDENTIFICATION'
    loop
        perform diolkos_starting_rules(starting.tenant_id, starting.id, starting.name, now());
    end loop;
end
$$;
alter table tenant force row level security;
alter table badge force row level security;
alter table badge_link force row level security;
alter table badge_rule force row level security;
