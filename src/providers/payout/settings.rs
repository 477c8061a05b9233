//! Who pays out, and through which networks.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{Networks, PawaPay, PawaPaySettings};
use crate::foundation::is_loopback;

/// How payouts of live keys are made, and what becomes of those that are refused.
#[derive(Clone, Debug)]
pub struct PayoutSettings {
    /// Who pays.
    pub payer: Payer,
    /// The networks that customers can name.
    pub networks: Networks,
    /// How long after a refused payout the tokens go back by themselves, unless an operator has tried again.
    pub refund_after: Duration,
}

/// Who makes the payouts of live keys.
#[derive(Clone, Debug)]
pub enum Payer {
    /// People, who confirm what they have paid.
    Manual,
    /// Nobody: it is only said that they are made.
    Simulator,
    /// PawaPay.
    PawaPay(PawaPaySettings),
}

/// `PAYOUT_PROVIDER`'s words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProviderName {
    Manual,
    Simulator,
    PawaPay,
}

/// The text names no provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be manual, simulator or pawapay")]
pub(crate) struct InvalidProvider;

impl FromStr for ProviderName {
    type Err = InvalidProvider;

    fn from_str(text: &str) -> Result<Self, InvalidProvider> {
        match text {
            "manual" => Ok(Self::Manual),
            "simulator" => Ok(Self::Simulator),
            "pawapay" => Ok(Self::PawaPay),
            _ => Err(InvalidProvider),
        }
    }
}

/// The account at PawaPay, which is looked at even when somebody else pays.
pub(crate) struct Account {
    pub(crate) url: Option<String>,
    pub(crate) token: Option<SecretString>,
    pub(crate) time_limit: Duration,
}

impl Payer {
    /// Puts together what was configured, or says in one line what is wrong with it.
    pub(crate) fn new(name: ProviderName, account: Account, networks: &Networks, chain: &[Url]) -> Result<Self> {
        let url = account.url.as_deref().map(api_url).transpose()?;
        // Goes into a header.
        let is_token = |token: &SecretString| token.expose_secret().bytes().all(|b| b.is_ascii_graphic());
        ensure!(account.token.as_ref().is_none_or(is_token), "PAYOUT_TOKEN has characters that no token has");
        ensure!(!account.time_limit.is_zero(), "PAYOUT_TIMEOUT_MS is 0");
        match name {
            ProviderName::Manual => Ok(Self::Manual),
            ProviderName::Simulator => {
                // Whoever moves tokens of a real chain pays real money for them.
                ensure!(
                    chain.iter().all(is_loopback),
                    "PAYOUT_PROVIDER is simulator, and RPC_URLS is not this machine's"
                );
                Ok(Self::Simulator)
            }
            ProviderName::PawaPay => {
                let url = url.context("PAYOUT_PROVIDER is pawapay, and PAYOUT_URL is not set")?;
                let token = account.token.context("PAYOUT_PROVIDER is pawapay, and PAYOUT_TOKEN is not set")?;
                if let Some(unknown) = networks.iter().find(|network| !PawaPay::knows(network)) {
                    let (name, country) = (&unknown.name, unknown.country.as_ref());
                    anyhow::bail!("PAYOUT_NETWORKS: PawaPay has no {name} in {country}");
                }
                let (time_limit, rest) = (account.time_limit, Duration::from_secs(5));
                Ok(Self::PawaPay(PawaPaySettings { url, token, time_limit, rest }))
            }
        }
    }
}

/// The token that pays travels with every request: in clear text only inside this machine.
fn api_url(text: &str) -> Result<Url> {
    let url = Url::parse(text.trim()).ok();
    let is_plain = |url: &Url| url.username().is_empty() && url.query().is_none() && url.fragment().is_none();
    url.filter(|url| is_plain(url) && (url.scheme() == "https" || url.scheme() == "http" && is_loopback(url)))
        .context("PAYOUT_URL is not an https:// URL (http:// is for this machine only)")
}
