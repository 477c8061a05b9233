//! Sign-in: challenges, signatures of all kinds of wallets, tokens of wallets and devices.

mod codes;
mod limits;
mod secrets;
mod viem;

pub use codes::device;

use alloy::primitives::{Address, B256, Bytes, U256, eip191_hash_message, keccak256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{SolValue, eip712_domain};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::harness::paymaster::create;
use crate::harness::tenant::{TestTenant, phone};

const CONTRACT_WALLET: &str = include_str!("../../contracts/out/test/ContractWallet.json");

/// A customer of the tenant whose wallet is this address.
pub async fn knows(app: &TestApp, tenant: &TestTenant, number: u32, address: Address) {
    let wallet = tenant.customer(&phone(number)).await;
    let query = "update wallet set address = $1 where tenant_id = $2 and address = $3";
    let query = sqlx::query(query).bind(address.as_slice()).bind(tenant.id.0).bind(wallet.as_slice());
    assert_eq!(query.execute(&mut app.sql().await).await.unwrap().rows_affected(), 1);
}

pub async fn challenge(app: &TestApp, address: Address) -> Value {
    app.nobody().get(&format!("/auth/challenge?address={address}")).await.expect(200).json
}

/// What a wallet signs as typed data, made here from the page that documents it.
fn typed(message: &Value, chain_id: u64, version: &'static str) -> B256 {
    let text = |field: &str| keccak256(message[field].as_str().unwrap());
    let address: Address = message["address"].as_str().unwrap().parse().unwrap();
    let kind = keccak256("Challenge(string domain,string action,address address,string nonce,string expires)");
    let fields = (kind, text("domain"), text("action"), address, text("nonce"), text("expires")).abi_encode();
    let name = message["domain"].as_str().unwrap().to_owned();
    let domain = eip712_domain! { name: name, version: version, chain_id: chain_id, };
    keccak256([&[0x19, 1][..], domain.separator().as_slice(), keccak256(fields).as_slice()].concat())
}

pub async fn token(app: &TestApp, address: Address, challenge: &Value, signature: &[u8]) -> Answer {
    let body = json!({
        "address": address.to_string(), "signature": Bytes::copy_from_slice(signature).to_string(),
        "nonce": challenge["nonce"],
    });
    app.nobody().post("/auth/token", body).await
}

fn sign(signer: &PrivateKeySigner, digest: B256) -> Vec<u8> {
    signer.sign_hash_sync(&digest).unwrap().as_bytes().to_vec()
}

/// Signs in; the token.
pub async fn sign_in(app: &TestApp, signer: &PrivateKeySigner) -> String {
    let asked = challenge(app, signer.address()).await;
    let answer = token(app, signer.address(), &asked, &sign(signer, typed(&asked["message"], 137, "1"))).await;
    answer.expect(200).json["access_token"].as_str().unwrap().to_owned()
}

fn refusal(answer: &Answer) -> (u16, &str, &str) {
    let error = &answer.json["errors"][0];
    (answer.status, error["type"].as_str().unwrap(), error["message"].as_str().unwrap())
}

/// Makes a signature that should not count for a challenge.
type Forger<'a> = &'a mut dyn FnMut(&Value) -> Vec<u8>;

const NO_MATCH: (u16, &str, &str) = (401, "Challenge", "Expired or nonce doesn't match");
const WRONG: (u16, &str, &str) = (401, "Access Denied", "Invalid signature");

#[tokio::test]
async fn a_challenge_has_the_documented_shape_and_is_for_wallets_that_somebody_knows() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = PrivateKeySigner::random();
    let path = format!("/auth/challenge?address={}", jane.address());
    assert_eq!(refusal(&app.nobody().get(&path).await), (400, "Challenge", "Wallet user not found"));
    for wrong in ["", "0x12", "hello", &format!("{}0", jane.address())] {
        let answer = app.nobody().get(&format!("/auth/challenge?address={wrong}")).await;
        let message = "Account address must be a valid Ethereum address";
        assert_eq!(refusal(&answer), (400, "DataValidation", message), "{wrong}");
    }

    knows(&app, &acme, 1, jane.address()).await;
    let asked = challenge(&app, jane.address()).await;
    let nonce = asked["nonce"].as_str().unwrap();
    assert_eq!(nonce.len(), 32);
    let message = &asked["message"];
    assert_eq!((&message["nonce"], &message["address"]), (&asked["nonce"], &json!(jane.address().to_string())));
    assert_eq!((&message["domain"], &message["action"]), (&json!("Diolkos App"), &json!("Login to Diolkos")));
    let expires = chrono::DateTime::parse_from_rfc3339(message["expires"].as_str().unwrap()).unwrap();
    assert_eq!(asked["expiresAt"], json!(expires.timestamp_millis()));
    assert_ne!(challenge(&app, jane.address()).await["nonce"], asked["nonce"]);
}

