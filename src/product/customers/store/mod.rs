//! SQL of onboarded customers.

mod check;
mod document;
mod profile;
mod wallet;

pub use check::{
    NewestCheck, due_checks, end_check, find_check, hold_check, insert_check, newest_check, supersede_checks,
};
pub use document::{Kept, content_of, delete_documents, documents_of, insert_documents, mark_stored, waiting_document};
pub use profile::{
    Change, ChangedBy, changes_of, delete_profile, find_by_email, find_by_person, find_profile, has_customers,
    has_profile, insert_change, insert_profile, kind_of, set_standing, update_profile,
};
pub use wallet::{
    NewExternal, Row, by_address, by_custom_namespace, by_namespace, delete_external, hold_wallets, insert_external,
    known_elsewhere, name_exists, namespace_is_free, set_custom_namespace, set_primary, strip_names, tenant,
    wallets_of,
};
