//! The time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// Tells the time; a test can move it.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead_by_ms: Arc<AtomicI64>,
}

impl Clock {
    /// Now, UTC.
    pub fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::milliseconds(self.ahead_by_ms.load(Ordering::Relaxed))
    }

    /// Moves this clock and its clones by `delta`.
    pub fn move_by(&self, delta: TimeDelta) {
        self.ahead_by_ms.fetch_add(delta.num_milliseconds(), Ordering::Relaxed);
    }
}
