-- Agreement templates (src/product/agreements): what a tenant's customers are shown and asked to agree to. A new text is a
-- new version; the newest one of a kind counts, unless it was retired.
create table agreement_template (
    tenant_id  uuid        not null references tenant,
    id         uuid        not null,
    kind       text        not null,
    version    integer     not null,
    html       text        not null,
    created_at timestamptz not null default now(),
    retired_at timestamptz,
    constraint agreement_template_pkey primary key (tenant_id, id),
    constraint agreement_template_version_unique unique (tenant_id, kind, version),
    constraint agreement_template_kind_form check (kind ~ '^[A-Z][A-Z0-9_]{0,49}$'),
    constraint agreement_template_version_positive check (version > 0),
    constraint agreement_template_html_length check (length(html) between 1 and 100000)
);
call diolkos_scope_to_tenant('agreement_template');
grant select, insert on agreement_template to diolkos_server;
grant update (retired_at) on agreement_template to diolkos_server;

-- What one person was shown, and what they said to it. Names, e-mail, IP and the text itself are sealed under a key of the
-- agreement's own, wrapped by the tenant's: there may be no customer yet. Without that key nobody reads it any more.
create table agreement (
    tenant_id       uuid        not null,
    id              uuid        not null,
    mode            text        not null,
    template_id     uuid        not null,
    account_address bytea       not null,
    customer_id     uuid,
    wrapped_key     bytea,
    sealed          bytea       not null,
    status          text        not null default 'PENDING',
    created_at      timestamptz not null,
    -- When it was accepted or rejected, with which API key the tenant's back end said so, and from which IP (sealed).
    decided_at      timestamptz,
    decided_by      uuid,
    decided_from    bytea,
    constraint agreement_pkey primary key (tenant_id, id),
    constraint agreement_template_fkey foreign key (tenant_id, template_id) references agreement_template (tenant_id, id),
    constraint agreement_customer_fkey foreign key (tenant_id, customer_id) references customer (tenant_id, id),
    constraint agreement_key_fkey foreign key (tenant_id, decided_by) references api_key (tenant_id, id),
    constraint agreement_mode_known check (mode in ('live', 'test')),
    constraint agreement_address_length check (length(account_address) = 20),
    constraint agreement_status_known check (status in ('PENDING', 'ACCEPTED', 'REJECTED')),
    constraint agreement_decision check (
        (status = 'PENDING') = (decided_at is null) and (decided_at is null) = (decided_by is null))
);
create index agreement_newest on agreement (tenant_id, mode, id desc);
create index agreement_account on agreement (tenant_id, account_address);
create index agreement_customer on agreement (tenant_id, customer_id) where customer_id is not null;
call diolkos_scope_to_tenant('agreement');
grant select, insert on agreement to diolkos_server;
grant update (customer_id, wrapped_key, status, decided_at, decided_by, decided_from) on agreement to diolkos_server;

-- A decision stays, whoever asks, and so does what was decided on; only its key may be thrown away.
create trigger agreement_stays before delete or truncate on agreement
    for each statement execute function diolkos_stays();
create trigger agreement_keeps_decision before update on agreement
    for each row when (old.status <> 'PENDING'
        and (old.tenant_id, old.id, old.customer_id, old.status, old.decided_at, old.decided_by, old.decided_from)
            is distinct from
            (new.tenant_id, new.id, new.customer_id, new.status, new.decided_at, new.decided_by, new.decided_from))
    execute function diolkos_stays();
create trigger agreement_keeps_text before update on agreement
    for each row when ((old.mode, old.template_id, old.account_address, old.sealed, old.created_at)
            is distinct from (new.mode, new.template_id, new.account_address, new.sealed, new.created_at)
        or (new.wrapped_key is not null and old.wrapped_key is distinct from new.wrapped_key))
    execute function diolkos_stays();
create trigger agreement_template_stays before delete or truncate on agreement_template
    for each statement execute function diolkos_stays();
create trigger agreement_template_keeps_text before update on agreement_template
    for each row when ((old.tenant_id, old.id, old.kind, old.version, old.html, old.created_at)
            is distinct from (new.tenant_id, new.id, new.kind, new.version, new.html, new.created_at)
        or old.retired_at is not null and old.retired_at is distinct from new.retired_at)
    execute function diolkos_stays();
