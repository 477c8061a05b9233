//! What parts of the server say of themselves to operators.

use async_trait::async_trait;

/// A part without which the server cannot do its work (`GET /readyz`).
#[async_trait]
pub trait ReadinessProbe: Send + Sync {
    /// The part's name in the answer, such as `chain`.
    fn name(&self) -> &'static str;

    /// Whether the part works; if not, why, in words that anybody may read. Given up on after two seconds.
    async fn check(&self) -> Result<(), String>;
}

/// A part that has gauges to set whenever metrics are asked for (`GET /metrics`).
#[async_trait]
pub trait MetricsSource: Send + Sync {
    /// Sets the gauges through the `metrics` crate. A failure is logged and leaves them as they were.
    async fn refresh(&self) -> anyhow::Result<()>;
}
