//! Tenants with a key and a balance, and their customers, made through the API as tenants and operators make them.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, ensure};
use chrono::Utc;
use diolkos::auth::Jwt;
use diolkos::foundation::TenantId;
use reqwest::Client;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::load::{Load, Until};
use super::process::Process;
use super::request::{NUMBER, PHONE, Request};
use super::server::Configuration;

/// A tenant.
pub struct Tenant {
    pub id: TenantId,
    pub key: String,
    /// A bearer token of its super admin.
    pub dashboard: String,
}

/// Asks for one thing and insists on the status; the answer's JSON.
pub async fn ask(request: reqwest::RequestBuilder, expected: u16) -> anyhow::Result<Value> {
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    let text = answer.text().await?;
    ensure!(status == expected, "answered {status}, not {expected}: {text}");
    Ok(serde_json::from_str(&text)?)
}

fn text(value: &Value, field: &str) -> anyhow::Result<String> {
    Ok(value[field].as_str().with_context(|| format!("an answer without {field}"))?.to_owned())
}

impl Tenant {
    /// A new one with a balance that lasts.
    pub async fn new(server: &Process, configuration: &Configuration, name: &str) -> anyhow::Result<Self> {
        let client = Client::builder().no_proxy().build()?;
        let url = |path: &str| format!("http://{}{path}", server.address);
        let tenant = json!({"namespace": format!("{name}.ul"), "name": name});
        let made = client.post(url("/admin/tenants")).bearer_auth(&configuration.operator_token).json(&tenant);
        let id: TenantId = text(&ask(made, 201).await?, "id")?.parse()?;

        let jwt = Jwt::from_pem(&configuration.jwt_private_key, "diolkos".to_owned())?;
        let (permissions, ttl) = (["waas", "waas:super_admin"], Duration::from_secs(24 * 3600));
        let dashboard = jwt.issue_dashboard(id, "bench", &permissions, ttl, Utc::now())?;
        let dashboard = dashboard.expose_secret().to_owned();
        let post = |path: &str, body: Value| client.post(url(path)).bearer_auth(&dashboard).json(&body);

        let issued = post("/v1/dashboard/apikeys", json!({"name": "bench", "mode": "live"}));
        let key = text(&ask(issued, 201).await?, "key_secret")?;
        let topup = json!({"amount": "100000000", "token": "USDC", "reference": "bench"});
        let topup = text(&ask(post("/v1/dashboard/treasury/topup", topup), 202).await?, "topup_id")?;
        ask(post(&format!("/v1/dashboard/treasury/topup/{topup}/confirm"), json!({})), 200).await?;
        Ok(Self { id, key, dashboard })
    }

    /// Provisions the customers of these numbers.
    pub async fn provision(&self, server: &Process, numbers: Range<u64>) -> anyhow::Result<()> {
        let (requests, first) = ([provision(&self.key)], numbers.start);
        let load = Load { address: &server.address, requests: &requests, expected: 200, connections: 32, first };
        load.closed(Until::Count(numbers.end - first)).await?;
        Ok(())
    }

    /// Deposits of a tenth of a cent for its customers 0 to `customers` in turn.
    pub fn fund(&self, customers: u64) -> Request {
        let body = json!({
            "phone_number": format!("+22507{PHONE}"),
            "deposit_id": format!("dep_{NUMBER}"),
            "local_fiat_amount": "11000.00",
            "stablecoin_amount": "0.001",
            "target_token": "USDC",
        });
        Request::post("/v1/users/fund", &self.key, &body.to_string(), customers)
    }
}

/// Provisions customers one after the other.
pub fn provision(key: &str) -> Request {
    let body = json!({"phone_number": format!("+22507{PHONE}")});
    Request::post("/v1/users/provision", key, &body.to_string(), 100_000_000)
}
