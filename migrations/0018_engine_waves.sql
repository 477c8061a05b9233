-- The lane whose engine gathered a user operation carries it, unless that lane is not at work: lanes of one house then
-- do not sign the same things at once. Carrying it twice is harmless still.
alter table user_op add column lane bytea;
-- Signatures and transactions of big batches are random bytes for the most part: compressing them is work for nothing.
alter table user_op_version alter column packed set storage external;
alter table bundle alter column raw set storage external;

-- A reorg deeper than CONFIRMATIONS can undo what was final. Such a user operation is carried again under its nonce, and
-- states that were told as final stay. If an operation of it fails then, this says why, until an operator has looked.
alter table chain_op add column undone text;
create index chain_op_undone on chain_op (id) where undone is not null;
create index user_op_final on user_op (block_number) where state = 'ended';
