-- Customers' wallets pay too. Such an operation names the owner key and the salt that the wallet was made with: its
-- user operation is signed by that owner, and the first one deploys the wallet.
alter table chain_op
    add column owner bytea,
    add column salt  bytea,
    add constraint chain_op_wallet check (
        (owner is null and salt is null) or (length(owner) = 20 and length(salt) = 32));
create index chain_op_unassigned_wallet on chain_op (owner, id)
    where user_op_id is null and state = 'waiting' and owner is not null;

alter table user_op
    add column owner bytea,
    add column salt  bytea,
    add constraint user_op_wallet check (
        (owner is null and salt is null) or (length(owner) = 20 and length(salt) = 32));
create index user_op_unfinished_account on user_op (account) where state <> 'ended';

alter table user_op_version
    add column verification_gas bigint  not null default 150000,
    add column deploys          boolean not null default false;
