//! GCP KMS as its API describes it: `google.cloud.kms.v1.KeyManagementService` by gRPC, with a token of a service
//! account that the token endpoint gives for a signed assertion (RFC 7523).

use std::collections::BTreeMap;

use alloy::signers::gcp::gcloud_sdk::google::cloud::kms::v1::key_management_service_client::KeyManagementServiceClient;
use alloy::signers::gcp::gcloud_sdk::google::cloud::kms::v1::{
    AsymmetricSignRequest, AsymmetricSignResponse, DecryptRequest, GetPublicKeyRequest, PublicKey, digest,
};
use alloy::signers::gcp::gcloud_sdk::prost::Message;
use alloy::signers::gcp::gcloud_sdk::proto_ext::kms::DecryptResponse;
use alloy::signers::gcp::gcloud_sdk::{GCP_DEFAULT_SCOPES, GoogleApi, TokenSourceType};
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use diolkos::auth::Jwt;
use diolkos::providers::keys::GcpClient;
use futures::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use secrecy::ExposeSecret;
use serde_json::json;

use super::vault::{Mood, Vault};

const TOKEN: &str = "ya29.of-a-service-account";

/// A fake GCP KMS, with the token endpoint, on a port of its own.
pub struct FakeGcp {
    pub vault: Vault,
    pub url: String,
}

impl FakeGcp {
    pub async fn start() -> Self {
        let vault = Vault::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/token", post(token))
            .route("/google.cloud.kms.v1.KeyManagementService/{method}", post(answer))
            .with_state(vault.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { vault, url }
    }

    /// The credentials of a service account, as Google's console gives them out.
    pub fn credentials(&self) -> String {
        let key = Jwt::generate_pem().unwrap();
        json!({"type": "service_account", "client_email": "diolkos@acme.iam.gserviceaccount.com",
            "private_key_id": "1", "private_key": key.expose_secret(), "token_uri": format!("{}/token", self.url)})
        .to_string()
    }

    /// A client that asks here.
    pub async fn client(&self) -> GcpClient {
        let credentials = TokenSourceType::Json(self.credentials());
        let client = KeyManagementServiceClient::new;
        GoogleApi::from_function_with_token_source(client, &self.url, None, GCP_DEFAULT_SCOPES.clone(), credentials)
            .await
            .unwrap()
    }
}

async fn token(State(vault): State<Vault>, form: Bytes) -> Response {
    vault.note("token");
    let form: BTreeMap<String, String> = serde_urlencoded::from_bytes(&form).unwrap();
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!(form["assertion"].split('.').count(), 3);
    Json(json!({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600})).into_response()
}

async fn answer(State(vault): State<Vault>, Path(method): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
    vault.note(&method);
    if vault.mood() == Mood::Hangs {
        std::future::pending::<()>().await;
    }
    // One message, not compressed, behind its length.
    assert_eq!((body[0], u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize), (0, body.len() - 5));
    let message = &body[5..];
    let told = match &*method {
        "GetPublicKey" => {
            let GetPublicKeyRequest { name, .. } = Message::decode(message).unwrap();
            assert_eq!(headers["x-goog-request-params"], format!("name={name}"));
            let Some(key) = vault.public_key(&name) else {
                return status(5, &format!("CryptoKeyVersion {name} not found."));
            };
            let pem = pem::encode(&pem::Pem::new("PUBLIC KEY", key));
            PublicKey { pem, name, ..Default::default() }.encode_to_vec()
        }
        "AsymmetricSign" => match vault.mood() {
            Mood::Throttles => return status(8, "Quota exceeded for quota metric 'Cryptographic requests'"),
            Mood::Forbids => return status(7, "Permission 'cloudkms.cryptoKeyVersions.useToSign' denied"),
            _ => {
                let AsymmetricSignRequest { name, digest, .. } = Message::decode(message).unwrap();
                let Some(digest::Digest::Sha256(digest)) = digest.unwrap().digest else {
                    panic!("not a digest of 32 bytes")
                };
                let signature = vault.sign(&name, &digest).unwrap();
                AsymmetricSignResponse { signature, name, ..Default::default() }.encode_to_vec()
            }
        },
        "Decrypt" => {
            let DecryptRequest { name, ciphertext, .. } = Message::decode(message).unwrap();
            assert_eq!(headers["x-goog-request-params"], format!("name={name}"));
            let Some(bytes) = vault.decrypt(&name, &ciphertext) else { return status(3, "Decryption failed") };
            DecryptResponse { plaintext: bytes.into(), ..Default::default() }.encode_to_vec()
        }
        other => return status(12, other),
    };
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(told.len()).unwrap().to_be_bytes());
    framed.extend_from_slice(&told);
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
    let frames = [Frame::data(Bytes::from(framed)), Frame::trailers(trailers)].map(Ok::<_, std::convert::Infallible>);
    ([("content-type", "application/grpc")], Body::new(StreamBody::new(stream::iter(frames)))).into_response()
}

/// An answer that is a status and nothing else.
fn status(code: u8, message: &str) -> Response {
    let headers = [("content-type", "application/grpc".to_owned()), ("grpc-status", code.to_string())];
    let message = percent_encoding::utf8_percent_encode(message, percent_encoding::NON_ALPHANUMERIC).to_string();
    (headers, [("grpc-message", message)]).into_response()
}