#[tokio::test]
async fn a_wallets_key_signs_in_by_typed_data_and_by_text_and_each_challenge_once() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = PrivateKeySigner::random();
    knows(&app, &acme, 1, jane.address()).await;

    let asked = challenge(&app, jane.address()).await;
    let signature = sign(&jane, typed(&asked["message"], 137, "1"));
    let answer = token(&app, jane.address(), &asked, &signature).await.expect(200);
    let claims = claims(answer.json["access_token"].as_str().unwrap());
    assert_eq!((&claims["type"], &claims["walletAddress"]), (&json!("CUSTOMER-TOKEN"), &json!(jane.address())));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
    assert_eq!(refusal(&token(&app, jane.address(), &asked, &signature).await), NO_MATCH, "a nonce is good once");

    let asked = challenge(&app, jane.address()).await;
    let text = message_text(&asked["message"]);
    token(&app, jane.address(), &asked, &sign(&jane, eip191_hash_message(text))).await.expect(200);
}

/// The message as `JSON.stringify` writes it, in the order in which it came.
fn message_text(message: &Value) -> String {
    let field = |name: &str| format!("\"{name}\":{}", message[name]);
    format!("{{{}}}", ["domain", "action", "address", "nonce", "expires"].map(field).join(","))
}

fn claims(token: &str) -> Value {
    use base64::Engine;
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

#[tokio::test]
async fn fault_24_a_signature_for_something_else_is_refused_and_uses_the_challenge_up() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let (jane, john) = (PrivateKeySigner::random(), PrivateKeySigner::random());
    knows(&app, &acme, 1, jane.address()).await;
    knows(&app, &acme, 2, john.address()).await;

    let right = |asked: &Value| typed(&asked["message"], 137, "1");
    let malleable = |asked: &Value| {
        let signature = jane.sign_hash_sync(&right(asked)).unwrap();
        // The other s of the same signature (EIP-2).
        let order =
            U256::from_str_radix("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16).unwrap();
        let other = alloy::primitives::Signature::new(signature.r(), order - signature.s(), !signature.v());
        other.as_bytes().to_vec()
    };
    let mut other_domain = |asked: &Value| {
        let mut message = asked["message"].clone();
        message["domain"] = json!("Elsewhere App");
        sign(&jane, typed(&message, 137, "1"))
    };
    let cases: [(&str, Forger<'_>); 8] = [
        ("another's key", &mut |asked| sign(&john, right(asked))),
        ("another chain", &mut |asked| sign(&jane, typed(&asked["message"], 1, "1"))),
        ("another version", &mut |asked| sign(&jane, typed(&asked["message"], 137, "2"))),
        ("another domain", &mut other_domain),
        ("the bare nonce", &mut |asked| sign(&jane, eip191_hash_message(asked["nonce"].as_str().unwrap()))),
        ("malleable", &mut { malleable }),
        ("too short", &mut |asked| sign(&jane, right(asked))[..64].to_vec()),
        ("nothing", &mut |_| Vec::new()),
    ];
    for (what, signature) in cases {
        let asked = challenge(&app, jane.address()).await;
        let signature = signature(&asked);
        assert_eq!(refusal(&token(&app, jane.address(), &asked, &signature).await), WRONG, "{what}");
        let late = sign(&jane, right(&asked));
        assert_eq!(refusal(&token(&app, jane.address(), &asked, &late).await), NO_MATCH, "{what}: used up");
    }

    let asked = challenge(&app, jane.address()).await;
    let stolen = token(&app, john.address(), &asked, &sign(&john, right(&asked))).await;
    assert_eq!(refusal(&stolen), NO_MATCH, "a challenge is one wallet's");
    token(&app, jane.address(), &asked, &sign(&jane, right(&asked))).await.expect(200);

    let body = json!({"address": jane.address().to_string(), "signature": "zz", "nonce": asked["nonce"]});
    let answer = app.nobody().post("/auth/token", body).await;
    assert_eq!(refusal(&answer), (400, "Challenge", "Failed to generate access-token!"));
    // As documented, with a signature that is none.
    let example = json!({
        "address": "0x9086F595C67a0aE52B859fD63CbB984b825B4587",
        "signature": "0x9086F595C67a0aE52B859fD63CbB984b825B4587",
        "nonce": "7f4799df3324fe746043dcfe74ead532",
    });
    assert_eq!(refusal(&app.nobody().post("/auth/token", example).await), NO_MATCH);
}

#[tokio::test]
async fn a_challenge_expires_after_five_minutes() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = PrivateKeySigner::random();
    knows(&app, &acme, 1, jane.address()).await;
    let asked = challenge(&app, jane.address()).await;
    app.app.clock.move_by(TimeDelta::minutes(5));
    let answer = token(&app, jane.address(), &asked, &sign(&jane, typed(&asked["message"], 137, "1"))).await;
    assert_eq!(refusal(&answer), (401, "Challenge", "Challenge expired"));
}

#[tokio::test]
async fn a_contract_wallet_signs_in_by_its_own_word_also_before_it_is_deployed() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let owner = PrivateKeySigner::random();
    let artifact: Value = serde_json::from_str(CONTRACT_WALLET).unwrap();
    let code: Bytes = artifact["bytecode"].as_str().unwrap().parse().unwrap();
    let init_code = [code.to_vec(), owner.address().abi_encode()].concat();

    // ERC-1271.
    let salt: B256 = rand::random::<[u8; 32]>().into();
    let deployed = create(&app.services.rpc_url, salt, &init_code).await;
    knows(&app, &acme, 1, deployed).await;
    let asked = challenge(&app, deployed).await;
    token(&app, deployed, &asked, &sign(&owner, typed(&asked["message"], 137, "1"))).await.expect(200);
    let asked = challenge(&app, deployed).await;
    let wrong = sign(&PrivateKeySigner::random(), typed(&asked["message"], 137, "1"));
    assert_eq!(refusal(&token(&app, deployed, &asked, &wrong).await), WRONG);

    // ERC-6492: the factory is the deployment proxy, whose call is a salt and the init code.
    let salt: B256 = rand::random::<[u8; 32]>().into();
    let factory = crate::harness::paymaster::DEPLOYER;
    let promised = factory.create2(salt, keccak256(&init_code));
    knows(&app, &acme, 2, promised).await;
    let asked = challenge(&app, promised).await;
    let deploy = Bytes::from([salt.as_slice(), &init_code].concat());
    let wrap = |signature: Vec<u8>| {
        let wrapped = (factory, deploy.clone(), Bytes::from(signature)).abi_encode_params();
        [wrapped, [0x64, 0x92].repeat(16)].concat()
    };
    let good = wrap(sign(&owner, typed(&asked["message"], 137, "1")));
    token(&app, promised, &asked, &good).await.expect(200);
    let asked = challenge(&app, promised).await;
    let wrong = wrap(sign(&PrivateKeySigner::random(), typed(&asked["message"], 137, "1")));
    assert_eq!(refusal(&token(&app, promised, &asked, &wrong).await), WRONG);
    assert!(app.rpc().code(promised).await.unwrap().is_empty(), "asking deploys nothing");
}

