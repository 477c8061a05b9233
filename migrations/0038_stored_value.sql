-- What a customer had received and given of a token by all movements that ended long ago, so that a rule that asks what is
-- stored adds up the newer ones only. Written in passing by whoever adds up many, and may be deleted at any time.
create table stored_value (
    tenant_id   uuid           not null,
    customer_id uuid           not null,
    token       text           not null,
    -- Movements with smaller ids are in the sums. All of them have ended for good.
    up_to       uuid           not null,
    came        numeric(38, 0) not null,
    gone        numeric(38, 0) not null,
    updated_at  timestamptz    not null,
    constraint stored_value_pkey primary key (tenant_id, customer_id, token),
    constraint stored_value_customer_fkey foreign key (tenant_id, customer_id) references customer (tenant_id, id),
    constraint stored_value_not_negative check (came >= 0 and gone >= 0)
);
call diolkos_scope_to_tenant('stored_value');
grant select, insert, delete on stored_value to diolkos_server;
grant update (up_to, came, gone, updated_at) on stored_value to diolkos_server;

-- What others sent may become known late, and a deep reorg may undo it. Whoever writes sums holds the customer, and never of
-- what is less than two days old: who comes later than that waits for them, and throws away what does not know of it.
create function outside_movement_comes_late() returns trigger
    language plpgsql as $$
begin
    perform from customer where tenant_id = new.tenant_id and id = new.customer_id for share;
    delete from stored_value
    where tenant_id = new.tenant_id and customer_id = new.customer_id and token = new.token and up_to > new.id;
    return null;
end
$$;
create trigger outside_movement_comes_late after insert or update of status on outside_movement
    for each row when (new.created_at < now() - interval '1 day') execute function outside_movement_comes_late();

-- By which lists of a financial badge's wallets go on.
alter table wallet_badge add column id uuid not null default gen_random_uuid();
create unique index wallet_badge_of_badge on wallet_badge (tenant_id, financial_badge_id, id desc);
