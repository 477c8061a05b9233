//! The real binary in a process of its own, which a test can kill at a named step.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use uuid::Uuid;

use super::app::Variables;
use super::{actor::Actor, until};

/// A running `diolkos serve`. Killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
    pub base_url: String,
}

impl Process {
    /// Starts a server with these variables; `fail_at` names the step at which it dies.
    pub fn spawn(variables: &Variables, fail_at: Option<&str>) -> Self {
        Self::spawn_with(variables, fail_at, &[])
    }

    /// One that the command line gives these roles, and waits until it serves.
    pub async fn with_roles(variables: &Variables, roles: &str) -> Self {
        Self::spawn_with(variables, None, &["--roles", roles]).served().await
    }

    fn spawn_with(variables: &Variables, fail_at: Option<&str>, arguments: &[&str]) -> Self {
        let port = free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_diolkos"));
        command
            .arg("serve")
            .args(arguments)
            .env_clear()
            .env("RUST_LOG", "error")
            .envs(variables)
            .env("PORT", port.to_string());
        if let Some(step) = fail_at {
            command.env("FAIL_AT", step);
        }
        let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.log", Uuid::now_v7()));
        let stderr = File::create(&log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
        Self { child, log, base_url: format!("http://127.0.0.1:{port}") }
    }

    /// The same, and waits until it serves or has died.
    pub async fn serve(variables: &Variables, fail_at: Option<&str>) -> Self {
        Self::spawn(variables, fail_at).served().await
    }

    async fn served(self) -> Self {
        let mut process = self;
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

    /// SIGTERM: the process is asked to end in order.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// A signal by its name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until the process has been stopped.
    pub async fn stops(&self) {
        let id = self.child.id().to_string();
        let state = || match std::fs::read_to_string(format!("/proc/{id}/stat")) {
            Ok(stat) => stat.rsplit(") ").next().unwrap_or_default().as_bytes().to_vec(),
            Err(_) => Command::new("ps").args(["-o", "stat=", "-p", &id]).output().unwrap().stdout,
        };
        until("the process is stopped", || async { state().starts_with(b"T").then_some(()) }).await;
    }

    /// All that the process has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// How the process ended; `None` when it runs or was killed by a signal.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap()?.code()
    }

    /// Waits until the process has ended by itself.
    pub async fn dies(&mut self) {
        until("the process ends", || {
            let gone = self.child.try_wait().unwrap().is_some();
            async move { gone.then_some(()) }
        })
        .await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the end of the server's log:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
        }
        let _ = std::fs::remove_file(&self.log);
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