#[tokio::test]
async fn a_device_gets_a_token_with_the_documented_claims_and_not_too_many() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let nobody = app.nobody();
    let example = json!({"device_fingerprint": "xyz123", "app_version": "v1.0.0", "tenant_id": acme.id.to_string()});
    let answer = nobody.post("/auth/preauth-token", example.clone()).await.expect(200);
    let claims = claims(answer.json["access_token"].as_str().unwrap());
    assert_eq!((&claims["scope"], &claims["sub"]), (&json!("preauth"), &json!("device:xyz123")));
    assert_eq!(claims["tenant_id"], json!(acme.id.to_string()));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    nobody.post("/auth/preauth-token", json!({"device_fingerprint": "xyz123"})).await.expect(200);

    let unknown = json!({"device_fingerprint": "abc", "tenant_id": uuid::Uuid::now_v7()});
    let answer = nobody.post("/auth/preauth-token", unknown).await;
    assert_eq!(refusal(&answer), (400, "PRE AUTH", "Failed to generate access token."));

    let mut last = nobody.post("/auth/preauth-token", example.clone()).await;
    for _ in 0..10 {
        last = nobody.post("/auth/preauth-token", example.clone()).await;
    }
    assert_eq!(refusal(&last), (429, "Rate Limit Exceeded", "Too many requests"));
    assert!(!last.header("retry-after").is_empty());
    nobody.post("/auth/preauth-token", json!({"device_fingerprint": "other"})).await.expect(200);
}

