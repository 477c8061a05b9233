//! Addresses of the chain.

use alloy::primitives::Address;

/// An address that a caller wrote: 40 hexadecimal digits after `0x`, in one case or with the checksum of EIP-55.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChecksumAddress(pub Address);

/// The text is not an address, or its EIP-55 checksum is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an address of 0x and 40 hexadecimal digits; mixed case must carry the EIP-55 checksum")]
pub struct InvalidAddress;

impl ChecksumAddress {
    /// Reads a caller's address; in mixed case the checksum must be right.
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        let digits = text.strip_prefix("0x").ok_or(InvalidAddress)?;
        let address: Address = text.parse().map_err(|_| InvalidAddress)?;
        let one_case =
            !digits.bytes().any(|b| b.is_ascii_uppercase()) || !digits.bytes().any(|b| b.is_ascii_lowercase());
        (one_case || address.to_checksum(None) == text).then_some(Self(address)).ok_or(InvalidAddress)
    }
}
