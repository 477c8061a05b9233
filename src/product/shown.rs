//! What the database keeps in bytes and base units, as answers show it.

use alloy::primitives::{Address, B256};

use crate::foundation::{Amount, Tokens};
use crate::http::{Error, Result};

/// An address, with the checksum of EIP-55.
pub fn address(bytes: &[u8]) -> Result<String> {
    let address = Address::try_from(bytes).map_err(Error::internal)?;
    Ok(address.to_checksum(None))
}

/// The hash of a transaction, if there is one yet.
pub fn hash(bytes: Option<&[u8]>) -> Result<Option<String>> {
    let hash = bytes.map(B256::try_from).transpose().map_err(Error::internal)?;
    Ok(hash.map(|hash| hash.to_string()))
}

/// An amount in the token's units: `19.620000`.
pub fn amount(tokens: &Tokens, symbol: &str, amount: Amount) -> Result<String> {
    let token = tokens.by_symbol(symbol);
    let token = token.ok_or_else(|| Error::internal(format!("the token {symbol} of a record is not configured")))?;
    Ok(token.format(amount))
}
