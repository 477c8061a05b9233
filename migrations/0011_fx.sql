-- What local money buys, at which rate; good for a minute and for one use. Kept as evidence of the rate.
create table fx_quote (
    tenant_id   uuid           not null references tenant,
    id          uuid           not null,
    mode        text           not null,
    currency    text           not null,
    fiat_amount numeric        not null,
    token       text           not null,
    -- What is bought, in the token's base units.
    amount      numeric(38, 0) not null,
    -- Local units for one token, spread included.
    rate        numeric        not null,
    spread_bps  integer        not null,
    -- The source's own rate, and when the source took it.
    middle_rate numeric        not null,
    rate_as_of  timestamptz    not null,
    created_at  timestamptz    not null default clock_timestamp(),
    expires_at  timestamptz    not null default clock_timestamp() + interval '60 seconds',
    used_at     timestamptz,
    constraint fx_quote_pkey primary key (tenant_id, id),
    constraint fx_quote_mode_known check (mode in ('live', 'test')),
    constraint fx_quote_currency_form check (currency ~ '^[A-Z]{3}$'),
    constraint fx_quote_sums_positive check (fiat_amount > 0 and amount > 0),
    constraint fx_quote_rates_positive check (rate > 0 and middle_rate > 0),
    constraint fx_quote_spread check (spread_bps between 0 and 5000),
    -- The house never gives more than it gets.
    constraint fx_quote_rate_covers_middle check (rate >= middle_rate)
);
call diolkos_scope_to_tenant('fx_quote');
grant select, insert on fx_quote to diolkos_server;
grant update (used_at) on fx_quote to diolkos_server;
