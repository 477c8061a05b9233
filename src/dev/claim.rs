//! One process at a time uses a service's folder, and what an earlier one left running there is ended first.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Holds a folder for this process. The kernel gives it up when the process ends, however it ends.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
}

impl Claim {
    /// Claims a folder; fails when another living process holds it. One that was killed a moment ago may take that
    /// moment to be gone.
    pub async fn on(folder: &Path) -> anyhow::Result<Claim> {
        let path = folder.join("lock");
        let file = File::options().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("{} cannot be written", path.display()))?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Claim { _lock: file }),
                Err(TryLockError::Error(error)) => {
                    return Err(error).context(format!("{} cannot be locked", path.display()));
                }
                Err(TryLockError::WouldBlock) if started.elapsed() > Duration::from_secs(2) => {
                    bail!("{} is in use: another Diolkos runs from it; stop that one first", folder.display());
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

/// Ends a process that an earlier run left behind and waits until it is gone: interrupted, and killed when that takes
/// longer than `grace`. One whose command line lacks `signature` is somebody else's, with a process id used again.
pub async fn end_leftover(pid: u32, signature: &str, grace: Duration) -> anyhow::Result<()> {
    let started = Instant::now();
    let (mut interrupted, mut killed) = (false, false);
    while command_line(pid).is_some_and(|line| line.contains(signature)) {
        let waited = started.elapsed();
        if !interrupted {
            tracing::info!(pid, signature, "ending a process that an earlier run left behind");
            send("INT", pid);
            interrupted = true;
        } else if waited > grace && !killed {
            send("KILL", pid);
            killed = true;
        } else if waited > grace + Duration::from_secs(5) {
            bail!("process {pid} ({signature}) was left behind by an earlier run and cannot be ended");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// The shell's own `kill`, for there may be no program of that name.
fn send(signal: &str, pid: u32) {
    let status = Command::new("/bin/sh").args(["-c", r#"kill -"$1" "$2""#, "sh", signal, &pid.to_string()]).status();
    if !status.is_ok_and(|status| status.success()) {
        tracing::debug!(pid, signal, "signal not delivered: the process is gone or is not ours");
    }
}

/// A living process's command line; none for one that has ended, reaped or not.
fn command_line(pid: u32) -> Option<String> {
    let line = if cfg!(target_os = "linux") {
        std::fs::read(format!("/proc/{pid}/cmdline")).ok()?
    } else {
        Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output().ok()?.stdout
    };
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    (!line.trim().is_empty()).then_some(line)
}
