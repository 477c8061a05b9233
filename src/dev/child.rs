//! A service that we start and that must not outlive us.
//!
//! The kernel's parent-death signal is of no use here: it fires when the *thread* that started the child ends, and a
//! test's thread ends with its test. Instead the child's watcher holds the reading end of a pipe: when this process
//! ends, however it ends, the kernel closes the writing end and the watcher interrupts the service, so that even after
//! `kill -9` Postgres shuts down cleanly and anvil writes its state. Services sit in process groups of their own:
//! Ctrl-C reaches this process alone, which then stops them in order.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;

use super::identity::Identity;

/// Becomes the service by `exec`, after leaving a watcher behind that no longer is its child. A line on the pipe says
/// that the service is gone already and its process id perhaps someone else's.
const WATCHED: &str = r#"
grace=$1; shift
exec 3<&0
( (
  read -r done <&3 && exit
  kill -INT $$ 2>/dev/null || exit
  while [ "$grace" -gt 0 ]; do sleep 0.1; kill -0 $$ 2>/dev/null || exit; grace=$((grace - 1)); done
  kill -KILL $$ 2>/dev/null
) >/dev/null 2>&1 & )
exec "$@" 3<&- </dev/null
"#;

/// A running service. Dropping it interrupts the service without waiting; [`Child::stop`] waits.
#[derive(Debug)]
pub struct Child {
    name: &'static str,
    pid: u32,
    pipe: Arc<Mutex<Option<ChildStdin>>>,
    ended: watch::Receiver<Option<ExitStatus>>,
    grace: Duration,
}

/// How a service is started.
#[derive(Debug)]
pub struct Service<'a> {
    /// What to call it in messages and thread names.
    pub name: &'static str,
    /// The program.
    pub program: &'a Path,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment, beside a plain `PATH`; ours is not inherited (`PGPORT` and its like would disturb).
    pub environment: Vec<(&'static str, String)>,
    /// Gets what it prints, appended.
    pub log: &'a Path,
    /// Its current folder.
    pub folder: &'a Path,
    /// The user it runs as.
    pub identity: Identity,
    /// How long it may take to end after an interrupt before it is killed.
    pub grace: Duration,
}

impl Child {
    /// Starts a service; whether it is ready is for the caller to find out.
    pub fn start(service: Service<'_>) -> anyhow::Result<Child> {
        let Service { name, program, grace, .. } = service;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(service.log);
        let log = log.with_context(|| format!("{} cannot be written", service.log.display()))?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", WATCHED, name]).arg((grace.as_millis() / 100).to_string());
        command.arg(program).args(service.arguments);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LC_ALL", "C").envs(service.environment);
        command.current_dir(service.folder).process_group(0);
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        service.identity.apply(&mut command);
        let mut child = command.spawn().with_context(|| format!("{} cannot be started", program.display()))?;

        let pid = child.id();
        let pipe = Arc::new(Mutex::new(child.stdin.take()));
        let (tell, ended) = watch::channel(None);
        let reaper_pipe = Arc::clone(&pipe);
        std::thread::Builder::new().name(format!("{name} reaper")).spawn(move || {
            let status = child.wait().unwrap_or_default();
            if let Some(mut pipe) = reaper_pipe.lock().unwrap_or_else(PoisonError::into_inner).take() {
                // The watcher may be gone as well; then nobody needs to be told.
                let _ = pipe.write_all(b"ended\n");
            }
            tell.send_replace(Some(status));
        })?;
        Ok(Child { name, pid, pipe, ended, grace })
    }

    /// The service's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How the service ended, if it has.
    pub fn ended(&self) -> Option<ExitStatus> {
        *self.ended.borrow()
    }

    /// Waits until the service has ended, by whatever cause.
    pub async fn wait(&self) -> ExitStatus {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(status) => status.unwrap_or_default(),
            Err(_) => ExitStatus::default(),
        }
    }

    /// Interrupts the service and waits for its end; one that ignores the interrupt is killed after its grace.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.interrupt();
        let deadline = self.grace + Duration::from_secs(5);
        tokio::time::timeout(deadline, self.wait())
            .await
            .with_context(|| format!("{} (process {}) did not end within {deadline:?}", self.name, self.pid))?;
        Ok(())
    }

    fn interrupt(&self) {
        drop(self.pipe.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.interrupt();
    }
}
