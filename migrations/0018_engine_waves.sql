-- The lane whose engine gathered a user operation carries it, unless that lane is not at work: lanes of one house then
-- do not sign the same things at once. Carrying it twice is harmless still.
alter table user_op add column lane bytea;
-- Signatures and transactions of big batches are random bytes for the most part: compressing them is work for nothing.
alter table user_op_version alter column packed set storage external;
alter table bundle alter column raw set storage external;
