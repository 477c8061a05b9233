//! Keys that are elsewhere: AWS KMS and GCP KMS, by servers on this machine that speak their protocols.

mod aws;
mod gcp;
mod payments;
mod processes;
mod vault;

use std::time::Duration;

use alloy::primitives::{B256, keccak256};
use alloy::signers::local::PrivateKeySigner;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use diolkos::chain::SharedSigner;
use diolkos::foundation::MasterKey;
use diolkos::providers::keys::{KeyServiceSettings, KeyServices, SignerSource, Use};

use aws::FakeAws;
use gcp::FakeGcp;
use vault::{Mood, Vault};

/// A version of a key of GCP KMS.
const VERSION: &str = "projects/acme/locations/global/keyRings/wallets/cryptoKeys/owner/cryptoKeyVersions/1";

const OWNER_IN_GCP: &str =
    "gcp-kms:projects/acme/locations/global/keyRings/wallets/cryptoKeys/owner/cryptoKeyVersions/1";

fn settings() -> KeyServiceSettings {
    let gcp = "http://127.0.0.1:9".parse().unwrap();
    KeyServiceSettings { time_limit: Duration::from_secs(1), gcp }
}

/// Both services, and how they are asked.
struct Fakes {
    aws: FakeAws,
    gcp: FakeGcp,
    services: KeyServices,
}

impl Fakes {
    async fn start() -> Self {
        let (aws, gcp) = (FakeAws::start().await, FakeGcp::start().await);
        let services = KeyServices::new(settings()).with_aws(aws.client().await).with_gcp(gcp.client().await);
        Self { aws, gcp, services }
    }

