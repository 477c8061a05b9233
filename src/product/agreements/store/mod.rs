//! SQL of agreements.

mod agreement;
mod template;

pub use agreement::{NewAgreement, Row, customer_of, decide, find, forget, insert, list};
pub use template::{Head, adopt, heads, html_of, insert_version, list_versions, lock_kind, retire_kind, tenant_name};
