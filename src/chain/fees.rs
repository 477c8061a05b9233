//! What the lanes offer for gas (EIP-1559). All in wei a gas.

use super::rpc::{Head, Rpc};
use super::rpc_error::RpcError;

/// Blocks whose tips are looked at, and which of their transactions' tips: that of the median.
const TIPS_OF: u64 = 10;
const PERCENTILE: f64 = 50.0;

/// Limits on fees, from configuration.
#[derive(Clone, Copy, Debug)]
pub struct FeePolicy {
    /// The least tip that the chain's validators accept (Polygon: 25 or 30 gwei).
    pub min_tip: u128,
    /// The most that is ever offered, base fee and tip together.
    pub max_fee: u128,
}

/// An offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// `maxFeePerGas`.
    pub max_fee: u128,
    /// `maxPriorityFeePerGas`.
    pub max_tip: u128,
}

impl FeePolicy {
    /// An offer that stays good while the base fee doubles: twice the base fee and the median tip of ten blocks.
    pub async fn suggest(&self, rpc: &Rpc, head: &Head) -> Result<Fees, RpcError> {
        let history = rpc.fee_history(TIPS_OF, PERCENTILE).await?;
        let mut tips: Vec<u128> =
            history.reward.unwrap_or_default().iter().filter_map(|block| block.first().copied()).collect();
        tips.sort_unstable();
        let median = tips.get(tips.len() / 2).copied().unwrap_or(0);
        let base_fee = head.base_fee_per_gas.unwrap_or(0);
        let max_tip = median.max(self.min_tip).min(self.max_fee);
        Ok(Fees { max_fee: (2 * base_fee).saturating_add(max_tip).min(self.max_fee), max_tip })
    }

    /// An offer that replaces an earlier one (a node asks for at least a tenth more on both), or `None` at the cap.
    pub fn replace(&self, earlier: Fees, suggested: Fees) -> Option<Fees> {
        let raised = |fee: u128| fee.saturating_add(fee / 8).saturating_add(1);
        let max_fee = raised(earlier.max_fee).max(suggested.max_fee);
        let max_tip = raised(earlier.max_tip).max(suggested.max_tip);
        (max_fee <= self.max_fee).then_some(Fees { max_fee, max_tip: max_tip.min(max_fee) })
    }

    /// Whether an offer waits at the cap: blocks of this base fee do not take it, and it cannot be raised.
    pub fn is_capped(&self, offer: Fees, suggested: Fees, base_fee: u128) -> bool {
        !offer.covers(base_fee, self.min_tip) && self.replace(offer, suggested).is_none()
    }
}

impl Fees {
    /// Whether a block of this base fee can take a transaction with this offer.
    pub fn covers(&self, base_fee: u128, min_tip: u128) -> bool {
        self.max_fee >= base_fee.saturating_add(min_tip.min(self.max_tip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: FeePolicy = FeePolicy { min_tip: 10, max_fee: 1_000 };

    #[test]
    fn a_replacement_offers_an_eighth_more_on_both() {
        let next = POLICY.replace(Fees { max_fee: 800, max_tip: 80 }, Fees { max_fee: 100, max_tip: 10 });
        assert_eq!(next, Some(Fees { max_fee: 901, max_tip: 91 }));
    }

    #[test]
    fn a_replacement_follows_a_higher_suggestion_and_stops_at_the_cap() {
        let suggested = Fees { max_fee: 990, max_tip: 200 };
        assert_eq!(POLICY.replace(Fees { max_fee: 100, max_tip: 10 }, suggested), Some(suggested));
        assert_eq!(POLICY.replace(Fees { max_fee: 950, max_tip: 10 }, suggested), None);
    }

    #[test]
    fn an_offer_waits_at_the_cap_when_no_block_takes_it_and_it_cannot_be_raised() {
        let (offer, suggested) = (Fees { max_fee: 950, max_tip: 10 }, Fees { max_fee: 1_000, max_tip: 10 });
        assert!(POLICY.is_capped(offer, suggested, 941));
        assert!(!POLICY.is_capped(offer, suggested, 940), "a block takes it");
        assert!(!POLICY.is_capped(Fees { max_fee: 800, ..offer }, suggested, 941), "it can be raised");
    }
}
