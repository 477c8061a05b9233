//! FAULT 24: bearer tokens that are nearly good.

use alloy::signers::local::PrivateKeySigner;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diolkos::foundation::TenantId;
use insta::{allow_duplicates, assert_snapshot};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::harness::actor::Actor;
use crate::harness::app::TestApp;
use crate::sign_in::{knows, sign_in};

const DEPOSITS: &str = "/v1/dashboard/deposits";
/// What a wallet's user may ask.
const WORDS: &str = "/consent/fetch-tnc?type=PRIVACY_POLICY";
/// What a device may ask.
const TERMS: &str = "/tenant/agreement/terms-and-privacy-agreements?type=PRIVACY_POLICY";

/// A forger who has seen a token and the published key, and in places even the private one.
struct Forger {
    app: TestApp,
    tenant: TenantId,
    jwk: Value,
    signing: EncodingKey,
}

impl Forger {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let tenant = app.tenant("acme").await.id;
        let jwks = app.nobody().get("/.well-known/jwks.json").await.expect(200).json;
        let signing = EncodingKey::from_rsa_pem(app.variables["JWT_PRIVATE_KEY"].as_bytes()).unwrap();
        Self { app, tenant, jwk: jwks["keys"][0].clone(), signing }
    }

    fn header(&self, algorithm: Algorithm) -> Header {
        Header { kid: Some(self.jwk["kid"].as_str().unwrap().to_owned()), ..Header::new(algorithm) }
    }

    fn claims(&self) -> Value {
        let now = self.app.app.clock.now().timestamp();
        json!({"iss": "diolkos", "sub": "jane", "business_id": self.tenant, "permissions": ["waas"], "nbf": now - 60, "exp": now + 600})
    }

    /// The claims with one changed, or removed by null.
    fn but(&self, claim: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[claim] = value;
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    fn signed(&self, claims: &Value) -> String {
        encode(&self.header(Algorithm::RS256), claims, &self.signing).unwrap()
    }

    /// Tokens of these claims that we have not signed so, and one that we signed for others than `more`.
    fn forged(&self, claims: &Value, more: &Value) -> Vec<String> {
        let good = self.signed(claims);
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let (payload, kid) = (part(claims), self.jwk["kid"].clone());
        let (head, signature) = (good.split('.').next().unwrap(), good.rsplit('.').next().unwrap());
        let mut forged = vec![
            format!("{}.{payload}.", part(&json!({"alg": "none", "typ": "JWT", "kid": kid}))),
            format!("{}.{payload}.{signature}", part(&json!({"alg": "None", "kid": kid}))),
            format!("{head}.{}.{signature}", part(more)),
            format!("{head}.{payload}."),
            format!("{good}x"),
            format!("{good}.{signature}"),
        ];
        // HS256 with what everybody can read of the key as the secret.
        let (n, whole) = (self.jwk["n"].as_str().unwrap(), self.jwk.to_string());
        for secret in [n.as_bytes(), &URL_SAFE_NO_PAD.decode(n).unwrap(), whole.as_bytes()] {
            let secret = EncodingKey::from_secret(secret);
            forged.push(encode(&self.header(Algorithm::HS256), claims, &secret).unwrap());
        }
        let stranger = diolkos::auth::Jwt::generate_pem().unwrap();
        let stranger = EncodingKey::from_rsa_pem(stranger.expose_secret().as_bytes()).unwrap();
        forged.push(encode(&self.header(Algorithm::RS256), claims, &stranger).unwrap());
        let unknown = Header { kid: Some("unknown".to_owned()), ..Header::new(Algorithm::RS256) };
        forged.push(encode(&unknown, claims, &self.signing).unwrap());
        forged.push(encode(&Header::new(Algorithm::RS256), claims, &self.signing).unwrap());
        forged.push(encode(&self.header(Algorithm::RS512), claims, &self.signing).unwrap());
        forged
    }

    async fn status_of(&self, token: &str) -> u16 {
        Actor::bearer(&self.app.base_url, token).get(DEPOSITS).await.status
    }
}

