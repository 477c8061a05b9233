//! Logs: JSON lines by default, plain text for people (`LOG_FORMAT=text`), filtered by `RUST_LOG`.

use tracing_subscriber::EnvFilter;

/// Starts logging to standard error. `for_people`: text unless `LOG_FORMAT` says otherwise, and less of it.
pub fn start(for_people: bool) {
    let default = if for_people { "warn" } else { "info" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let text = std::env::var("LOG_FORMAT").map_or(for_people, |form| form == "text");
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only when logging was started already, in a test.
    let _ = if text { builder.try_init() } else { builder.json().flatten_event(true).try_init() };
}
