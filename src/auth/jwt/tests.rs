#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn jwt() -> Jwt {
    Jwt::from_pem(&Jwt::generate_pem().unwrap(), "https://diolkos.test").unwrap()
}

fn header(jwt: &Jwt) -> Header {
    Header { kid: Some(jwt.kid.clone()), ..Header::new(Algorithm::RS256) }
}

fn claims() -> Value {
    let now = Utc::now().timestamp();
    json!({"iss": "https://diolkos.test", "sub": "jane", "org_id": TenantId::new(), "permissions": ["waas"], "exp": now + 60})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn verdict(jwt: &Jwt, claims: &Value) -> Result<Dashboard, Refused> {
    jwt.verify_dashboard(&encode(&header(jwt), claims, &jwt.signing).unwrap(), Utc::now())
}

fn unsigned(header: Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&header), part(claims))
}

#[test]
fn an_issued_token_names_its_tenant_and_expires() {
    let (jwt, tenant, now) = (jwt(), TenantId::new(), Utc::now());
    let token = jwt.issue_dashboard(tenant, "jane", &["waas", "waas:super_admin"], HOUR, now).unwrap();
    let user = jwt.verify_dashboard(token.expose_secret(), now).unwrap();
    assert_eq!((user.tenant, user.subject.as_str(), user.is_super_admin()), (tenant, "jane", true));
    assert!(matches!(jwt.verify_dashboard(token.expose_secret(), now + HOUR), Err(Refused::Expired)));
}

#[test]
fn either_claim_names_the_tenant_and_both_must_agree() {
    let jwt = jwt();
    assert!(verdict(&jwt, &claims()).is_ok());
    assert!(matches!(verdict(&jwt, &without("org_id")), Err(Refused::NoTenant)));
    assert!(matches!(verdict(&jwt, &with("business_id", json!(TenantId::new()))), Err(Refused::NoTenant)));
    assert!(verdict(&jwt, &with("org_id", json!("acme"))).is_err());
}

#[test]
fn times_and_issuer_must_be_right_and_present() {
    let (jwt, now) = (jwt(), Utc::now().timestamp());
    for refused in [
        without("exp"),
        with("exp", json!(now - 1)),
        with("exp", json!("tomorrow")),
        with("exp", json!(-1)),
        with("nbf", json!(now + 60)),
        with("nbf", json!("never")),
        without("iss"),
        with("iss", json!("https://elsewhere.test")),
        with("aud", json!("someone else")),
    ] {
        assert!(verdict(&jwt, &refused).is_err(), "{refused}");
    }
}

#[test]
fn a_token_cannot_choose_how_it_is_verified() {
    let (jwt, stranger) = (jwt(), self::jwt());
    let refused = |token: &str| assert!(jwt.verify_dashboard(token, Utc::now()).is_err(), "{token}");

    refused(&unsigned(json!({"alg": "none", "kid": jwt.kid}), &claims()));
    refused(&unsigned(json!({"alg": "RS256", "kid": jwt.kid}), &claims()));

    // HS256 with the public key as the secret, in each form in which one might take it.
    let published = serde_json::to_value(jwt.jwks()).unwrap();
    let modulus = published["keys"][0]["n"].as_str().unwrap().to_owned();
    for secret in [modulus.into_bytes(), published.to_string().into_bytes()] {
        let header = Header { kid: Some(jwt.kid.clone()), ..Header::new(Algorithm::HS256) };
        refused(&encode(&header, &claims(), &EncodingKey::from_secret(&secret)).unwrap());
    }

    // Another algorithm of the same key, an unknown key id, none, a stranger's key under our id, and an extension.
    let rs512 = Header { kid: Some(jwt.kid.clone()), ..Header::new(Algorithm::RS512) };
    refused(&encode(&rs512, &claims(), &jwt.signing).unwrap());
    refused(&encode(&Header { kid: Some("other".to_owned()), ..header(&jwt) }, &claims(), &jwt.signing).unwrap());
    refused(&encode(&Header { kid: None, ..header(&jwt) }, &claims(), &jwt.signing).unwrap());
    refused(&encode(&header(&jwt), &claims(), &stranger.signing).unwrap());
    let crit = Header { crit: Some(vec!["b64".to_owned()]), ..header(&jwt) };
    refused(&encode(&crit, &claims(), &jwt.signing).unwrap());
    let own_key = Header { jwk: Some(stranger.jwks.keys[0].clone()), ..header(&jwt) };
    refused(&encode(&own_key, &claims(), &stranger.signing).unwrap());
}

#[test]
fn a_changed_token_is_refused() {
    let jwt = jwt();
    let token = encode(&header(&jwt), &claims(), &jwt.signing).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let forged = URL_SAFE_NO_PAD.encode(with("permissions", json!(["waas", "waas:super_admin"])).to_string());
    for changed in
        [format!("{}.{forged}.{}", parts[0], parts[2]), format!("{token}A"), "x".repeat(10_000), String::new()]
    {
        assert!(jwt.verify_dashboard(&changed, Utc::now()).is_err());
    }
}

#[test]
fn what_is_published_is_public() {
    let jwt = jwt();
    let published = serde_json::to_value(jwt.jwks()).unwrap();
    let mut names: Vec<_> = published["keys"][0].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["alg", "e", "kid", "kty", "n", "use"]);
    assert!(Jwt::from_pem(&"nonsense".to_owned().into(), "x").is_err());
}
