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

    /// The same in whichever case: callers of the wallet API send addresses in mixed case without a checksum, as its
    /// documented examples do.
    pub fn of_any_case(text: &str) -> Result<Self, InvalidAddress> {
        Self::parse(&text.to_ascii_lowercase())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    const RIGHT: &str = "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359";

    #[test]
    fn one_case_or_the_right_checksum_is_read() {
        let address = ChecksumAddress::parse(RIGHT).unwrap();
        assert_eq!(ChecksumAddress::parse(&RIGHT.to_lowercase()), Ok(address));
        assert_eq!(ChecksumAddress::parse(&format!("0x{}", RIGHT[2..].to_uppercase())), Ok(address));
    }

    #[test]
    fn where_the_case_says_nothing_a_wrong_checksum_is_none() {
        let address = ChecksumAddress::parse(RIGHT);
        assert_eq!(ChecksumAddress::of_any_case(&RIGHT.replacen("cEF", "CeF", 1)), address);
        assert_eq!(ChecksumAddress::of_any_case(&RIGHT.to_uppercase()), address);
        assert_eq!(ChecksumAddress::of_any_case(&RIGHT[1..]), Err(InvalidAddress));
    }

    #[test]
    fn a_wrong_checksum_or_length_is_refused() {
        let wrong = RIGHT.replacen("cEF", "CeF", 1);
        for text in [wrong.as_str(), &RIGHT[2..], "0x3c49", "", "0xzz499c542cEF5E3811e1192ce70d8cC03d5c3359"] {
            assert_eq!(ChecksumAddress::parse(text), Err(InvalidAddress), "{text}");
        }
    }
}
