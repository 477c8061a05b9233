//! The real binary with the credentials, endpoints and regions of its environment.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::aws::FakeAws;
use super::gcp::FakeGcp;
use super::{OWNER_IN_GCP, VERSION};
use crate::harness::app::{TestApp, Variables};
use crate::harness::process::Process;
use crate::harness::tenant::{TestTenant, phone};

/// A server without an engine, and variables of another that keeps its keys in both services.
struct Elsewhere {
    app: TestApp,
    aws: FakeAws,
    gcp: FakeGcp,
    variables: Variables,
    credentials: PathBuf,
}

impl Elsewhere {
    async fn start() -> Self {
        let (aws, gcp) = (FakeAws::start().await, FakeGcp::start().await);
        let app = TestApp::with(|variables| {
            variables.insert("ROLES", "api".to_owned());
        })
        .await;
        // The same keys as the server's that has them in its configuration.
        gcp.vault.keep(VERSION, &app.variables["TREASURY_KEY"].parse().unwrap());
        aws.vault.keep("alias/lane", &app.variables["LANE_KEYS"].parse().unwrap());
        aws.vault.keep("mrk-1", &app.variables["WALLET_OWNER_KEYS"].parse().unwrap());
        let credentials = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.json", uuid::Uuid::now_v7()));
        std::fs::write(&credentials, gcp.credentials()).unwrap();
        let mut variables = app.variables.clone();
        let master_key = aws.vault.encrypt("alias/master", &hex::decode(&app.variables["MASTER_KEY"]).unwrap());
        variables.extend(BTreeMap::from([
            ("MASTER_KEY", format!("aws-kms:alias/master:{}", STANDARD.encode(master_key))),
            ("ROLES", "api,worker".to_owned()),
            ("TREASURY_KEY", OWNER_IN_GCP.to_owned()),
            ("LANE_KEYS", "aws-kms:alias/lane".to_owned()),
            ("WALLET_OWNER_KEYS", format!("aws-kms:mrk-1, {}", "11".repeat(32))),
            ("SIGNER_TIMEOUT_MS", "2000".to_owned()),
            ("GCP_KMS_ENDPOINT", gcp.url.clone()),
            ("GOOGLE_APPLICATION_CREDENTIALS", credentials.display().to_string()),
            ("AWS_ENDPOINT_URL_KMS", aws.url.clone()),
            ("AWS_REGION", "eu-west-3".to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "SECRET-OF-AWS".to_owned()),
        ]));
        Self { app, aws, gcp, variables, credentials }
    }

    /// The line with which a server of these variables ends.
    async fn last_line(&self, variables: &Variables) -> String {
        let mut process = Process::spawn(variables, None);
        process.dies().await;
        assert_eq!(process.exit_code(), Some(1));
        process.log().lines().last().unwrap().to_owned()
    }

    fn with(&self, name: &'static str, value: &str) -> Variables {
        let mut variables = self.variables.clone();
        variables.insert(name, value.to_owned());
        variables
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.credentials);
    }
}

#[tokio::test]
async fn a_server_whose_keys_are_elsewhere_pays_and_tells_how_long_signatures_take() {
    let elsewhere = Elsewhere::start().await;
    let acme: TestTenant = elsewhere.app.tenant("acme").await;
    acme.top_up("USDC", "1000").await;
    let jane = acme.customer(&phone(1)).await;
    let mut variables = elsewhere.variables.clone();
    variables.insert("RUST_LOG", "info".to_owned());

    let process = Process::serve(&variables, None).await;
    let there = acme.at(&process.base_url);
    // The customer is found with the same master key; the wallet's address depends on its owner.
    assert_eq!(there.customer(&phone(1)).await, jane);
    assert_eq!(there.fund(&phone(1), "dep_1", "19.62").await.status, 202);

    acme.until_deposit_is("dep_1", "SETTLED").await;
    assert_eq!(elsewhere.app.transfers_to(jane).await, [19_620_000]);
    let metrics = there.live.get("/metrics").await.expect(200).to_string();
    for service in ["aws-kms", "gcp-kms"] {
        assert!(metrics.contains(&format!(r#"diolkos_signer_seconds_bucket{{signer="{service}",le="#)), "{metrics}");
    }
    let log = process.log();
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    for secret in ["SECRET-OF-AWS", "ya29.", "PRIVATE KEY", "11111111111111111111"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    assert!(elsewhere.aws.vault.asked("TrentService.Sign") > 0 && elsewhere.gcp.vault.asked("token") == 1);
}

#[tokio::test]
async fn a_server_that_cannot_open_a_key_does_not_start_and_names_the_variable_and_the_key() {
    let elsewhere = Elsewhere::start().await;
    elsewhere.aws.vault.keep_p256("alias/p256");
    let other = OWNER_IN_GCP.replace("cryptoKeyVersions/1", "cryptoKeyVersions/2");
    let mut nobody = elsewhere.variables.clone();
    nobody.remove("AWS_ACCESS_KEY_ID");
    nobody.insert("AWS_EC2_METADATA_DISABLED", "true".to_owned());
    let told = [
        elsewhere.last_line(&elsewhere.with("LANE_KEYS", "aws-kms:alias/gone")).await,
        elsewhere.last_line(&elsewhere.with("TREASURY_KEY", &other)).await,
        elsewhere.last_line(&elsewhere.with("WALLET_OWNER_KEYS", "aws-kms:mrk-1,aws-kms:alias/p256")).await,
        elsewhere.last_line(&elsewhere.with("WALLET_OWNER_KEYS", "aws-kms:mrk-1,gcp-kms:projects/x")).await,
        elsewhere.last_line(&elsewhere.with("MASTER_KEY", "aws-kms:alias/master:AQIDBA==")).await,
        elsewhere.last_line(&elsewhere.with("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")).await,
    ];
    insta::assert_snapshot!(told.join("\n"), @r#"
    diolkos: LANE_KEYS: aws-kms:alias/gone: the key cannot be read: service error: NotFoundException: Key 'alias/gone' does not exist
    diolkos: TREASURY_KEY: gcp-kms:projects/acme/locations/global/keyRings/wallets/cryptoKeys/owner/cryptoKeyVersions/2: the key cannot be read: code: 'Some requested entity was not found', message: "CryptoKeyVersion projects/acme/locations/global/keyRings/wallets/cryptoKeys/owner/cryptoKeyVersions/2 not found."
    diolkos: WALLET_OWNER_KEYS: aws-kms:alias/p256: the key is not of the curve secp256k1
    diolkos: WALLET_OWNER_KEYS: gcp-kms: is followed by projects/<project>/locations/<location>/keyRings/<ring>/cryptoKeys/<key>/cryptoKeyVersions/<number>
    diolkos: MASTER_KEY: aws-kms:alias/master: the key cannot be read: service error: InvalidCiphertextException: the ciphertext is invalid
    diolkos: TREASURY_KEY: gcp-kms:projects/acme/locations/global/keyRings/wallets/cryptoKeys/owner/cryptoKeyVersions/1: the key cannot be read: credentials file error: No such file or directory (os error 2)
    "#);
    // Which of the variables that name keys of AWS is first to fail is left to chance.
    let without_credentials = elsewhere.last_line(&nobody).await;
    assert!(without_credentials.contains("aws-kms:"), "{without_credentials}");
    assert!(without_credentials.contains("no credentials found in chain"), "{without_credentials}");
}
