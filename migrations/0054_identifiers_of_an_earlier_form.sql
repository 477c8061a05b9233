-- 0048 carried digests over that were made otherwise: of the first number alone, as it was written. Profiles are sealed, so
-- the server makes the digests anew, customer by customer (src/product/customers/identifying.rs). 1 is a customer whose
-- digests may be of that form.
alter table customer_profile add column identifiers_form smallint not null default 1;
alter table customer_profile alter column identifiers_form set default 2;
create index customer_profile_identifiers_form on customer_profile (tenant_id, customer_id) where identifiers_form = 1;
grant update (identifiers_form) on customer_profile to diolkos_server;
