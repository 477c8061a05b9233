//! Keys in AWS KMS. A signer is `ECC_SECG_P256K1`, `SIGN_VERIFY`: a process needs `kms:GetPublicKey`, and `kms:Sign` to
//! sign. A master key is encrypted by one that is `SYMMETRIC_DEFAULT`: a process needs `kms:Decrypt`.

use std::time::Duration;

use alloy::signers::aws::aws_config::timeout::TimeoutConfig;
use alloy::signers::aws::aws_config::{self, BehaviorVersion};
use alloy::signers::aws::aws_sdk_kms::primitives::Blob;
use alloy::signers::aws::{AwsSigner, AwsSignerError, aws_sdk_kms};
use zeroize::Zeroizing;

use super::remote::in_one_line;
use super::{AwsKey, OpenError};

/// A client of AWS KMS.
pub type AwsClient = aws_sdk_kms::Client;

/// A client with the region and the credentials that the SDK finds: environment, profile, web identity, container or
/// instance. It tries again by itself, all within `time_limit`.
pub(super) async fn connect(time_limit: Duration) -> AwsClient {
    let limits =
        TimeoutConfig::builder().operation_timeout(time_limit).operation_attempt_timeout(time_limit / 2).build();
    let config = aws_config::defaults(BehaviorVersion::latest()).timeout_config(limits).load().await;
    AwsClient::new(&config)
}

/// Asks for the public key.
pub(super) async fn open(client: AwsClient, AwsKey(key): &AwsKey) -> Result<AwsSigner, OpenError> {
    AwsSigner::new(client, key.clone(), None).await.map_err(|error| match error {
        AwsSignerError::K256(_) | AwsSignerError::Spki(_) => OpenError::OtherCurve,
        error => OpenError::Unreadable(in_one_line(&error)),
    })
}

/// Decrypts what the key encrypted.
pub(super) async fn decrypt(client: &AwsClient, key: &AwsKey, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let decrypted = client.decrypt().key_id(&key.0).ciphertext_blob(Blob::new(sealed)).send().await;
    let decrypted = decrypted.map_err(|error| OpenError::Unreadable(in_one_line(&error)))?;
    Ok(Zeroizing::new(decrypted.plaintext.map(Blob::into_inner).unwrap_or_default()))
}
