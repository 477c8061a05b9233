//! How the lanes are kept filled with native coin.

use anyhow::{Result, ensure};

use super::Environment;
use super::bundler::Coins;
use crate::chain::RefillPolicy;
use crate::providers::keys::SignerSource;

/// Who fills the lanes, if anybody does, and when.
pub(super) fn refill(env: &Environment<'_>) -> Result<(Option<SignerSource>, RefillPolicy)> {
    let funding = env.optional_signer("GAS_FUNDING_KEY")?;
    let (Coins(low), Coins(high)) = (env.parsed("LANE_LOW", "20")?, env.parsed("LANE_HIGH", "100")?);
    let Coins(daily_cap) = env.parsed("LANE_REFILLS_A_DAY", "500")?;
    ensure!(low < high, "LANE_LOW is not below LANE_HIGH");
    Ok((funding, RefillPolicy { low, high, daily_cap }))
}
