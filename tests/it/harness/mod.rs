//! What tests work with.

pub mod actor;
pub mod alto;
pub mod app;
pub mod badges;
pub mod db_proxy;
pub mod document;
pub mod engine;
pub mod outsider;
pub mod paymaster;
pub mod payout_network;
pub mod process;
pub mod rpc_proxy;
pub mod services;
pub mod tenant;
pub mod webhook_receiver;
pub mod wire;
pub mod withdrawals;

use std::future::Future;
use std::time::{Duration, Instant};

/// Runs each test once on each of these paths (see `engine::Path`): the names of the paths are modules.
#[macro_export]
macro_rules! on_paths {
    ([$($path:ident = $variant:ident),* $(,)?] $tests:tt) => {
        $($crate::on_paths!(@path $path $variant $tests);)*
    };
    (@path $path:ident $variant:ident [$($test:ident),* $(,)?]) => {
        mod $path {
            use $crate::harness::engine::Path;
            $(#[tokio::test]
            async fn $test() {
                super::$test(Path::$variant).await;
            })*
        }
    };
}

/// Waits until `condition` gives a value; fails after half a minute.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A new, migrated database.
pub async fn database() -> diolkos::db::Db {
    let services = services::services();
    let name = services.database().await;
    diolkos::db::Db::new(services.server_url(&name).parse().unwrap(), 8)
}