    /// The same key in both.
    fn keep(&self, key: &PrivateKeySigner) -> [(&Vault, &'static str); 2] {
        self.aws.vault.keep("alias/owner", key);
        self.gcp.vault.keep(VERSION, key);
        self.both()
    }

    fn both(&self) -> [(&Vault, &'static str); 2] {
        [(&self.aws.vault, "aws-kms:alias/owner"), (&self.gcp.vault, OWNER_IN_GCP)]
    }

    async fn open(&self, source: &str, usage: Use) -> Result<SharedSigner, String> {
        let source: SignerSource = source.parse().unwrap();
        self.services.open(&source, usage).await.map_err(|error| error.to_string())
    }
}

fn half_order() -> alloy::primitives::U256 {
    // secp256k1's n / 2 (EIP-2).
    "0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0".parse().unwrap()
}

#[tokio::test]
async fn fault_24_signatures_recover_to_the_keys_address_and_have_a_low_s_whatever_the_service_gives() {
    let fakes = Fakes::start().await;
    let key = PrivateKeySigner::random();
    for (vault, source) in fakes.keep(&key) {
        let signer = fakes.open(source, Use::Sign).await.unwrap();
        assert_eq!(signer.address(), key.address());
        for mood in [Mood::Well, Mood::HighS] {
            vault.is(mood);
            for seed in 0..16_u8 {
                let hash = keccak256([seed]);
                let signature = signer.sign_hash(&hash).await.unwrap();
                assert_eq!(signature.recover_address_from_prehash(&hash).unwrap(), key.address());
                assert!(signature.s() <= half_order(), "{source} {mood:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_signature_by_another_key_or_none_at_all_is_an_error() {
    let fakes = Fakes::start().await;
    for (vault, source) in fakes.keep(&PrivateKeySigner::random()) {
        let signer = fakes.open(source, Use::Sign).await.unwrap();
        for mood in [Mood::OtherKey, Mood::Garbage] {
            vault.is(mood);
            let refused = signer.sign_hash(&B256::ZERO).await.unwrap_err().to_string();
            assert!(refused.starts_with(source.split(':').next().unwrap()), "{refused}");
        }
    }
}

#[tokio::test]
async fn a_key_that_is_absent_of_another_curve_or_may_not_sign_is_refused_at_once_and_in_one_line() {
    let fakes = Fakes::start().await;
    let mut told = Vec::new();
    let tell = |told: &mut Vec<String>, refused: Result<SharedSigner, String>| {
        let line = refused.map(|_| ()).unwrap_err();
        assert!(!line.contains('\n'), "{line}");
        told.push(line);
    };
    for (_, source) in fakes.both() {
        tell(&mut told, fakes.open(source, Use::Know).await);
    }
    fakes.aws.vault.keep_p256("alias/owner");
    fakes.gcp.vault.keep_p256(VERSION);
    for (_, source) in fakes.both() {
        tell(&mut told, fakes.open(source, Use::Know).await);
    }
    for (vault, source) in fakes.keep(&PrivateKeySigner::random()) {
        vault.is(Mood::Forbids);
        // Who does not sign need not be allowed to.
        fakes.open(source, Use::Know).await.unwrap();
        tell(&mut told, fakes.open(source, Use::Sign).await);
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    the key cannot be read: service error: NotFoundException: Key 'alias/owner' does not exist
    the key cannot be read: code: 'Some requested entity was not found', message: "CryptoKeyVersion projects/acme/locations/global/keyRings/wallets/cryptoKeys/owner/cryptoKeyVersions/1 not found."
    the key is not of the curve secp256k1
    the key is not of the curve secp256k1
    the key may not sign: aws-kms: service error: unhandled error (AccessDeniedException): Error { code: "AccessDeniedException", message: "not authorized to perform: kms:Sign" }
    the key may not sign: gcp-kms: code: 'The caller does not have permission to execute the specified operation', message: "Permission 'cloudkms.cryptoKeyVersions.useToSign' denied"
    "#);
}

#[tokio::test]
async fn a_service_that_hangs_keeps_nobody_waiting() {
    let fakes = Fakes::start().await;
    for (vault, source) in fakes.keep(&PrivateKeySigner::random()) {
        let signer = fakes.open(source, Use::Sign).await.unwrap();
        vault.is(Mood::Hangs);
        let service = source.split(':').next().unwrap();
        let refused = signer.sign_hash(&B256::ZERO).await.unwrap_err().to_string();
        assert_eq!(refused, format!("{service} has not signed within 1s"));
        let refused = fakes.open(source, Use::Know).await.err().unwrap();
        assert_eq!(refused, "the service has not answered within 3s");
        vault.is(Mood::Well);
        signer.sign_hash(&B256::ZERO).await.unwrap();
    }
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_an_error_and_tls_needs_no_preparation() {
    let endpoint = "https://localhost".parse().unwrap();
    let services = KeyServices::new(KeyServiceSettings { gcp: endpoint, ..settings() });
    let refused = services.open(&OWNER_IN_GCP.parse().unwrap(), Use::Know).await.err().unwrap().to_string();
    assert!(refused.starts_with("the key cannot be read: "), "{refused}");
}

#[tokio::test]
async fn an_access_token_is_asked_for_once() {
    let fakes = Fakes::start().await;
    fakes.keep(&PrivateKeySigner::random());
    for _ in 0..4 {
        fakes.open(OWNER_IN_GCP, Use::Sign).await.unwrap();
    }
    assert_eq!((fakes.gcp.vault.asked("token"), fakes.gcp.vault.asked("AsymmetricSign")), (1, 4));
}

#[tokio::test]
async fn a_master_key_is_decrypted_by_the_key_that_encrypted_it_and_by_no_other() {
    let fakes = Fakes::start().await;
    let in_gcp = "projects/acme/locations/global/keyRings/wallets/cryptoKeys/master";
    let bytes = [7; 32];
    let mut told = Vec::new();
    for (vault, service, key) in [(&fakes.aws.vault, "aws-kms", "alias/master"), (&fakes.gcp.vault, "gcp-kms", in_gcp)]
    {
        let source = |key: &str, sealed: &[u8]| format!("{service}:{key}:{}", STANDARD.encode(sealed)).parse().unwrap();
        let sealed = vault.encrypt(key, &bytes);
        let master_key = fakes.services.master_key(&source(key, &sealed)).await.unwrap();
        assert_eq!(master_key.derive("a use"), MasterKey::new(bytes).derive("a use"));
        for wrong in [source(&format!("{key}2"), &sealed), source(key, &vault.encrypt(key, &bytes[1..]))] {
            told.push(fakes.services.master_key(&wrong).await.err().unwrap().to_string());
        }
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    the key cannot be read: service error: InvalidCiphertextException: the ciphertext is invalid
    what it has encrypted is not 32 bytes
    the key cannot be read: code: 'Client specified an invalid argument', message: "Decryption failed"
    what it has encrypted is not 32 bytes
    "#);
}
