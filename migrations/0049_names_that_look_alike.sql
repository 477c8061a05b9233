-- No two names that we mint look alike (Unicode TS 39). They have lower-case ASCII letters, digits, dashes and dots, of
-- which these three look like others.
create function diolkos_skeleton(name text) returns text
    language sql immutable parallel safe
    return replace(replace(replace(name, '0', 'o'), '1', 'l'), 'm', 'rn');
-- Of two that were minted before this and look alike the older one keeps its name. The other gets another label, of letters
-- and digits that make no word and of which none looks like another (0, 1, a and e of a random number are replaced).
alter table wallet no force row level security;
update wallet w set namespace = split_part(namespace, '.', 1) || '.x'
        || translate(substr(replace(gen_random_uuid()::text, '-', ''), 1, 12), '01ae', 'ghjk') || '.ul'
    where exists (
        select from wallet older where older.mode = w.mode and older.id < w.id
            and diolkos_skeleton(older.namespace) = diolkos_skeleton(w.namespace));
alter table wallet force row level security;
create index wallet_namespace on wallet (mode, namespace);
drop index wallet_namespace_unique;
create unique index wallet_namespace_unique on wallet (mode, diolkos_skeleton(namespace));
