//! Who does something for live keys: nobody, a simulator, or a service over HTTP.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::foundation::is_loopback;

/// How long a service that keeps failing is left alone.
const REST: Duration = Duration::from_secs(5);

/// How to reach a service.
#[derive(Clone, Debug)]
pub struct ServiceSettings {
    /// Where it is, without its own paths.
    pub url: Url,
    /// Its bearer token for us.
    pub token: SecretString,
    /// How long one request may take.
    pub time_limit: Duration,
    /// How long a service that keeps failing is left alone.
    pub rest: Duration,
}

/// Who does it for live keys.
#[derive(Clone, Debug)]
pub enum Provider {
    /// Nobody.
    Nobody,
    /// The simulator.
    Simulator,
    /// A service over HTTP.
    Http(ServiceSettings),
}

/// The words of the variable that says who.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProviderName {
    Nobody,
    Simulator,
    Http,
}

/// The text names no provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be none, simulator or http")]
pub(crate) struct InvalidProvider;

impl FromStr for ProviderName {
    type Err = InvalidProvider;

    fn from_str(text: &str) -> Result<Self, InvalidProvider> {
        match text {
            "none" => Ok(Self::Nobody),
            "simulator" => Ok(Self::Simulator),
            "http" => Ok(Self::Http),
            _ => Err(InvalidProvider),
        }
    }
}

/// The service, which is looked at even when somebody else is asked.
pub(crate) struct Account {
    pub(crate) url: Option<String>,
    pub(crate) token: Option<SecretString>,
    pub(crate) time_limit: Duration,
}

impl Provider {
    /// Puts together what the variables beginning with `prefix` say, or says in one line what is wrong with them.
    pub(crate) fn new(prefix: &str, name: ProviderName, account: Account, chain: &[Url]) -> Result<Self> {
        let url = account.url.as_deref().map(|text| service_url(prefix, text)).transpose()?;
        // Goes into a header.
        let is_token = |token: &SecretString| token.expose_secret().bytes().all(|b| b.is_ascii_graphic());
        ensure!(account.token.as_ref().is_none_or(is_token), "{prefix}_TOKEN has characters that no token has");
        ensure!(!account.time_limit.is_zero(), "{prefix}_TIMEOUT_MS is 0");
        match name {
            ProviderName::Nobody => Ok(Self::Nobody),
            ProviderName::Simulator => {
                // Whoever moves tokens of a real chain has real customers.
                ensure!(
                    chain.iter().all(is_loopback),
                    "{prefix}_PROVIDER is simulator, and RPC_URLS is not this machine's"
                );
                Ok(Self::Simulator)
            }
            ProviderName::Http => {
                let url = url.with_context(|| format!("{prefix}_PROVIDER is http, and {prefix}_URL is not set"))?;
                let token = account
                    .token
                    .with_context(|| format!("{prefix}_PROVIDER is http, and {prefix}_TOKEN is not set"))?;
                Ok(Self::Http(ServiceSettings { url, token, time_limit: account.time_limit, rest: REST }))
            }
        }
    }
}

/// What people tell travels with every request: in clear text only inside this machine.
fn service_url(prefix: &str, text: &str) -> Result<Url> {
    let url = Url::parse(text.trim()).ok();
    let is_plain = |url: &Url| url.username().is_empty() && url.query().is_none() && url.fragment().is_none();
    url.filter(|url| is_plain(url) && (url.scheme() == "https" || url.scheme() == "http" && is_loopback(url)))
        .with_context(|| format!("{prefix}_URL is not an https:// URL (http:// is for this machine only)"))
}
