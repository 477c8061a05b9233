//! SQL of onboarded customers.

mod check;
mod document;
mod identifier;
mod policy;
mod profile;
mod wallet;

pub use check::{
    Check, NewestCheck, OpenCheck, end_check, find_check, has_open_check, hold_check, insert_check, newest_check,
    note_operator, open_checks, supersede_checks, take_due_checks,
};
pub use document::{
    Deleted, Kept, delete_documents, delete_oldest_documents, documents_of, insert_documents, mark_stored,
    waiting_document,
};
pub use identifier::{known_otherwise, renew_identifiers, set_identifiers};
pub use policy::{policy, set_policy};
pub use profile::{
    Change, ChangedBy, Remark, changes_of, delete_profile, find_by_email, find_by_person, find_profile, has_customers,
    has_profile, insert_change, insert_profile, is_change, kind_of, remarks_of, set_standing, set_verified,
    update_profile,
};
pub use wallet::{
    NewExternal, Row, by_address, by_custom_namespace, by_namespace, delete_external, hold_wallets, insert_external,
    known_elsewhere, namespace_is_free, roots, set_custom_namespace, set_primary, strip_names, tenant, wallets_of,
};
