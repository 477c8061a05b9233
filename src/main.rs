//! The `diolkos` binary.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Requests are many small allocations on one thread that are freed on another.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    diolkos::cli::run().await
}
