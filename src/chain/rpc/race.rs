//! One call to several endpoints: the healthiest first, the next one as well when its answer is late, the others in turn
//! when it fails. The first good answer counts.

use std::time::{Duration, Instant};

use alloy::eips::BlockNumberOrTag;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::Result;
use super::endpoint::Endpoint;
use crate::chain::refusal::Refusal;
use crate::chain::rpc_error::RpcError;

/// What kind of call it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// Whether a transaction is sent.
    sends: bool,
    /// The block whose state it needs.
    needs: Option<u64>,
}

impl Call {
    /// A question.
    pub(super) const fn asking() -> Self {
        Self { sends: false, needs: None }
    }

    /// A question that only a node can answer which has this block.
    pub(super) fn of_block(at: BlockNumberOrTag) -> Self {
        Self { sends: false, needs: at.as_number() }
    }

    /// Signed bytes.
    pub(super) const fn sending() -> Self {
        Self { sends: true, needs: None }
    }
}

/// What the endpoints asked so far have said that is no result; the most telling is kept.
struct Failures {
    call: Call,
    worst: Option<RpcError>,
}

impl Failures {
    /// How much an error tells: what a node refuses with more than that it is silent, that more than another chain's.
    fn weight(error: &RpcError) -> u8 {
        match error {
            RpcError::Refused { kind: Refusal::OtherBlock, .. } => 2,
            RpcError::Refused { .. } => 3,
            RpcError::Unavailable(_) => 1,
            RpcError::OtherChain { .. } => 0,
        }
    }

    fn add(&mut self, error: RpcError) {
        let is_final = self.is_final();
        let tells_more = self.worst.as_ref().is_none_or(|worst| Self::weight(worst) <= Self::weight(&error));
        if !is_final && tells_more {
            self.worst = Some(error);
        }
    }

    /// Whether a node that was asked already may know better: bytes that one refuses another may have taken by now, unless
    /// the one knows them or what became of them. A question that reverts does so everywhere.
    fn may_be_outdone(&self) -> bool {
        let settled = [Refusal::AlreadyKnown, Refusal::NonceTooLow];
        let is_settled = matches!(self.worst, Some(RpcError::Refused { kind, .. }) if settled.contains(&kind));
        self.call.sends && !is_settled
    }

    /// Whether nobody else needs to be asked.
    fn is_final(&self) -> bool {
        matches!(self.worst, Some(RpcError::Refused { kind, .. }) if kind.is_final(self.call.sends))
    }
}

/// Runs the race.
pub(super) async fn run<'a, R, F>(endpoints: &'a [Endpoint], call: &Call, ask: &impl Fn(&'a Endpoint) -> F) -> Result<R>
where
    F: Future<Output = Result<R>>,
{
    let order = by_rank(endpoints, call);
    let mut others = order.into_iter();
    let mut under_way = FuturesUnordered::new();
    let mut failures = Failures { call: *call, worst: None };
    let mut patience = Duration::ZERO;
    loop {
        if under_way.is_empty() {
            let Some(next) = others.next().filter(|_| !failures.is_final()) else { break };
            patience = next.patience();
            under_way.push(ask(next));
        }
        let may_hedge = others.len() > 0 && !failures.is_final();
        tokio::select! {
            Some(answer) = under_way.next() => match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => failures.add(error),
            },
            () = tokio::time::sleep(patience), if may_hedge => {
                if let Some(next) = others.next() {
                    metrics::counter!("diolkos_rpc_hedged_total", "endpoint" => next.name.clone()).increment(1);
                    patience = next.patience();
                    under_way.push(ask(next));
                }
            }
        }
        if failures.is_final() && !failures.may_be_outdone() {
            break;
        }
    }
    Err(failures.worst.unwrap_or_else(|| RpcError::Unavailable("no endpoint is configured".into())))
}

/// Of the same rank the one that comes first in configuration; the sort is stable.
fn by_rank<'a>(endpoints: &'a [Endpoint], call: &Call) -> Vec<&'a Endpoint> {
    let now = Instant::now();
    let mut ranked: Vec<_> = endpoints.iter().map(|endpoint| (endpoint.rank(call.needs, now), endpoint)).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, endpoint)| endpoint).collect()
}
