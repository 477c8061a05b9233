//! The configuration of a development server, as the same variables that production is configured with.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Result, anyhow};
use url::Url;

use super::contracts::Contracts;
use super::keys::DevelopmentKeys;
use crate::config::{Config, Environment};

/// Variables of `.env.example` with a development server's values.
#[derive(Clone)]
pub struct Settings(BTreeMap<&'static str, String>);

impl Settings {
    /// What a server needs to run against these services.
    pub fn new(keys: &DevelopmentKeys, contracts: &Contracts, rpc_url: &str, database: (&str, &str)) -> Self {
        let (server_url, owner_url) = database;
        let tokens = format!("USDC:{}:6,USDT:{}:6", contracts.usdc, contracts.usdt);
        let values = [
            ("DATABASE_URL", server_url.to_owned()),
            ("MIGRATION_DATABASE_URL", owner_url.to_owned()),
            ("RPC_URLS", rpc_url.to_owned()),
            ("CHAIN_ID", "137".to_owned()),
            ("TOKENS", tokens),
            ("MASTER_KEY", keys.master_key.clone()),
            ("JWT_PRIVATE_KEY", keys.jwt_private_key.clone()),
            ("OPERATOR_TOKEN", keys.operator_token.clone()),
            ("TREASURY_KEY", keys.treasury_key.clone()),
            ("TREASURY_IMPLEMENTATION", contracts.account_implementation_7702.to_string()),
            ("LANE_KEYS", keys.lane_key.clone()),
            ("GAS_FUNDING_KEY", keys.funding_key.clone()),
            ("WALLET_OWNER_KEYS", keys.wallet_owner_key.clone()),
            ("CONFIRMATIONS", "1".to_owned()),
            ("MIN_TIP_GWEI", "1".to_owned()),
            ("ENGINE_POLL_MS", "100".to_owned()),
            ("LANE_LEASE_SECONDS", "3".to_owned()),
            ("WEBHOOK_ALLOW_PRIVATE", "true".to_owned()),
            ("FX_RATES", "XOF:560.5,XAF:560.5,GHS:10.85,KES:129.2,NGN:1395,UGX:3570,TZS:2495,EUR:0.8545".to_owned()),
            ("PAYOUT_PROVIDER", "simulator".to_owned()),
            ("PAYOUT_REFUND_AFTER_SECONDS", "20".to_owned()),
            ("COMPLIANCE_PROVIDER", "simulator".to_owned()),
            ("VERIFICATION_PROVIDER", "simulator".to_owned()),
            ("SMS_PROVIDER", "outbox".to_owned()),
            ("MAIL_PROVIDER", "outbox".to_owned()),
            ("LOG_FORMAT", "text".to_owned()),
        ];
        Self(values.into())
    }

    /// The same, with papers in a folder.
    pub fn with_documents(mut self, folder: &Path) -> Result<Self> {
        let url = Url::from_directory_path(folder).map_err(|()| anyhow!("{} is no URL", folder.display()))?;
        self.0.insert("DOCUMENT_STORE", url.to_string());
        Ok(self)
    }

    /// The value of a variable. The process's own environment counts only for what is not set here: it must not lead a
    /// development server to another database or chain.
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned().or_else(|| std::env::var(name).ok())
    }

    /// The configuration of a server.
    pub fn config(&self) -> Result<Config> {
        Config::read(&Environment::new(&|name| self.get(name)))
    }

    /// Lines that a shell can source, so that `diolkos serve` runs against these services.
    pub fn as_shell(&self) -> String {
        let mut text = String::from("# Made by `diolkos dev`. Use: set -a; . .dev/env; set +a; diolkos serve\n");
        for (name, value) in &self.0 {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{name}='{}'", value.replace('\'', r"'\''"));
        }
        text
    }
}
