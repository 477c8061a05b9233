//! Keys in GCP KMS (`EC_SIGN_SECP256K1_SHA256`). A process needs `cloudkms.cryptoKeyVersions.viewPublicKey`, and
//! `cloudkms.cryptoKeyVersions.useToSign` to sign (`roles/cloudkms.signerVerifier` has both).

use alloy::signers::gcp::gcloud_sdk::google::cloud::kms::v1::key_management_service_client::KeyManagementServiceClient;
use alloy::signers::gcp::gcloud_sdk::{GoogleApi, GoogleAuthMiddleware};
use alloy::signers::gcp::{GcpKeyRingRef, GcpSigner, GcpSignerError, KeySpecifier};

use super::remote::in_one_line;
use super::{GcpEndpoint, GcpKeyVersion, OpenError};

/// A client of GCP KMS.
pub type GcpClient = GoogleApi<KeyManagementServiceClient<GoogleAuthMiddleware>>;

/// A client with the credentials that the SDK finds: `GOOGLE_APPLICATION_CREDENTIALS`, those of the command line, or
/// the metadata server's.
pub(super) async fn connect(endpoint: &GcpEndpoint) -> Result<GcpClient, OpenError> {
    GoogleApi::from_function(KeyManagementServiceClient::new, endpoint.to_string(), None)
        .await
        .map_err(|error| OpenError::Unreadable(in_one_line(&error)))
}

/// Asks for the public key.
pub(super) async fn open(client: GcpClient, version: &GcpKeyVersion) -> Result<GcpSigner, OpenError> {
    let ring = GcpKeyRingRef::new(&version.project, &version.location, &version.ring);
    let key = KeySpecifier::new(ring, &version.key, version.version);
    GcpSigner::new(client, key, None).await.map_err(|error| match error {
        GcpSignerError::K256(_) | GcpSignerError::Spki(_) => OpenError::OtherCurve,
        error => OpenError::Unreadable(in_one_line(&error)),
    })
}
