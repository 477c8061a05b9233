//! The bundler's settings.

use std::str::FromStr;

use alloy::primitives::U256;
use alloy::primitives::utils::parse_ether;
use anyhow::{Context, Result, ensure};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Environment;
use crate::chain::bundler::{BundlerSettings, DepositMarks, PaymasterSettings};

/// An amount of native coin, in whole coins of 10^18 wei.
pub(super) struct Coins(pub(super) U256);

impl FromStr for Coins {
    type Err = alloy::primitives::utils::UnitsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_ether(text).map(Self)
    }
}

/// The bundler, if there is one.
pub(super) fn bundler(env: &Environment<'_>) -> Result<Option<BundlerSettings>> {
    let (url, paymaster) = (endpoint(env, "BUNDLER_URL")?, endpoint(env, "PAYMASTER_URL")?);
    let context = env.parsed("PAYMASTER_CONTEXT", "{}")?;
    let (Coins(low), Coins(high)) = (env.parsed("DEPOSIT_LOW", "5")?, env.parsed("DEPOSIT_HIGH", "20")?);
    ensure!(low < high, "DEPOSIT_LOW is not below DEPOSIT_HIGH");
    ensure!(url.is_some() || paymaster.is_none(), "PAYMASTER_URL is of no use without BUNDLER_URL");
    let paymaster = paymaster.map(|url| PaymasterSettings { url, context });
    Ok(url.map(|url| BundlerSettings { url, paymaster, deposit: DepositMarks { low, high } }))
}

/// A URL that may hold a key: neither told nor quoted.
fn endpoint(env: &Environment<'_>, name: &str) -> Result<Option<SecretString>> {
    let Some(url) = env.text(name).map(SecretString::from) else { return Ok(None) };
    let is_http = Url::parse(url.expose_secret().trim()).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    is_http.then_some(Some(url)).with_context(|| format!("{name} is not an http:// or https:// URL"))
}
