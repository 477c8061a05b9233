//! The file in which anvil keeps a chain.
//!
//! Anvil writes it every few seconds and when interrupted, and each time it first empties the file: killed in between
//! it leaves half a chain, which it refuses to read. Whole states are therefore copied aside.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio::task::JoinHandle;

use crate::dev::claim::{Claim, end_leftover};

/// How often anvil writes its state; what a kill of everything at once may lose.
const INTERVAL: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct State {
    file: PathBuf,
    copier: Option<JoinHandle<()>>,
}

impl State {
    /// Claims a state file, and thereby its folder, for this process.
    pub(super) async fn claim(file: &Path) -> anyhow::Result<(Claim, State)> {
        let folder = file.parent().context("the chain's state needs a folder")?;
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let file = folder.canonicalize()?.join(file.file_name().context("the chain's state needs a file name")?);
        Ok((Claim::on(folder).await?, State { file, copier: None }))
    }

    pub(super) fn arguments(&self, set: &mut impl FnMut(&str, String)) {
        set("--state", self.file.display().to_string());
        set("--state-interval", INTERVAL.as_secs().to_string());
        set("--cache-path", self.beside("past").display().to_string());
    }

    pub(super) fn write_pid(&self, pid: u32) -> anyhow::Result<()> {
        Ok(std::fs::write(self.beside("pid"), pid.to_string())?)
    }

    pub(super) async fn end_running(&self, grace: Duration) -> anyhow::Result<()> {
        let Ok(text) = std::fs::read_to_string(self.beside("pid")) else { return Ok(()) };
        match text.trim().parse() {
            Ok(pid) => end_leftover(pid, &self.file.display().to_string(), grace).await,
            Err(_) => Ok(()),
        }
    }

    /// Puts the last whole copy in the place of a state that anvil could not read. False when there is none.
    pub(super) fn restore(&self) -> bool {
        std::fs::rename(self.beside("whole"), &self.file).is_ok()
    }

    pub(super) fn keeping_copies(mut self) -> State {
        let (file, partial, whole) = (self.file.clone(), self.beside("partial"), self.beside("whole"));
        self.copier = Some(tokio::spawn(async move {
            let mut copied = None;
            loop {
                tokio::time::sleep(Duration::from_millis(500)).await;
                let written = changed(&file).await;
                if written.is_none() || written == copied || copy_unchanged(&file, &partial).await.is_none() {
                    continue;
                }
                if tokio::fs::rename(&partial, &whole).await.is_ok() {
                    copied = written;
                }
            }
        }));
        self
    }

    pub(super) async fn stop_copying(&mut self) {
        if let Some(copier) = self.copier.take() {
            copier.abort();
            // It ends by being aborted, which is what was asked for.
            let _ = copier.await;
        }
    }

    pub(super) fn remove(&self) -> anyhow::Result<()> {
        let past = self.beside("past");
        if past.exists() {
            std::fs::remove_dir_all(past)?;
        }
        for file in [self.file.clone(), self.beside("pid"), self.beside("whole"), self.beside("partial")] {
            if file.exists() {
                std::fs::remove_file(file)?;
            }
        }
        Ok(())
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = OsString::from(&self.file);
        name.push(".");
        name.push(suffix);
        name.into()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if let Some(copier) = self.copier.take() {
            copier.abort();
        }
    }
}

/// Copies a file that anvil leaves alone from well before the copy until after it.
async fn copy_unchanged(file: &Path, to: &Path) -> Option<()> {
    let before = changed(file).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    tokio::fs::copy(file, to).await.ok()?;
    (changed(file).await? == before).then_some(())
}

async fn changed(file: &Path) -> Option<(SystemTime, u64)> {
    let metadata = tokio::fs::metadata(file).await.ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
