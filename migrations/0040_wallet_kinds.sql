-- A wallet is ours (`smart`), or an address that the customer controls (`external`). Those that the wallet API knows have
-- names: one of the tenant's, and perhaps one that somebody else has registered.
alter table wallet
    add column mode               text,
    add column namespace          text,
    add column custom_namespace   text,
    -- What looks the same has the same skeleton (Unicode TS 39).
    add column custom_skeleton    text,
    add column namespace_provider text,
    -- The name under which another tenant has the address, which the customer told us: without it an address is
    -- onboarded once on this server.
    add column known_as           text;
alter table wallet no force row level security;
alter table customer no force row level security;
update wallet w set mode = c.mode from customer c where c.tenant_id = w.tenant_id and c.id = w.customer_id;
alter table wallet force row level security;
alter table customer force row level security;
alter table wallet
    alter column mode set not null,
    alter column salt drop not null,
    alter column owner drop not null,
    drop constraint wallet_kind_known,
    drop constraint wallet_address_unique,
    add constraint wallet_kind_known check (kind in ('smart', 'external')),
    add constraint wallet_mode_known check (mode in ('live', 'test')),
    add constraint wallet_smart_is_ours check (
        (kind = 'smart') = (salt is not null) and (kind = 'smart') = (owner is not null)),
    add constraint wallet_address_unique unique (tenant_id, mode, address),
    add constraint wallet_namespace_form check (
        namespace ~ '^[a-z0-9][a-z0-9-]{0,62}\.[a-z0-9][a-z0-9-]{0,62}\.ul$'),
    add constraint wallet_custom_namespace_whole check (
        num_nonnulls(custom_namespace, custom_skeleton) in (0, 2)
        and (namespace_provider is null or custom_namespace is not null)
        and length(custom_namespace) <= 255 and length(namespace_provider) <= 64);
create unique index wallet_namespace_unique on wallet (mode, namespace);
create unique index wallet_custom_namespace_unique on wallet (mode, custom_skeleton);
create unique index wallet_external_unique on wallet (mode, address) where kind = 'external' and known_as is null;
create unique index wallet_smart_unique on wallet (tenant_id, customer_id) where kind = 'smart';
create index wallet_of_customer on wallet (tenant_id, customer_id);
grant update (is_primary, namespace, custom_namespace, custom_skeleton, namespace_provider) on wallet to diolkos_server;
-- A forgotten customer's own addresses go; a wallet of ours stays, for money has moved through it.
grant delete on wallet to diolkos_server;
create policy wallet_smart_stays on wallet as restrictive for delete to diolkos_server using (kind = 'external');
-- Whether another tenant has an address, and as what.
grant select (mode, kind, namespace) on wallet to diolkos_engine;

-- What an external wallet holds is nobody's business but the customer's.
create or replace view indexed_account with (security_invoker = true) as
    select w.tenant_id, w.address as account, 'wallet'::text as kind
    from wallet w join customer c on c.tenant_id = w.tenant_id and c.id = w.customer_id
    where c.mode = 'live' and w.kind = 'smart';
