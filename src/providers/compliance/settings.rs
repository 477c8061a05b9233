//! Who looks at the customers of live keys.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::HttpCheckerSettings;
use crate::foundation::is_loopback;

/// Who looks at the customers of live keys.
#[derive(Clone, Debug)]
pub enum Checker {
    /// Nobody: they stay pending.
    Nobody,
    /// The simulator.
    Simulator,
    /// A service over HTTP.
    Http(HttpCheckerSettings),
}

/// `COMPLIANCE_PROVIDER`'s words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckerName {
    Nobody,
    Simulator,
    Http,
}

/// The text names no provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be none, simulator or http")]
pub(crate) struct InvalidChecker;

impl FromStr for CheckerName {
    type Err = InvalidChecker;

    fn from_str(text: &str) -> Result<Self, InvalidChecker> {
        match text {
            "none" => Ok(Self::Nobody),
            "simulator" => Ok(Self::Simulator),
            "http" => Ok(Self::Http),
            _ => Err(InvalidChecker),
        }
    }
}

/// The service, which is looked at even when somebody else is asked.
pub(crate) struct Account {
    pub(crate) url: Option<String>,
    pub(crate) token: Option<SecretString>,
    pub(crate) time_limit: Duration,
}

impl Checker {
    /// Puts together what was configured, or says in one line what is wrong with it.
    pub(crate) fn new(name: CheckerName, account: Account, chain: &[Url]) -> Result<Self> {
        let url = account.url.as_deref().map(service_url).transpose()?;
        // Goes into a header.
        let is_token = |token: &SecretString| token.expose_secret().bytes().all(|b| b.is_ascii_graphic());
        ensure!(account.token.as_ref().is_none_or(is_token), "COMPLIANCE_TOKEN has characters that no token has");
        ensure!(!account.time_limit.is_zero(), "COMPLIANCE_TIMEOUT_MS is 0");
        match name {
            CheckerName::Nobody => Ok(Self::Nobody),
            CheckerName::Simulator => {
                // Whoever moves tokens of a real chain has real customers.
                ensure!(
                    chain.iter().all(is_loopback),
                    "COMPLIANCE_PROVIDER is simulator, and RPC_URLS is not this machine's"
                );
                Ok(Self::Simulator)
            }
            CheckerName::Http => {
                let url = url.context("COMPLIANCE_PROVIDER is http, and COMPLIANCE_URL is not set")?;
                let token = account.token.context("COMPLIANCE_PROVIDER is http, and COMPLIANCE_TOKEN is not set")?;
                let (time_limit, rest) = (account.time_limit, Duration::from_secs(5));
                Ok(Self::Http(HttpCheckerSettings { url, token, time_limit, rest }))
            }
        }
    }
}

/// What customers tell travels with every request: in clear text only inside this machine.
fn service_url(text: &str) -> Result<Url> {
    let url = Url::parse(text.trim()).ok();
    let is_plain = |url: &Url| url.username().is_empty() && url.query().is_none() && url.fragment().is_none();
    url.filter(|url| is_plain(url) && (url.scheme() == "https" || url.scheme() == "http" && is_loopback(url)))
        .context("COMPLIANCE_URL is not an https:// URL (http:// is for this machine only)")
}