#[tokio::test]
async fn fault_24_a_token_of_one_kind_is_none_of_another() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = PrivateKeySigner::random();
    knows(&app, &acme, 1, jane.address()).await;
    let wallet = sign_in(&app, &jane).await;
    let body = json!({"device_fingerprint": "xyz", "tenant_id": acme.id.to_string()});
    let device = app.nobody().post("/auth/preauth-token", body).await.expect(200).json;
    let device = device["access_token"].as_str().unwrap();
    let bearer = |token: &str| Actor::bearer(&app.base_url, token);

    let mail = json!({"email": "jane@example.com"});
    bearer(device).post("/tenant/customer/api/otp/request", mail.clone()).await.expect(201);
    for wrong in [&*wallet, &app.token(acme.id, &["waas"]), "x.y.z", ""] {
        let answer = bearer(wrong).post("/tenant/customer/api/otp/request", mail.clone()).await;
        assert_eq!((answer.status, refusal(&answer).1), (401, "Access Denied"), "{wrong}");
    }
    for token in [&*wallet, device] {
        bearer(token).get("/v1/dashboard/apikeys").await.expect(401);
        bearer(token).get("/admin/tenants").await.expect(401);
    }
    app.app.clock.move_by(TimeDelta::minutes(15));
    bearer(device).post("/tenant/customer/api/otp/request", mail).await.expect(401);
}

#[tokio::test]
async fn the_wallet_of_who_is_forgotten_is_nobodys() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = PrivateKeySigner::random();
    knows(&app, &acme, 1, jane.address()).await;
    sign_in(&app, &jane).await;
    let query = "select customer_id from wallet where address = $1";
    let query = sqlx::query_scalar(query).bind(jane.address().to_vec());
    let customer: uuid::Uuid = query.fetch_one(&mut app.sql().await).await.unwrap();
    acme.live.delete(&format!("/tenant/customer/forget/{customer}")).await.expect(200);
    let asked = app.nobody().get(&format!("/auth/challenge?address={}", jane.address())).await;
    assert_eq!(refusal(&asked), (400, "Challenge", "Wallet user not found"));
}
