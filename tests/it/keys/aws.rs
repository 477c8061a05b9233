//! AWS KMS as its API reference describes it: JSON 1.1 over HTTP, actions by `X-Amz-Target`.

use alloy::signers::aws::aws_config::{self, BehaviorVersion, Region, retry::RetryConfig};
use alloy::signers::aws::aws_sdk_kms::config::Credentials;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use diolkos::providers::keys::AwsClient;
use serde_json::{Value, json};

use super::vault::{Mood, Vault};

/// A fake AWS KMS on a port of its own.
pub struct FakeAws {
    pub vault: Vault,
    pub url: String,
}

impl FakeAws {
    pub async fn start() -> Self {
        let vault = Vault::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(answer)).with_state(vault.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { vault, url }
    }

    /// A client that asks here; it tries once.
    pub async fn client(&self) -> AwsClient {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
        let config = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(&self.url)
            .region(Region::new("eu-west-3"))
            .retry_config(RetryConfig::disabled())
            .credentials_provider(credentials);
        AwsClient::new(&config.load().await)
    }
}

fn refused(kind: &str, message: &str) -> Response {
    let body = json!({"__type": kind, "message": message}).to_string();
    (StatusCode::BAD_REQUEST, [("content-type", "application/x-amz-json-1.1")], body).into_response()
}

async fn answer(State(vault): State<Vault>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert!(header("authorization").starts_with("AWS4-HMAC-SHA256 Credential="));
    assert_eq!(header("content-type"), "application/x-amz-json-1.1");
    let action = header("x-amz-target");
    let body: Value = serde_json::from_slice(&body).unwrap();
    let key = body["KeyId"].as_str().unwrap();
    vault.note(&action);
    if vault.mood() == Mood::Hangs {
        std::future::pending::<()>().await;
    }
    if action == "TrentService.Decrypt" {
        let sealed = STANDARD.decode(body["CiphertextBlob"].as_str().unwrap()).unwrap();
        let Some(bytes) = vault.decrypt(key, &sealed) else {
            return refused("InvalidCiphertextException", "the ciphertext is invalid");
        };
        let told =
            json!({"KeyId": key, "Plaintext": STANDARD.encode(bytes), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"});
        return ([("content-type", "application/x-amz-json-1.1")], told.to_string()).into_response();
    }
    let Some(public_key) = vault.public_key(key) else {
        return refused("NotFoundException", &format!("Key '{key}' does not exist"));
    };
    let told = match &*action {
        "TrentService.GetPublicKey" => json!({"KeyId": key, "PublicKey": STANDARD.encode(public_key),
            "KeySpec": "ECC_SECG_P256K1", "KeyUsage": "SIGN_VERIFY", "SigningAlgorithms": ["ECDSA_SHA_256"]}),
        "TrentService.Sign" => match vault.mood() {
            Mood::Throttles => return refused("ThrottlingException", "You have exceeded the rate"),
            Mood::Forbids => return refused("AccessDeniedException", "not authorized to perform: kms:Sign"),
            _ => {
                assert_eq!(
                    (&body["MessageType"], &body["SigningAlgorithm"]),
                    (&json!("DIGEST"), &json!("ECDSA_SHA_256"))
                );
                let digest = STANDARD.decode(body["Message"].as_str().unwrap()).unwrap();
                let signature = STANDARD.encode(vault.sign(key, &digest).unwrap());
                json!({"KeyId": key, "Signature": signature, "SigningAlgorithm": "ECDSA_SHA_256"})
            }
        },
        other => return refused("UnknownOperationException", other),
    };
    ([("content-type", "application/x-amz-json-1.1")], told.to_string()).into_response()
}
