//! Keys in GCP KMS. A signer is `EC_SIGN_SECP256K1_SHA256`: a process needs `cloudkms.cryptoKeyVersions.viewPublicKey`,
//! and `cloudkms.cryptoKeyVersions.useToSign` to sign (`roles/cloudkms.signerVerifier` has both). A master key is
//! encrypted by a symmetric one: a process needs `cloudkms.cryptoKeyVersions.useToDecrypt`.

use alloy::signers::gcp::gcloud_sdk::google::cloud::kms::v1::DecryptRequest;
use alloy::signers::gcp::gcloud_sdk::google::cloud::kms::v1::key_management_service_client::KeyManagementServiceClient;
use alloy::signers::gcp::gcloud_sdk::tonic::Request;
use alloy::signers::gcp::gcloud_sdk::{GoogleApi, GoogleAuthMiddleware};
use alloy::signers::gcp::{GcpKeyRingRef, GcpSigner, GcpSignerError, KeySpecifier};

use zeroize::Zeroizing;

use super::remote::in_one_line;
use super::{GcpEndpoint, GcpKey, GcpKeyVersion, OpenError};

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
    let GcpKey { project, location, ring, name } = &version.key;
    let key = KeySpecifier::new(GcpKeyRingRef::new(project, location, ring), name, version.version);
    GcpSigner::new(client, key, None).await.map_err(|error| match error {
        GcpSignerError::K256(_) | GcpSignerError::Spki(_) => OpenError::OtherCurve,
        error => OpenError::Unreadable(in_one_line(&error)),
    })
}

/// Decrypts what the key, in whichever version, encrypted.
pub(super) async fn decrypt(client: &GcpClient, key: &GcpKey, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let unreadable = |error: &(dyn std::error::Error + 'static)| OpenError::Unreadable(in_one_line(error));
    let request = DecryptRequest { name: key.to_string(), ciphertext: sealed.to_vec(), ..Default::default() };
    let mut request = Request::new(request);
    // Requests are routed by it.
    let route = format!("name={key}").parse().map_err(|error| unreadable(&error))?;
    request.metadata_mut().insert("x-goog-request-params", route);
    let decrypted = client.get().decrypt(request).await.map_err(|error| unreadable(&error))?;
    Ok(Zeroizing::new(decrypted.into_inner().plaintext.as_sensitive_bytes().to_vec()))
}
