-- The dashboard lists customers of one mode, newest first.
create index customer_newest on customer (tenant_id, mode, id desc);

-- Reports ask what ended in a period. An id tells only when something began, and a payout may take days: ended_at it is.
create index deposit_ended on deposit (tenant_id, mode, ended_at) where ended_at is not null;
create index transfer_ended on transfer (tenant_id, mode, ended_at) where ended_at is not null;
create index withdrawal_ended on withdrawal (tenant_id, mode, ended_at) where ended_at is not null;
