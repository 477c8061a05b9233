//! Reading what a tenant says it has paid in.

use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use crate::foundation::{Amount, Tokens};
use crate::http::{Error, Result};

/// Money that a tenant says it has paid in.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
pub struct NewTopup {
    /// How much has been paid in, a plain decimal with at most the token's fraction digits.
    #[schema(example = "10000.00")]
    pub amount: String,
    /// `USDC` or `USDT`.
    #[schema(example = "USDC")]
    pub token: String,
    /// Settlement id, bank reference or transaction hash. One top-up each.
    #[validate(length(min = 1, max = 200))]
    #[schema(example = "SETTLEMENT-2026-06-25", min_length = 1, max_length = 200)]
    pub reference: String,
    /// Whatever you want to remember.
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000)]
    pub note: Option<String>,
}

/// A report whose every field makes sense.
#[derive(Clone, Debug)]
pub struct Report {
    /// The token that is to be credited, by its symbol.
    pub token: String,
    /// How much, in the token's base units.
    pub amount: Amount,
    /// Unique among the tenant's top-ups.
    pub reference: String,
    /// Whatever the tenant wants to remember.
    pub note: Option<String>,
}

impl NewTopup {
    /// Reads every field; 400 for the first that makes no sense.
    pub fn read(&self, tokens: &Tokens) -> Result<Report> {
        let token = tokens.by_symbol(&self.token);
        let token = token.ok_or_else(|| Error::invalid_field("token", "is not a token of this server"))?;
        let amount = token.parse(&self.amount).map_err(|why| Error::invalid_field("amount", why))?;
        let reference = self.reference.trim();
        if reference.is_empty() || reference.chars().any(char::is_control) {
            return Err(Error::invalid_field("reference", "must have visible characters and no control characters"));
        }
        Ok(Report { token: token.symbol.to_string(), amount, reference: reference.to_owned(), note: self.note.clone() })
    }
}
