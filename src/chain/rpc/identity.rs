//! Which chain an endpoint serves (FAULTS 18): asked before it is used, after every lost connection and every so often,
//! for what stands behind a URL can be replaced without anybody noticing. Pure: whoever asks brings the time.

use std::time::{Duration, Instant};

use crate::chain::rpc_error::RpcError;

/// How long an answer is believed while the connection holds.
const BELIEVED: Duration = Duration::from_secs(10);

/// How long an endpoint that serves another chain is left alone before it is asked again.
const SHUNNED: Duration = Duration::from_millis(500);

/// What is to be done about an endpoint.
#[derive(Debug)]
pub(super) enum Known {
    /// It may be used.
    Right,
    /// It must be asked first.
    Doubtful,
    /// It must not be used.
    Other(RpcError),
}

/// What an answer means.
#[derive(Debug)]
pub(super) struct Verdict {
    /// Whether it may be used.
    pub(super) known: Result<(), RpcError>,
    /// Whether it was otherwise before.
    pub(super) is_news: bool,
}

/// The chain that is wanted, and the one that was served last.
#[derive(Debug)]
pub(super) struct Identity {
    wanted: Option<u64>,
    served: Option<u64>,
    /// Until when that needs not be asked again.
    settled_until: Option<Instant>,
}

impl Identity {
    /// Any chain is right when none is wanted.
    pub(super) fn new(wanted: Option<u64>) -> Self {
        Self { wanted, served: None, settled_until: None }
    }

    /// Whether it may be used; one caller of many is told to ask again when it is time.
    pub(super) fn known(&mut self, now: Instant) -> Known {
        let is_settled = self.settled_until.is_some_and(|until| now < until);
        match self.refusal() {
            _ if self.wanted.is_none() => Known::Right,
            Some(error) if is_settled => Known::Other(error),
            None if is_settled => Known::Right,
            Some(_) => Known::Doubtful,
            None if self.settled_until.is_some() => {
                // Those who come meanwhile go on: nothing has been lost.
                self.settled_until = Some(now + BELIEVED);
                Known::Doubtful
            }
            None => Known::Doubtful,
        }
    }

    /// It says that it serves this chain.
    pub(super) fn served(&mut self, served: u64, now: Instant) -> Verdict {
        let before = self.refusal().is_some();
        self.served = Some(served);
        let refusal = self.refusal();
        self.settled_until = Some(now + if refusal.is_some() { SHUNNED } else { BELIEVED });
        Verdict { is_news: before != refusal.is_some(), known: refusal.map_or(Ok(()), Err) }
    }

    /// It must be asked again before it is used.
    pub(super) fn doubt(&mut self) {
        self.settled_until = None;
    }

    /// It must be asked again soon, while others go on: an answer that is late tells little.
    pub(super) fn doubt_a_little(&mut self, now: Instant) {
        self.settled_until = self.settled_until.map(|until| until.min(now));
    }

    /// The other chain that it was found to serve.
    pub(super) fn other_chain(&self) -> Option<u64> {
        self.served.filter(|served| self.wanted.is_some_and(|wanted| wanted != *served))
    }

    fn refusal(&self) -> Option<RpcError> {
        let (served, expected) = (self.other_chain()?, self.wanted?);
        Some(RpcError::OtherChain { served, expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_first_again_after_a_while_and_after_a_lost_connection() {
        let now = Instant::now();
        let mut identity = Identity::new(Some(137));
        assert!(matches!(identity.known(now), Known::Doubtful));
        assert!(matches!(identity.known(now), Known::Doubtful), "nobody goes before the answer is there");
        assert!(identity.served(137, now).known.is_ok());
        assert!(matches!(identity.known(now), Known::Right));

        let later = now + BELIEVED;
        assert!(matches!(identity.known(later), Known::Doubtful));
        assert!(matches!(identity.known(later), Known::Right), "one asks, the others go on");

        identity.doubt_a_little(later);
        assert!(matches!(identity.known(later), Known::Doubtful));
        assert!(matches!(identity.known(later), Known::Right), "one asks, the others go on");

        identity.doubt();
        identity.doubt_a_little(later);
        assert!(matches!(identity.known(later), Known::Doubtful));
        assert!(matches!(identity.known(later), Known::Doubtful));
    }

    #[test]
    fn one_that_serves_another_chain_is_not_used_and_may_come_back() {
        let now = Instant::now();
        let mut identity = Identity::new(Some(137));
        let Verdict { known, is_news } = identity.served(1, now);
        assert!(is_news && matches!(known, Err(RpcError::OtherChain { served: 1, expected: 137 })));
        assert!(!identity.served(1, now).is_news);
        assert!(matches!(identity.known(now), Known::Other(RpcError::OtherChain { served: 1, .. })));
        assert!(matches!(identity.known(now + SHUNNED), Known::Doubtful));
        assert!(matches!(identity.known(now + SHUNNED), Known::Doubtful), "nobody goes before the answer is there");
        let Verdict { known, is_news } = identity.served(137, now);
        assert!(is_news && known.is_ok() && identity.other_chain().is_none());
    }

    #[test]
    fn any_chain_is_right_when_none_is_wanted() {
        let now = Instant::now();
        let mut identity = Identity::new(None);
        assert!(matches!(identity.known(now), Known::Right));
        assert!(identity.served(5, now).known.is_ok());
    }
}
