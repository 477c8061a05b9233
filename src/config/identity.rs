//! Who looks at customers, and where their papers are kept.

use std::time::Duration;

use anyhow::{Context, Result};
use url::Url;

use super::Environment;
use crate::providers::compliance::{Account, Checker};
use crate::providers::documents::DocumentPlace;

pub(super) fn compliance(env: &Environment<'_>, chain: &[Url]) -> Result<Checker> {
    let account = Account {
        url: env.text("COMPLIANCE_URL"),
        token: env.optional_secret("COMPLIANCE_TOKEN")?,
        time_limit: Duration::from_millis(env.parsed("COMPLIANCE_TIMEOUT_MS", "10000")?),
    };
    Checker::new(env.parsed("COMPLIANCE_PROVIDER", "none")?, account, chain)
}

pub(super) fn documents(env: &Environment<'_>) -> Result<Option<DocumentPlace>> {
    let place = env.text("DOCUMENT_STORE").map(|text| text.trim().parse());
    place.transpose().context("DOCUMENT_STORE cannot be read")
}
