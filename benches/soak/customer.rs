//! The load: each actor has a tenant and customers of its own, and does one thing after the other, chosen by its share of
//! the seed.

use std::rc::Rc;
use std::time::Duration;

use alloy::primitives::Address;
use anyhow::{Context, bail};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::book::{Book, Kind, Movement};
use super::caller::{Answer, Caller, Credentials};
use super::cluster::TenantAccess;

/// Customers of one actor at most.
const CUSTOMERS: usize = 40;

struct Customer {
    phone: String,
    wallet: Address,
}

/// One who asks.
pub struct Actor {
    number: u64,
    rng: StdRng,
    caller: Caller,
    tenant: TenantAccess,
    treasury: Address,
    book: Rc<Book>,
    customers: Vec<Customer>,
    phones: u64,
    wishes: u64,
}

impl Actor {
    /// The actor of this number.
    pub fn new(
        number: u64,
        seed: u64,
        caller: Caller,
        tenant: TenantAccess,
        treasury: Address,
        book: Rc<Book>,
    ) -> Self {
        let rng = StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(number));
        Self { number, rng, caller, tenant, treasury, book, customers: Vec::new(), phones: 0, wishes: 0 }
    }

    /// Acts until told to stop; what it has begun it ends.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        while !stop.is_cancelled() {
            self.act().await.with_context(|| format!("actor {}", self.number))?;
            tokio::time::sleep(Duration::from_millis(self.rng.random_range(20..250))).await;
        }
        Ok(())
    }

    async fn act(&mut self) -> anyhow::Result<()> {
        if self.customers.len() < 2 {
            return self.provision().await;
        }
        match self.rng.random_range(0..100) {
            0..8 if self.customers.len() < CUSTOMERS => self.provision().await,
            0..50 => self.fund().await,
            50..68 => self.transfer().await,
            68..78 => self.withdraw().await,
            78..82 => self.change_phone().await,
            82..84 => self.top_up().await,
            84..92 => self.read("/v1/dashboard/deposits?limit=50").await,
            92..95 => self.read("/v1/dashboard/treasury/tenant-balance").await,
            _ => self.balance().await,
        }
    }

    fn name(&mut self, what: &str) -> String {
        self.wishes += 1;
        format!("{what}_{}_{}", self.number, self.wishes)
    }

    fn new_phone(&mut self) -> String {
        self.phones += 1;
        format!("+22507{:02}{:06}", self.number, self.phones)
    }

    fn somebody(&mut self) -> usize {
        self.rng.random_range(0..self.customers.len())
    }

    async fn post(&mut self, path: &str, body: Value, once: Option<&str>) -> anyhow::Result<Answer> {
        let key = Credentials::Key(self.tenant.key.clone());
        self.caller.ask(&mut self.rng, &key, (Method::POST, path), Some(&body), once).await
    }

    async fn post_at_dashboard(&mut self, path: &str, body: Value, once: &str) -> anyhow::Result<Answer> {
        let token = Credentials::Bearer(self.tenant.dashboard.clone());
        self.caller.ask(&mut self.rng, &token, (Method::POST, path), Some(&body), Some(once)).await
    }

    async fn provision(&mut self) -> anyhow::Result<()> {
        let phone = self.new_phone();
        let body = json!({"phone_number": phone});
        let (status, answer) = self.post("/v1/users/provision", body, None).await?;
        expect(status == 200, "provision", status, &answer)?;
        let wallet = answer["wallet_address"].as_str().context("no wallet_address")?.parse()?;
        self.customers.push(Customer { phone, wallet });
        self.book.count("provisioned");
        Ok(())
    }

    /// Up to two tokens.
    async fn fund(&mut self) -> anyhow::Result<()> {
        let (who, amount) = (self.somebody(), self.rng.random_range(1..2_000_000));
        let name = self.name("dep");
        let Customer { phone, wallet } = &self.customers[who];
        let movement = Movement { from: self.treasury, to: *wallet, amount };
        let body = json!({"phone_number": phone, "deposit_id": name, "local_fiat_amount": "100.00",
            "stablecoin_amount": decimal(amount), "target_token": "USDC"});
        let (status, answer) = self.post("/v1/users/fund", body, None).await?;
        let accepted = status == 202 || (status == 409 && answer["error"] == "duplicate_deposit");
        self.outcome(Kind::Deposit, name, movement, accepted, status, &answer)
    }

    async fn transfer(&mut self) -> anyhow::Result<()> {
        let (from, amount) = (self.somebody(), self.rng.random_range(1..600_000));
        let to = (from + 1 + self.rng.random_range(0..self.customers.len() - 1)) % self.customers.len();
        let name = self.name("tra");
        let (sender, recipient) = (&self.customers[from], &self.customers[to]);
        let movement = Movement { from: sender.wallet, to: recipient.wallet, amount };
        let body = json!({"sender_phone": sender.phone, "recipient_phone": recipient.phone,
            "quote_id": format!("DIRECT_CRYPTO:USDC:{}", decimal(amount)), "idempotency_key": name});
        let (status, answer) = self.post("/v1/transfers/send", body, None).await?;
        self.outcome(Kind::Transfer, name, movement, status == 202, status, &answer)
    }

    async fn withdraw(&mut self) -> anyhow::Result<()> {
        let (who, amount) = (self.somebody(), self.rng.random_range(100_000..800_000));
        let name = self.name("wdr");
        let Customer { phone, wallet } = &self.customers[who];
        let movement = Movement { from: *wallet, to: self.treasury, amount };
        let body = json!({"phone": phone, "amount": decimal(amount), "payout_mobile": phone,
            "payout_network": "orange_money", "idempotency_key": name});
        let (status, answer) = self.post("/v1/users/withdraw", body, None).await?;
        self.outcome(Kind::Withdrawal, name, movement, status == 202, status, &answer)
    }

    /// Only what the money does not cover may be refused.
    fn outcome(
        &self,
        kind: Kind,
        name: String,
        movement: Movement,
        accepted: bool,
        status: u16,
        answer: &Value,
    ) -> anyhow::Result<()> {
        if accepted {
            self.book.accepted(kind, name, movement);
            return Ok(());
        }
        self.book.count("refused: not enough money");
        expect(status == 402 || status == 400, kind.table().0, status, answer)
    }

    async fn change_phone(&mut self) -> anyhow::Result<()> {
        let (who, new, once) = (self.somebody(), self.new_phone(), self.name("phone"));
        let body = json!({"old_phone_number": self.customers[who].phone, "new_phone_number": new});
        let (status, answer) = self.post("/v1/users/update-phone", body, Some(&once)).await?;
        expect(status == 200, "update-phone", status, &answer)?;
        let wallet: Address = answer["wallet_address"].as_str().context("no wallet_address")?.parse()?;
        if wallet != self.customers[who].wallet {
            bail!("a customer's wallet changed with the phone number: {answer}");
        }
        self.customers[who].phone = new;
        self.book.count("phones changed");
        Ok(())
    }

    async fn top_up(&mut self) -> anyhow::Result<()> {
        let name = self.name("top");
        let body = json!({"amount": "25", "token": "USDC", "reference": name});
        let (status, answer) = self.post_at_dashboard("/v1/dashboard/treasury/topup", body, &name).await?;
        expect(status == 202, "topup", status, &answer)?;
        let id = answer["topup_id"].as_str().context("no topup_id")?;
        let (path, once) = (format!("/v1/dashboard/treasury/topup/{id}/confirm"), format!("{name}-confirm"));
        let (status, answer) = self.post_at_dashboard(&path, json!({}), &once).await?;
        expect(status == 200, "confirm", status, &answer)?;
        self.book.count("topped up");
        Ok(())
    }

    async fn read(&mut self, path: &str) -> anyhow::Result<()> {
        let token = Credentials::Bearer(self.tenant.dashboard.clone());
        let (status, answer) = self.caller.ask(&mut self.rng, &token, (Method::GET, path), None, None).await?;
        self.book.count("read");
        expect(status == 200, path, status, &answer)
    }

    async fn balance(&mut self) -> anyhow::Result<()> {
        let who = self.somebody();
        let path = format!("/v1/users/balance?phone_number=%2B{}", &self.customers[who].phone[1..]);
        let key = Credentials::Key(self.tenant.key.clone());
        let (status, answer) = self.caller.ask(&mut self.rng, &key, (Method::GET, &path), None, None).await?;
        self.book.count("read");
        expect(status == 200, &path, status, &answer)
    }
}

fn expect(good: bool, what: &str, status: u16, answer: &Value) -> anyhow::Result<()> {
    if !good {
        bail!("{what} answered {status}: {answer}");
    }
    Ok(())
}

/// Base units of USDC as a decimal.
fn decimal(amount: u64) -> String {
    format!("{}.{:06}", amount / 1_000_000, amount % 1_000_000)
}
