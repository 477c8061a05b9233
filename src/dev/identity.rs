//! The user that a service runs as: ourselves, or for Postgres, which refuses to run as root, `nobody`.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// `nobody` on every Linux; it must have an entry in the user database, for `initdb` looks its name up.
const NOBODY: u32 = 65534;

/// The user that a service runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The one we run as.
    Ourselves,
    /// `nobody`, because we run as root.
    Nobody,
}

impl Identity {
    /// Ourselves, unless we are root.
    pub fn unprivileged() -> anyhow::Result<Identity> {
        let id = Command::new("id").arg("-u").stderr(Stdio::inherit()).output().context("`id -u` cannot be run")?;
        Ok(if String::from_utf8_lossy(&id.stdout).trim() == "0" { Identity::Nobody } else { Identity::Ourselves })
    }

    /// Makes a command run as this user; supplementary groups are dropped with root's rights.
    pub fn apply(self, command: &mut Command) {
        match self {
            Identity::Ourselves => {}
            Identity::Nobody => {
                command.uid(NOBODY).gid(NOBODY);
            }
        }
    }

    /// Gives a file or folder, not what is in it, to this user.
    pub fn own(self, path: &Path) -> anyhow::Result<()> {
        match self {
            Identity::Ourselves => Ok(()),
            Identity::Nobody => std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY))
                .with_context(|| format!("{} cannot be given to the user nobody", path.display())),
        }
    }

    /// Whether this user can enter a folder; found out by trying, for folders above it and mount options count too.
    pub fn can_enter(self, folder: &Path) -> bool {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"cd "$1""#, "sh"]).arg(folder);
        self.succeeds(command)
    }

    /// Whether this user can write into a folder.
    pub fn can_write(self, folder: &Path) -> bool {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"cd "$1" && test -w ."#, "sh"]).arg(folder);
        self.succeeds(command)
    }

    /// Whether this user can run a program with these arguments, and it succeeds.
    pub fn can_run(self, program: &Path, argument: &str) -> bool {
        let mut command = Command::new(program);
        command.arg(argument);
        self.succeeds(command)
    }

    fn succeeds(self, mut command: Command) -> bool {
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.apply(&mut command);
        command.status().is_ok_and(|status| status.success())
    }

    /// Runs a command to its end; fails with what it printed.
    pub fn run(self, mut command: Command) -> anyhow::Result<()> {
        command.stdin(Stdio::null());
        self.apply(&mut command);
        let output = command.output().with_context(|| format!("{} cannot be run", command.get_program().display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{} failed ({}): {}", command.get_program().display(), output.status, said.trim());
        }
        Ok(())
    }
}
