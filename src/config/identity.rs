//! Who looks at customers, who checks who they are, and where their papers are kept.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use url::Url;

use super::Environment;
use crate::providers::documents::DocumentPlace;
use crate::providers::service::{Account, Provider};
use crate::providers::verification::{TrustScore, VerificationSettings};

pub(super) fn compliance(env: &Environment<'_>, chain: &[Url]) -> Result<Provider> {
    let account = Account {
        url: env.text("COMPLIANCE_URL"),
        token: env.optional_secret("COMPLIANCE_TOKEN")?,
        time_limit: Duration::from_millis(env.parsed("COMPLIANCE_TIMEOUT_MS", "10000")?),
    };
    Provider::new("COMPLIANCE", env.parsed("COMPLIANCE_PROVIDER", "none")?, account, chain)
}

pub(super) fn verification(env: &Environment<'_>, chain: &[Url]) -> Result<VerificationSettings> {
    let account = Account {
        url: env.text("VERIFICATION_URL"),
        token: env.optional_secret("VERIFICATION_TOKEN")?,
        time_limit: Duration::from_millis(env.parsed("VERIFICATION_TIMEOUT_MS", "10000")?),
    };
    let least_score: TrustScore = env.parsed("VERIFICATION_LEAST_SCORE", "630")?;
    ensure!((0..=1000).contains(&least_score), "VERIFICATION_LEAST_SCORE is not between 0 and 1000");
    let provider = env.parsed("VERIFICATION_PROVIDER", "none")?;
    Ok(VerificationSettings { provider: Provider::new("VERIFICATION", provider, account, chain)?, least_score })
}

pub(super) fn documents(env: &Environment<'_>) -> Result<Option<DocumentPlace>> {
    let place = env.text("DOCUMENT_STORE").map(|text| text.trim().parse());
    place.transpose().context("DOCUMENT_STORE cannot be read")
}
