-- Operations that had succeeded for good, whose block a deep reorg dropped, and that are carried again: they are in no
-- block, and this is the one in which they were.
alter table chain_op add column dropped_block bigint;
create index chain_op_dropped on chain_op (dropped_block) where dropped_block is not null;
