//! Where a cluster's data, socket and programs lie.
//!
//! As a rule in the folder asked for and in `dev/node_modules`. Not so when we are root and that folder is inside
//! `/root` or the like: Postgres then runs as `nobody`, who must reach all three, so they move to
//! `/var/lib/diolkos-dev`, under a name made from the folder's path; `moved-to` in the folder says where.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::dev::identity::Identity;
use crate::dev::paths;

/// A socket's path may have 107 bytes on Linux and 103 on macOS; Postgres adds `/.s.PGSQL.5432.lock`.
const SOCKET_FOLDER_MAX: usize = 84;
const POINTER: &str = "moved-to";

#[derive(Debug)]
pub(super) struct Home {
    pub identity: Identity,
    pub data: PathBuf,
    pub socket: PathBuf,
    pub log: PathBuf,
    pub postgres: PathBuf,
    place: PathBuf,
}

impl Home {
    /// Finds or prepares the places for the cluster of `dir`, which exists.
    pub(super) fn find(dir: &Path) -> anyhow::Result<Home> {
        let identity = Identity::unprivileged()?;
        let key = hex::encode(&Sha256::digest(dir.as_os_str().as_bytes())[..6]);
        let place = place(dir, identity, &key)?;
        if place.to_str().is_none() {
            bail!("{} is not a name in UTF-8, which Postgres' settings need", place.display());
        }
        let mut socket = place.join("socket");
        if socket.as_os_str().len() > SOCKET_FOLDER_MAX {
            socket = Path::new("/tmp").join(format!("diolkos-{key}"));
        }
        let postgres = programs(identity)?.join("bin/postgres");
        let home = Home { identity, data: place.join("data"), socket, log: dir.join("postgres.log"), postgres, place };
        home.make_private(&home.socket)?;
        Ok(home)
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.postgres.with_file_name(name)
    }

    /// A role's address of a database.
    pub(super) fn url(&self, role: &str, database: &str) -> String {
        let socket: String = url::form_urlencoded::byte_serialize(self.socket.as_os_str().as_bytes()).collect();
        format!("postgres://{role}@localhost/{database}?host={socket}")
    }

    /// Makes a folder that nobody but the cluster's user, and root, may enter.
    pub(super) fn make_private(&self, folder: &Path) -> anyhow::Result<()> {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(error).context(format!("{} cannot be made", folder.display()));
            }
            _ => {}
        }
        if !folder.symlink_metadata()?.is_dir() {
            bail!("{} is in the way: it should be a folder", folder.display());
        }
        self.identity.own(folder)?;
        std::fs::set_permissions(folder, Permissions::from_mode(0o700))
            .with_context(|| format!("{} belongs to another user", folder.display()))
    }

    /// Removes everything, in `dir` and elsewhere.
    pub(super) fn remove(&self, dir: &Path) -> anyhow::Result<()> {
        for folder in [&self.socket, &self.place, &dir.to_path_buf()] {
            if folder.exists() {
                std::fs::remove_dir_all(folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
            }
        }
        Ok(())
    }
}

fn place(dir: &Path, identity: Identity, key: &str) -> anyhow::Result<PathBuf> {
    let pointer = dir.join(POINTER);
    if identity == Identity::Ourselves || (!pointer.exists() && identity.can_enter(dir)) {
        return Ok(dir.to_path_buf());
    }
    let place = away()?.join(key);
    if !pointer.exists() && place.exists() {
        // What it belonged to was removed by hand, and its keys with it.
        std::fs::remove_dir_all(&place)?;
    }
    std::fs::create_dir_all(&place)?;
    std::fs::set_permissions(&place, Permissions::from_mode(0o755))?;
    if !identity.can_enter(&place) {
        bail!(
            "neither {} nor {} can be entered by the user nobody, as whom Postgres runs when we are root: \
               run as an ordinary user",
            dir.display(),
            place.display()
        );
    }
    std::fs::write(&pointer, format!("{}\n", place.display()))?;
    tracing::info!(place = %place.display(), "the user nobody cannot reach {}: Postgres keeps its data elsewhere", dir.display());
    Ok(place)
}

/// A folder of root's that everybody may enter.
fn away() -> anyhow::Result<PathBuf> {
    for folder in ["/var/lib/diolkos-dev", "/tmp/diolkos-dev"] {
        let folder = PathBuf::from(folder);
        if std::fs::create_dir_all(&folder).is_err() {
            continue;
        }
        let metadata = folder.symlink_metadata()?;
        if metadata.is_dir() && metadata.uid() == 0 {
            std::fs::set_permissions(&folder, Permissions::from_mode(0o755))?;
            return Ok(folder);
        }
    }
    bail!("neither /var/lib nor /tmp can be written: run as an ordinary user")
}

#[derive(Deserialize)]
struct Link {
    source: String,
    target: String,
}

/// The folder with Postgres' `bin`, `lib` and `share` that `identity` can use.
fn programs(identity: Identity) -> anyhow::Result<PathBuf> {
    let package = paths::postgres_package()?;
    link_libraries(&package)?;
    let native = package.join("native");
    if usable(identity, &native) {
        return Ok(native);
    }
    if identity == Identity::Ourselves {
        bail!("{} does not run on this machine; try its bin/postgres -V", native.display());
    }
    let manifest = std::fs::read(package.join("package.json"))?;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest)?;
    let version = manifest["version"].as_str().context("the Postgres package has no version")?;
    let copy = away()?.join(format!("postgres-{version}"));
    if !usable(identity, &copy) {
        copy_programs(&native, &copy)?;
    }
    if !usable(identity, &copy) {
        bail!("Postgres does not run on this machine as the user nobody; try {}/bin/postgres -V", copy.display());
    }
    Ok(copy)
}

fn usable(identity: Identity, native: &Path) -> bool {
    identity.can_run(&native.join("bin/postgres"), "-V") && identity.can_enter(&native.join("share/postgresql"))
}

/// npm packages cannot carry symbolic links; this makes those that the package's install script would make.
fn link_libraries(package: &Path) -> anyhow::Result<()> {
    let links = std::fs::read(package.join("native/pg-symlinks.json"))?;
    for link in serde_json::from_slice::<Vec<Link>>(&links)? {
        let target = package.join(&link.target);
        if target.symlink_metadata().is_ok() {
            continue;
        }
        let source = Path::new(&link.source).file_name().context("a link without a source")?;
        match std::os::unix::fs::symlink(source, &target) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(error).context(format!("{} cannot be made", target.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn copy_programs(native: &Path, to: &Path) -> anyhow::Result<()> {
    let unfinished = to.with_extension(format!("unfinished-{}", std::process::id()));
    let mut copy = Command::new("cp");
    copy.arg("-R").arg(native).arg(&unfinished);
    Identity::Ourselves.run(copy)?;
    let mut open = Command::new("chmod");
    open.args(["-R", "a+rX"]).arg(&unfinished);
    Identity::Ourselves.run(open)?;
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    std::fs::rename(&unfinished, to)?;
    Ok(())
}
