//! Badges and rules, as an operator makes them.

use alloy::primitives::Address;
use serde_json::{Value, json};
use uuid::Uuid;

use super::actor::{Actor, Answer};
use super::app::TestApp;
use super::tenant::TestTenant;

/// An operator at a tenant's badges.
pub struct Badges {
    operator: Actor,
    root: String,
}

impl TestApp {
    /// The operator at a tenant's badges.
    pub fn badges_of(&self, tenant: &TestTenant) -> Badges {
        Badges { operator: self.operator(), root: format!("/admin/tenants/{}/badges", tenant.id) }
    }

    /// The customer of a wallet.
    pub async fn customer_of(&self, wallet: Address) -> Uuid {
        let query = sqlx::query_scalar("select customer_id from wallet where address = $1");
        query.bind(wallet.to_vec()).fetch_one(&mut self.sql().await).await.unwrap()
    }
}

impl Badges {
    /// A new identification badge for people, without rules; its id.
    pub async fn plain(&self, name: &str) -> String {
        self.of_kind(name, "IDENTIFICATION").await
    }

    /// A new badge for people, without rules; its id.
    pub async fn of_kind(&self, name: &str, kind: &str) -> String {
        let answer = self.post("", json!({"name": name, "kind": kind, "user_group": "WALLET_USER"})).await.expect(201);
        answer.json["id"].as_str().unwrap().to_owned()
    }

    /// A badge that the tenant started with; its id.
    pub async fn starting(&self, name: &str, kind: &str) -> String {
        let badges = self.get("?limit=100").await.expect(200).json;
        let is_it =
            |badge: &&Value| badge["name"] == name && badge["kind"] == kind && badge["user_group"] == "WALLET_USER";
        let badge = badges["data"].as_array().unwrap().iter().find(is_it).unwrap();
        badge["id"].as_str().unwrap().to_owned()
    }

    /// Writes a rule from now on; its id.
    pub async fn rule(&self, badge: &str, expression: &str, code: &str) -> String {
        let answer = self.post(&format!("/{badge}/rules"), rule_body(expression, code)).await.expect(201);
        answer.json["id"].as_str().unwrap().to_owned()
    }

    /// Gives a customer a badge.
    pub async fn assign(&self, badge: &str, customer: Uuid) {
        self.post(&format!("/{badge}/assignments"), json!({"customer_id": customer})).await.expect(200);
    }

    pub async fn get(&self, rest: &str) -> Answer {
        self.operator.get(&format!("{}{rest}", self.root)).await
    }

    pub async fn post(&self, rest: &str, body: Value) -> Answer {
        self.operator.post(&format!("{}{rest}", self.root), body).await
    }

    pub async fn delete(&self, rest: &str) -> Answer {
        self.operator.delete(&format!("{}{rest}", self.root)).await
    }
}

/// The body of a rule that counts from now on.
pub fn rule_body(expression: &str, code: &str) -> Value {
    json!({"expression": expression, "error_code": code, "error_type": "transfer-failed", "message": format!("{code} not met")})
}
