//! A tenant, its customers and their deposits, as values that a test speaks to.

use alloy::primitives::Address;
use diolkos::foundation::TenantId;
use serde_json::{Value, json};

use super::actor::{Actor, Answer};
use super::app::TestApp;
use super::until;

/// A tenant.
#[derive(Clone)]
pub struct TestTenant {
    pub id: TenantId,
    /// Its back end with a live key.
    pub live: Actor,
    /// Its back end with a test key.
    pub test: Actor,
    /// Its super admin at the dashboard.
    pub dashboard: Actor,
    pub live_key: String,
    pub test_key: String,
    /// A dashboard user without any special permission.
    pub clerk: Actor,
}

impl TestTenant {
    pub(super) async fn new(app: &TestApp, id: TenantId) -> Self {
        let dashboard = Actor::bearer(&app.base_url, &app.token(id, &["waas", "waas:super_admin"]));
        let clerk = Actor::bearer(&app.base_url, &app.token(id, &["waas"]));
        let live_key = issue(&dashboard, "live").await;
        let test_key = issue(&dashboard, "test").await;
        let live = Actor::new(&app.base_url, &[("x-api-key", &live_key)]);
        let test = Actor::new(&app.base_url, &[("x-api-key", &test_key)]);
        Self { id, live, test, dashboard, live_key, test_key, clerk }
    }

    /// The same tenant calling another server.
    pub fn at(&self, base_url: &str) -> Self {
        let tenant = self.clone();
        Self {
            live: self.live.at(base_url),
            test: self.test.at(base_url),
            dashboard: self.dashboard.at(base_url),
            clerk: self.clerk.at(base_url),
            ..tenant
        }
    }

    /// Tops the treasury balance up, as the tenant asks for and its super admin confirms.
    pub async fn top_up(&self, token: &str, amount: &str) {
        let reference = format!("bank {}", uuid::Uuid::now_v7());
        let body = json!({"amount": amount, "token": token, "reference": reference});
        let asked = self.dashboard.post("/v1/dashboard/treasury/topup", body).await.expect(202);
        let id = asked.json["topup_id"].as_str().unwrap();
        self.dashboard.post(&format!("/v1/dashboard/treasury/topup/{id}/confirm"), json!({})).await.expect(200);
    }

    /// A customer with a wallet; its address.
    pub async fn customer(&self, phone: &str) -> Address {
        let answer = self.live.post("/v1/users/provision", json!({"phone_number": phone})).await.expect(200);
        answer.json["wallet_address"].as_str().unwrap().parse().unwrap()
    }

    /// A customer whose wallet holds USDC, which came by a deposit; its address. The treasury has been topped up.
    pub async fn customer_with(&self, phone: &str, amount: &str) -> Address {
        let wallet = self.customer(phone).await;
        let deposit = format!("dep_of_{}", &phone[1..]);
        self.fund(phone, &deposit, amount).await.expect(202);
        self.until_deposit_is(&deposit, "SETTLED").await;
        wallet
    }

    /// Asks for a USDC deposit.
    pub async fn fund(&self, phone: &str, deposit_id: &str, amount: &str) -> Answer {
        self.live.post("/v1/users/fund", fund_body(phone, deposit_id, amount)).await
    }

    /// A deposit as the dashboard shows it.
    pub async fn deposit(&self, deposit_id: &str) -> Value {
        self.dashboard.get(&format!("/v1/dashboard/deposits/{deposit_id}")).await.expect(200).json
    }

    /// Waits until a deposit has this status.
    pub async fn until_deposit_is(&self, deposit_id: &str, status: &str) -> Value {
        until(&format!("deposit {deposit_id} is {status}"), || async {
            let answer = self.dashboard.get(&format!("/v1/dashboard/deposits/{deposit_id}")).await;
            (answer.json["status"] == status).then_some(answer.json)
        })
        .await
    }

    /// Available and reserved USDC.
    pub async fn balance(&self) -> (String, String) {
        let balance = self.dashboard.get("/v1/dashboard/treasury/tenant-balance").await.expect(200).json;
        let text = |key: &str| balance[key].as_str().unwrap().to_owned();
        (text("available_usdc"), text("reserved_usdc"))
    }
}

/// The body of a deposit of USDC.
pub fn fund_body(phone: &str, deposit_id: &str, amount: &str) -> Value {
    json!({
        "phone_number": phone,
        "deposit_id": deposit_id,
        "local_fiat_amount": "11000.00",
        "stablecoin_amount": amount,
        "target_token": "USDC",
    })
}

/// An Ivorian mobile number.
pub fn phone(index: u32) -> String {
    format!("+22507{index:08}")
}

async fn issue(dashboard: &Actor, mode: &str) -> String {
    let answer = dashboard.post("/v1/dashboard/apikeys", json!({"name": mode, "mode": mode})).await.expect(201);
    answer.json["key_secret"].as_str().unwrap().to_owned()
}
