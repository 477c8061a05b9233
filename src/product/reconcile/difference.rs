//! Where what we wrote down and what the chain says part.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use crate::foundation::TenantId;

/// Something that does not agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Difference {
    /// The block where it parts, as far as that can be told.
    #[schema(example = 81_234_567)]
    pub block: Option<u64>,
    /// The record: an operation's id, or a transaction's hash and the place of the log.
    #[schema(example = "operation 01981c5f-8e5a-7c3f-9d0e-1b2a3c4d5e6f")]
    pub record: Option<String>,
    /// Whose it is.
    #[schema(value_type = Option<String>, example = "01981c5f-8e5a-7c3f-9d0e-1b2a3c4d5e6f")]
    pub tenant: Option<TenantId>,
    /// What does not agree, with amounts in base units.
    pub what: String,
}

impl Difference {
    /// One that has no block and no record.
    pub fn of(what: impl Into<String>) -> Self {
        Self { block: None, record: None, tenant: None, what: what.into() }
    }

    /// The same, at a block.
    pub fn at(mut self, block: u64) -> Self {
        self.block = Some(block);
        self
    }

    /// The same, about a record.
    pub fn about(mut self, record: impl Into<String>) -> Self {
        self.record = Some(record.into());
        self
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(block) = self.block {
            write!(f, "block {block}: ")?;
        }
        if let Some(record) = &self.record {
            write!(f, "{record}: ")?;
        }
        if let Some(tenant) = self.tenant {
            write!(f, "tenant {tenant}: ")?;
        }
        f.write_str(&self.what)
    }
}

/// In the order of the chain; what has no block comes last.
pub fn in_order(mut differences: Vec<Difference>) -> Vec<Difference> {
    differences.sort_by_key(|difference| (difference.block.is_none(), difference.block));
    differences
}
