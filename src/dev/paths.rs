//! Where the development services lie: the project's root, its npm packages, its `.dev/`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The project's root: `DIOLKOS_ROOT` if set, else the folder this binary was compiled in if it still exists, else the
/// current folder.
pub fn root() -> anyhow::Result<PathBuf> {
    if let Some(root) = std::env::var_os("DIOLKOS_ROOT").filter(|root| !root.is_empty()) {
        let root = PathBuf::from(root);
        return root.canonicalize().with_context(|| format!("DIOLKOS_ROOT={} cannot be opened", root.display()));
    }
    let compiled_in = Path::new(env!("CARGO_MANIFEST_DIR"));
    if compiled_in.join("dev/package.json").is_file() {
        return Ok(compiled_in.to_path_buf());
    }
    std::env::current_dir().context("the current folder cannot be read")
}

/// The folder that holds everything a development server keeps: `.dev` in the root.
pub fn dev_dir() -> anyhow::Result<PathBuf> {
    Ok(root()?.join(".dev"))
}

/// An installed npm package's folder, such as `@account-abstraction/contracts`. Fails saying how to install it.
pub fn package(name: &str) -> anyhow::Result<PathBuf> {
    let path = root()?.join("dev/node_modules").join(name);
    if !path.is_dir() {
        bail!("{} is missing: run script/setup", path.display());
    }
    Ok(path)
}

/// The package with Postgres' programs for this machine.
pub fn postgres_package() -> anyhow::Result<PathBuf> {
    let (os, arch) = platform()?;
    package(&format!("@embedded-postgres/{os}-{}", if arch == "amd64" { "x64" } else { arch }))
}

/// The native anvil program, not its JavaScript shim, which would leave a Node process as parent.
pub fn anvil_program() -> anyhow::Result<PathBuf> {
    let (os, arch) = platform()?;
    Ok(package(&format!("@foundry-rs/anvil-{os}-{arch}"))?.join("bin/anvil"))
}

fn platform() -> anyhow::Result<(&'static str, &'static str)> {
    let os = match std::env::consts::OS {
        "linux" => "linux",
        "macos" => "darwin",
        other => bail!("no Postgres and anvil packages are pinned for {other}"),
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => bail!("no Postgres and anvil packages are pinned for {other}"),
    };
    Ok((os, arch))
}
