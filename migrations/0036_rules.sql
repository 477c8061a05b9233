-- Rules of badges: conditions that movements of money have to meet. A rule is changed by a version that follows the one
-- before; of its versions the newest that has begun counts, unless that one has ended or was put out of use.
create table badge_rule (
    tenant_id   uuid        not null references tenant,
    id          uuid        not null,
    version     integer     not null,
    badge_id    uuid        not null,
    kind        text        not null,
    -- In the Common Expression Language; see docs/RULES.md.
    expression  text        not null,
    -- What a refusal says, for programs and for people.
    error_code  text        not null,
    error_type  text        not null,
    message     text        not null,
    is_default  boolean     not null,
    -- Who made it; none of those that a tenant starts with.
    created_by  text,
    starts_at   timestamptz not null,
    ends_at     timestamptz,
    inactive_at timestamptz,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    constraint badge_rule_pkey primary key (tenant_id, id, version),
    constraint badge_rule_badge_fkey foreign key (tenant_id, badge_id, kind) references badge (tenant_id, id, kind),
    constraint badge_rule_kind_ruling check (kind in ('IDENTIFICATION', 'FINANCIAL')),
    constraint badge_rule_version_positive check (version > 0),
    constraint badge_rule_expression_length check (length(expression) between 1 and 1000),
    constraint badge_rule_error_code_form check (error_code ~ '^UL[A-Z]{2}[0-9]{4}$'),
    constraint badge_rule_texts check (
        length(error_type) between 1 and 100 and length(message) between 1 and 500),
    constraint badge_rule_period check (ends_at > starts_at)
);
create index badge_rule_of_badge on badge_rule (tenant_id, badge_id, id, version desc);
call diolkos_scope_to_tenant('badge_rule');
call diolkos_open_to_engine('badge_rule');
grant select, insert on badge_rule to diolkos_server;
grant update (inactive_at, updated_at) on badge_rule to diolkos_server;
grant insert on badge_rule to diolkos_engine;

-- How far a customer is known, as rules may ask. Nobody asks phone-only customers who they are.
create view customer_standing with (security_invoker = true) as
    select tenant_id, id as customer_id, 'NONE'::text as kyc from customer;
grant select on customer_standing to diolkos_server;

-- The badges that a tenant starts with: Bronze, Silver and Gold for people and for businesses, each with a financial badge
-- of the same name for the two tokens that every server knows. Amounts are written as docs/RULES.md says.
create function diolkos_starting_badges(whose uuid) returns void
    language plpgsql as $$
declare
    metal           record;
    people          text;
    identification  uuid;
    financial       uuid;
    at              timestamptz := now();
begin
    for metal in
        select * from (values
            ('Bronze', '10', '1000', '1000', 1),
            ('Silver', '100', '10000', '10000', 2),
            ('Gold', '1000', '100000', '100000', 3)) as m (name, deposits, stored, day, place)
        order by place desc
    loop
        foreach people in array array['BUSINESS_USER', 'WALLET_USER'] loop
            identification := gen_random_uuid();
            financial := gen_random_uuid();
            insert into badge (tenant_id, id, name, kind, user_group, description, created_at, updated_at) values
                (whose, financial, metal.name, 'FINANCIAL', people,
                    'Limits of the ' || metal.name || ' badge', at, at),
                (whose, identification, metal.name, 'IDENTIFICATION', people,
                    lower(metal.name) || ' identification badge', at, at);
            insert into badge_link (tenant_id, id, identification_badge_id, token, financial_badge_id, created_at, updated_at)
            select whose, gen_random_uuid(), identification, token, financial, at, at
            from unnest(array['USDC', 'USDT']) as token;
            insert into badge_rule (tenant_id, id, version, badge_id, kind, expression, error_code, error_type, message,
                is_default, starts_at, created_at, updated_at) values
                (whose, gen_random_uuid(), 1, financial, 'FINANCIAL',
                    'kind != "deposit" || deposits_month < ' || metal.deposits,
                    'ULDT2005', 'deposit-tier2-failed',
                    'Maximum allowed number of deposit transactions per month for a user per wallet criteria not met',
                    true, at, at, at),
                (whose, gen_random_uuid(), 1, financial, 'FINANCIAL',
                    'direction != "in" || received_month + amount <= tokens("' || metal.stored || '")',
                    'ULTT0010', 'transfer-failed', 'Stored value per month criteria not met',
                    true, at, at, at),
                (whose, gen_random_uuid(), 1, financial, 'FINANCIAL',
                    'direction != "out" || sent_day + amount <= tokens("' || metal.day || '")',
                    'ULTT0011', 'transfer-failed', 'Maximum allowed amount per day criteria not met',
                    true, at, at, at);
        end loop;
    end loop;
end
$$;

-- Those that are there already, whom a policy hides from the owner.
alter table tenant no force row level security;
alter table badge no force row level security;
alter table badge_link no force row level security;
alter table badge_rule no force row level security;
select diolkos_starting_badges(tenant_id) from tenant;
alter table tenant force row level security;
alter table badge force row level security;
alter table badge_link force row level security;
alter table badge_rule force row level security;
