//! The real binary in a process of its own, which a test can kill at a named step.

use std::process::{Child, Command, Stdio};

use super::app::Variables;
use super::{actor::Actor, until};

/// A running `diolkos serve`. Killed when dropped.
pub struct Process {
    child: Child,
    pub base_url: String,
}

impl Process {
    /// Starts a server with these variables; `fail_at` names the step at which it dies.
    pub fn spawn(variables: &Variables, fail_at: Option<&str>) -> Self {
        let port = free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_diolkos"));
        command.arg("serve").env_clear().envs(variables).env("PORT", port.to_string()).env("RUST_LOG", "error");
        if let Some(step) = fail_at {
            command.env("FAIL_AT", step);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        Self { child, base_url: format!("http://127.0.0.1:{port}") }
    }

    /// The same, and waits until it serves or has died.
    pub async fn serve(variables: &Variables, fail_at: Option<&str>) -> Self {
        let mut process = Self::spawn(variables, fail_at);
        let nobody = Actor::new(&process.base_url, &[]);
        until("the process serves", || {
            let nobody = nobody.clone();
            let gone = process.child.try_wait().unwrap().is_some();
            async move {
                let answer = nobody.try_send(reqwest::Method::GET, "/healthz", None).await;
                (gone || answer.is_ok_and(|answer| answer.status == 200)).then_some(())
            }
        })
        .await;
        process
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until the process has died by itself.
    pub async fn dies(&mut self) {
        until("the process dies at its fail point", || {
            let gone = self.child.try_wait().unwrap().is_some();
            async move { gone.then_some(()) }
        })
        .await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
