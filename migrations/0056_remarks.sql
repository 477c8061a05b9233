-- What was remarked with updates of a customer, among changes that nobody remarked anything about.
create index customer_change_remarks on customer_change (tenant_id, customer_id, id desc) where remarks_sealed is not null;