#[tokio::test]
async fn fault_24_a_token_with_wrong_claims_opens_nothing() {
    let forger = Forger::new().await;
    let now = forger.app.app.clock.now().timestamp();
    assert_eq!(forger.status_of(&forger.signed(&forger.claims())).await, 200);
    for (claim, value) in [
        ("exp", json!(now - 1)),
        ("exp", json!(null)),
        ("exp", json!("tomorrow")),
        ("exp", json!(-1)),
        ("nbf", json!(now + 300)),
        ("iss", json!("https://other.example")),
        ("iss", json!(null)),
        ("business_id", json!(null)),
        ("business_id", json!("acme")),
        ("business_id", json!(TenantId::OPERATOR)),
        ("business_id", json!(TenantId::new())),
        ("org_id", json!(TenantId::new())),
    ] {
        let answer = Actor::bearer(&forger.app.base_url, &forger.signed(&forger.but(claim, value.clone())));
        let answer = answer.get(DEPOSITS).await;
        assert_eq!((answer.status, answer.error()), (401, "invalid_token"), "{claim}: {value}");
    }
    for permissions in [json!([]), json!(null), json!(["WAAS"]), json!(["waas:super_admin"])] {
        let token = forger.signed(&forger.but("permissions", permissions));
        let answer = Actor::bearer(&forger.app.base_url, &token).get(DEPOSITS).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"403 {"error":"missing_permission","message":"the token does not permit waas"}"#); }
    }
}

#[tokio::test]
async fn fault_24_a_token_that_is_not_signed_by_our_key_opens_nothing() {
    let forger = Forger::new().await;
    assert_eq!(forger.status_of(&forger.signed(&forger.claims())).await, 200);
    for token in forger.forged(&forger.claims(), &forger.but("permissions", json!(["waas", "waas:super_admin"]))) {
        assert_eq!(forger.status_of(&token).await, 401, "{token}");
    }
}

#[tokio::test]
async fn fault_24_wallets_and_devices_tokens_that_are_nearly_good_open_nothing() {
    let forger = Forger::new().await;
    let app = &forger.app;
    let globex = app.tenant("globex").await;
    let jane = PrivateKeySigner::random();
    knows(app, &globex, 1, jane.address()).await;
    let wallet = sign_in(app, &jane).await;
    let body = json!({"device_fingerprint": "xyz", "tenant_id": globex.id.to_string()});
    let device = app.nobody().post("/auth/preauth-token", body).await.expect(200).json;
    let now = app.app.clock.now().timestamp();
    for (token, path, kind, own, other) in [
        (&*wallet, WORDS, "type", "walletAddress", json!(PrivateKeySigner::random().address())),
        (device["access_token"].as_str().unwrap(), TERMS, "scope", "tenant_id", json!(TenantId::new())),
    ] {
        let status = async |token: &str| Actor::bearer(&app.base_url, token).get(path).await.status;
        let claims = payload(token);
        let but = |claim: &str, value: Value| {
            let mut claims = claims.clone();
            claims[claim] = value;
            claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            claims
        };
        assert!(claims[own].is_string(), "{claims}");
        assert_eq!(status(token).await, 200);
        assert_eq!(status(&forger.signed(&claims)).await, 200, "whoever has the key is us");
        for (claim, value) in [
            ("exp", json!(now - 1)),
            ("exp", json!(null)),
            ("iss", json!("https://other.example")),
            ("iss", json!(null)),
            (kind, json!(null)),
            (kind, json!("orchestration")),
            (own, json!("x")),
        ] {
            assert_eq!(status(&forger.signed(&but(claim, value.clone()))).await, 401, "{path} {claim}: {value}");
        }
        for forged in forger.forged(&claims, &but(own, other)) {
            assert_eq!(status(&forged).await, 401, "{path} {forged}");
        }
    }
}

/// What a token says.
fn payload(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[tokio::test]
async fn fault_24_an_orchestration_token_is_not_a_dashboards() {
    let forger = Forger::new().await;
    let jwt = forger.app.app.auth.jwt();
    let hour = std::time::Duration::from_secs(3600);
    let token = jwt.issue_orchestration(forger.tenant, "client", hour, forger.app.app.clock.now()).unwrap();
    assert_eq!(forger.status_of(token.expose_secret()).await, 403);
}

#[tokio::test]
async fn the_key_set_publishes_the_public_half_alone() {
    let forger = Forger::new().await;
    let fields: Vec<&String> = forger.jwk.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["alg", "e", "kid", "kty", "n", "use"]);
    assert_eq!((&forger.jwk["alg"], &forger.jwk["use"]), (&json!("RS256"), &json!("sig")));
}
