-- A funding account fills the lanes with native coin. It is worked as a lane is (leased, write-ahead, replaced), and
-- carries nothing else.
alter table lane
    add column duty text not null default 'carry';
alter table lane
    add constraint lane_duty_known check (duty in ('carry', 'fund')) not valid;
alter table lane validate constraint lane_duty_known;

alter table bundle drop constraint bundle_purpose_known;
alter table bundle
    add constraint bundle_purpose_known
        check (purpose in ('user_ops', 'delegate', 'cancel', 'deposit', 'refill')) not valid;
alter table bundle validate constraint bundle_purpose_known;

-- One need of a lane, and the nonce that meets it, in whichever version of its bundle. The cap a day counts these.
create table refill (
    id         bigint         not null generated always as identity,
    funding    bytea          not null references lane,
    nonce      bigint         not null,
    lane       bytea          not null references lane,
    -- Wei.
    value      numeric(38, 0) not null,
    created_at timestamptz    not null default now(),
    constraint refill_pkey primary key (id),
    constraint refill_value_positive check (value > 0),
    constraint refill_to_another check (funding <> lane)
);
create index refill_lane on refill (lane, id);
create index refill_created_at on refill (created_at);
grant select, insert on refill to diolkos_engine;

-- What a transaction took from its account, in wei, with what it moved: known when its block is final. Of the versions of
-- one nonce all but one took nothing.
alter table bundle
    add column cost numeric(38, 0);
create index bundle_uncosted on bundle (created_at) where state = 'done' and cost is null;
create index bundle_cost on bundle (lane, created_at) where cost is not null;
