//! SQL of agreements.

mod agreement;
mod template;

pub use agreement::{
    Decided, NewAgreement, Row, customer_of, decide, evidence, find, forget, forget_undecided, insert, list,
};
pub use template::{Head, adopt, heads, html_of, insert_version, list_versions, lock_kind, retire_kind, tenant_name};
