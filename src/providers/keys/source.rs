//! Where a signer's key is, as configuration says it.

use std::fmt;
use std::str::FromStr;

use alloy::signers::local::PrivateKeySigner;

/// A key's place. Its text form never shows a key.
#[derive(Clone)]
pub enum SignerSource {
    /// In this process: 32 bytes in hexadecimal.
    Local(PrivateKeySigner),
    /// `aws-kms:<key id, ARN or alias>`
    AwsKms(AwsKey),
    /// `gcp-kms:projects/…/locations/…/keyRings/…/cryptoKeys/…/cryptoKeyVersions/N`
    GcpKms(GcpKeyVersion),
}

impl fmt::Display for SignerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(_) => f.write_str("a key of 32 bytes"),
            Self::AwsKms(key) => write!(f, "aws-kms:{key}"),
            Self::GcpKms(key) => write!(f, "gcp-kms:{key}"),
        }
    }
}

/// A key of AWS KMS by its id, its ARN, `alias/…` or an alias' ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsKey(pub(super) String);

impl fmt::Display for AwsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key of GCP KMS: `projects/…/locations/…/keyRings/…/cryptoKeys/…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcpKey {
    /// The project.
    pub project: String,
    /// The location, such as `europe-west3`.
    pub location: String,
    /// The key ring.
    pub ring: String,
    /// The key.
    pub name: String,
}

impl fmt::Display for GcpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { project, location, ring, name } = self;
        write!(f, "projects/{project}/locations/{location}/keyRings/{ring}/cryptoKeys/{name}")
    }
}

/// A version of a key of GCP KMS: another version is another key, and another address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcpKeyVersion {
    /// The key.
    pub key: GcpKey,
    /// The version's number.
    pub version: u64,
}

impl fmt::Display for GcpKeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/cryptoKeyVersions/{}", self.key, self.version)
    }
}

/// The text names no signer. It is not quoted, because it could be a key with a slip in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSource {
    /// Neither a key nor a reference to one.
    #[error("a signer is 32 hexadecimal bytes, aws-kms:<key> or gcp-kms:<version of a key>")]
    Unknown,
    /// Not a key of AWS KMS.
    #[error("aws-kms: is followed by a key's id, its ARN, alias/<name>, or an alias' ARN")]
    Aws,
    /// Not a version of a key of GCP KMS.
    #[error(
        "gcp-kms: is followed by projects/<project>/locations/<location>/keyRings/<ring>/cryptoKeys/<key>/cryptoKeyVersions/<number>"
    )]
    Gcp,
}

impl FromStr for SignerSource {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let text = text.trim();
        if let Some(key) = text.strip_prefix("aws-kms:") {
            return key.parse().map(Self::AwsKms);
        }
        if let Some(version) = text.strip_prefix("gcp-kms:") {
            return version.parse().map(Self::GcpKms);
        }
        text.parse().map(Self::Local).map_err(|_| InvalidSource::Unknown)
    }
}

impl FromStr for AwsKey {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_plain);
        // An ARN is arn:<partition>:kms:<region>:<account>:<what is named>.
        let named = match text.split(':').collect::<Vec<_>>()[..] {
            [named] => named,
            ["arn", partition, "kms", region, account, named]
                if [partition, region, account].map(is_name) == [true; 3] =>
            {
                named.strip_prefix("key/").unwrap_or(named)
            }
            _ => return Err(InvalidSource::Aws),
        };
        let is_key = match named.strip_prefix("alias/") {
            Some(alias) => alias.split('/').all(is_name),
            None => is_name(named),
        };
        if is_key && text.len() <= 2048 { Ok(Self(text.to_owned())) } else { Err(InvalidSource::Aws) }
    }
}

impl FromStr for GcpKey {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let parts: Vec<&str> = text.split('/').collect();
        let ["projects", project, "locations", location, "keyRings", ring, "cryptoKeys", name] = parts[..] else {
            return Err(InvalidSource::Gcp);
        };
        // Projects of a company's own domain are written example.com:name.
        let is_project =
            !project.is_empty() && project.bytes().all(|byte| is_plain(byte) || matches!(byte, b'.' | b':'));
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_plain);
        if !is_project || ![location, ring, name].into_iter().all(is_name) {
            return Err(InvalidSource::Gcp);
        }
        let [project, location, ring, name] = [project, location, ring, name].map(ToOwned::to_owned);
        Ok(Self { project, location, ring, name })
    }
}

impl FromStr for GcpKeyVersion {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let (key, version) = text.rsplit_once("/cryptoKeyVersions/").ok_or(InvalidSource::Gcp)?;
        let version = version.parse().ok().filter(|version| *version > 0).ok_or(InvalidSource::Gcp)?;
        Ok(Self { key: key.parse()?, version })
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    const GCP: &str =
        "gcp-kms:projects/acme-1/locations/europe-west3/keyRings/wallets/cryptoKeys/owner/cryptoKeyVersions/3";

    #[test]
    fn references_are_told_as_they_were_written() {
        for text in [
            "aws-kms:1234abcd-12ab-34cd-56ef-1234567890ab",
            "aws-kms:mrk-1234abcd12ab34cd56ef1234567890ab",
            "aws-kms:alias/wallet/owner_2",
            "aws-kms:arn:aws:kms:us-east-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "aws-kms:arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/owner",
            GCP,
            "gcp-kms:projects/example.com:acme/locations/global/keyRings/r/cryptoKeys/k/cryptoKeyVersions/18",
        ] {
            assert_eq!(text.parse::<SignerSource>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_key_is_read_and_never_told() {
        let key = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
        let source: SignerSource = key.parse().unwrap();
        assert!(matches!(source, SignerSource::Local(_)));
        assert_eq!(source.to_string(), "a key of 32 bytes");
    }

    #[test]
    fn what_names_no_signer_is_refused_and_not_quoted() {
        let refused = |text: &str| text.parse::<SignerSource>().err().unwrap_or_else(|| unreachable_in_tests(text));
        for text in
            ["", "0x12", "aws:alias/x", "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690", "gcp"]
        {
            assert_eq!(refused(text), InvalidSource::Unknown, "{text}");
        }
        for text in [
            "aws-kms:",
            "aws-kms:alias/",
            "aws-kms:alias//x",
            "aws-kms:key/x",
            "aws-kms:a b",
            "aws-kms:arn:aws:kms::1:key/x",
            "aws-kms:arn:aws:s3:eu-west-1:1:key/x",
            "aws-kms:arn:aws:kms:eu-west-1:1:key/",
        ] {
            assert_eq!(refused(text), InvalidSource::Aws, "{text}");
        }
        for text in [
            "gcp-kms:",
            "gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k",
            "gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/latest",
            "gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/0",
            "gcp-kms:projects//locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
            "gcp-kms:projects/p/locations/l/keyRings/r?x/cryptoKeys/k/cryptoKeyVersions/1",
            &format!("{GCP}/"),
        ] {
            assert_eq!(refused(text), InvalidSource::Gcp, "{text}");
        }
    }

    #[expect(clippy::panic, reason = "a test ends where it fails")]
    fn unreachable_in_tests(text: &str) -> InvalidSource {
        panic!("{text} was taken for a signer")
    }
}
