//! SQL of consents.

mod consent;
mod vendor;

pub use consent::{customer_of, insert_consent, is_customer, last_consent, may_fetch_terms, set_may_fetch_terms};
pub use vendor::{
    adopt_vendor, find_vendor, has_vendors, insert_message, insert_vendor, list_vendors, next_number, retire_vendor,
    vendor,
};
