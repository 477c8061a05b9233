-- A bundler (ERC-4337) can carry user operations instead of a lane. Such a signature offers fees, and is stored before
-- the bundler sees it; what became of it is read from the chain as ever.
alter table user_op_version
    add column max_fee      numeric(38, 0),
    add column max_tip      numeric(38, 0),
    -- The newest block when it was signed, and when the bundler last took it.
    add column stored_block bigint,
    add column sent_block   bigint;
alter table user_op_version
    add constraint user_op_version_offer check (
        num_nulls(max_fee, max_tip, stored_block) in (0, 3) and (sent_block is null or stored_block is not null)) not valid;
alter table user_op_version validate constraint user_op_version_offer;

alter table user_op
    -- The bundler cannot carry it (its calls revert as things stand), so that a lane does.
    add column by_lane  boolean not null default false,
    -- How often in a row the bundler or the paymaster refused it.
    add column refusals integer not null default 0;

-- A lane also fills the treasury's deposit in the EntryPoint, from which the bundler is paid.
alter table bundle drop constraint bundle_purpose_known;
alter table bundle
    add constraint bundle_purpose_known check (purpose in ('user_ops', 'delegate', 'cancel', 'deposit')) not valid;
alter table bundle validate constraint bundle_purpose_known;
create index bundle_deposit on bundle (done_block) where purpose = 'deposit';
