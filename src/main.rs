//! The `diolkos` binary.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    diolkos::cli::run().await
}
