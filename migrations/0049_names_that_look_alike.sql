-- No two names that we mint look alike (Unicode TS 39). They have lower-case ASCII letters, digits, dashes and dots, of
-- which these three look like others.
create function diolkos_skeleton(name text) returns text
    language sql immutable parallel safe
    return replace(replace(replace(name, '0', 'o'), '1', 'l'), 'm', 'rn');
create index wallet_namespace on wallet (mode, namespace);
drop index wallet_namespace_unique;
create unique index wallet_namespace_unique on wallet (mode, diolkos_skeleton(namespace));
