//! The master key: in configuration, or there only as what a key of a key management service has encrypted.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{AwsKey, GcpKey};

/// Where the master key is. Its text form never shows it.
#[derive(Clone)]
pub enum MasterKeySource {
    /// In configuration: 32 bytes in hexadecimal.
    Plain(Zeroizing<[u8; 32]>),
    /// `aws-kms:<key>:<base64>`, what a symmetric key of AWS KMS made of the 32 bytes.
    AwsKms(AwsKey, Vec<u8>),
    /// `gcp-kms:projects/…/cryptoKeys/…:<base64>`, what a symmetric key of GCP KMS made of the 32 bytes.
    GcpKms(GcpKey, Vec<u8>),
}

impl fmt::Display for MasterKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("a key of 32 bytes"),
            Self::AwsKms(key, _) => write!(f, "aws-kms:{key}"),
            Self::GcpKms(key, _) => write!(f, "gcp-kms:{key}"),
        }
    }
}

/// The text is no master key; it is not quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the master key is 32 bytes in hexadecimal, aws-kms:<key>:<base64> or gcp-kms:projects/…/cryptoKeys/<key>:<base64>"
)]
pub struct InvalidMasterKey;

impl FromStr for MasterKeySource {
    type Err = InvalidMasterKey;

    fn from_str(text: &str) -> Result<Self, InvalidMasterKey> {
        let text = text.trim();
        let sealed = |text: &str| {
            // Names of keys may have colons inside, base64 has none.
            let (key, sealed) = text.rsplit_once(':').ok_or(InvalidMasterKey)?;
            let sealed = STANDARD.decode(sealed).ok().filter(|sealed| !sealed.is_empty()).ok_or(InvalidMasterKey)?;
            Ok((key.to_owned(), sealed))
        };
        if let Some(text) = text.strip_prefix("aws-kms:") {
            let (key, sealed) = sealed(text)?;
            return Ok(Self::AwsKms(key.parse().map_err(|_| InvalidMasterKey)?, sealed));
        }
        if let Some(text) = text.strip_prefix("gcp-kms:") {
            let (key, sealed) = sealed(text)?;
            return Ok(Self::GcpKms(key.parse().map_err(|_| InvalidMasterKey)?, sealed));
        }
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text, bytes.as_mut()).map_err(|_| InvalidMasterKey)?;
        Ok(Self::Plain(bytes))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    #[test]
    fn a_master_key_is_bytes_or_what_a_key_made_of_them() {
        let plain: MasterKeySource = "ab".repeat(32).parse().unwrap();
        assert!(matches!(&plain, MasterKeySource::Plain(bytes) if **bytes == [0xab; 32]));
        assert_eq!(plain.to_string(), "a key of 32 bytes");
        for key in [
            "aws-kms:arn:aws:kms:us-east-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "gcp-kms:projects/example.com:acme/locations/global/keyRings/r/cryptoKeys/master",
        ] {
            let sealed: MasterKeySource = format!("{key}:AQIDBA==").parse().unwrap();
            assert_eq!(sealed.to_string(), key);
            assert!(matches!(sealed, MasterKeySource::AwsKms(_, sealed) | MasterKeySource::GcpKms(_, sealed)
                if sealed == [1, 2, 3, 4]));
        }
        for wrong in [
            "",
            "abcd",
            "aws-kms:alias/master",
            "aws-kms:alias/master:",
            "aws-kms:alias/master:AQIDBA",
            "aws-kms:AQIDBA==",
            "gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1:AQIDBA==",
        ] {
            assert!(wrong.parse::<MasterKeySource>().is_err(), "{wrong}");
        }
    }
}
