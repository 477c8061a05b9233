//! The server in a process of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use diolkos::dev::child::{Child, Service};
use diolkos::dev::identity::Identity;

/// What a server is told, by name.
pub type Variables = BTreeMap<&'static str, String>;

/// A running `diolkos serve`, which ends with this process at the latest.
pub struct Process {
    pub child: Child,
    /// `host:port`.
    pub address: String,
}

impl Process {
    /// Starts one that listens on a port.
    pub fn start(variables: &Variables, port: u16, log: &Path) -> anyhow::Result<Self> {
        let mut environment: Vec<_> = variables.clone().into_iter().collect();
        environment.push(("PORT", port.to_string()));
        let child = Child::start(Service {
            name: "diolkos",
            program: Path::new(env!("CARGO_BIN_EXE_diolkos")),
            arguments: vec!["serve".to_owned()],
            environment,
            log,
            folder: Path::new("/"),
            identity: Identity::Ourselves,
            grace: Duration::from_secs(40),
        })?;
        Ok(Self { child, address: format!("127.0.0.1:{port}") })
    }

    /// Sends it a signal, such as `STOP`.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.pid().to_string()]).status()?;
        ensure!(sent.success(), "the server (process {}) cannot be sent {name}", self.child.pid());
        Ok(())
    }

    /// Ends it in order.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.child.stop().await
    }
}

/// A port that nobody has at the moment.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
