//! A compiler for bare-metal targets.
//!
//! Where rustup has installed a target, that is all it takes. Elsewhere the distribution's compiler
//! and its matching library source do: we put together a folder that looks like an installed
//! toolchain (a compiler that takes this folder for its library root, the host's libraries, the
//! linker) and compile `core`, `alloc` and `compiler_builtins` into it once per target.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{CORTEX_M0, GUEST_TARGET, TARGETS};
use crate::process::Program;
use crate::{cache, report};

/// The distribution's compiler.
pub(crate) const SYSTEM_RUSTC: &str = "/usr/bin/rustc";
const HOST: &str = "x86_64-unknown-linux-gnu";
const LIBRARIES: &[&str] = &["core", "alloc", "compiler_builtins"];

/// Raised when the way the folder is built changes.
const RECIPE: &str = "1";

/// Everything that is built for: devices, and the bytecode that runs on them.
fn targets() -> impl Iterator<Item = &'static str> {
    TARGETS.iter().copied().chain([CORTEX_M0, GUEST_TARGET])
}

/// The compiler on the search path can build for `target` as it is.
///
/// # Errors
/// If there is no compiler on the search path.
pub(crate) fn rustup_has(target: &str) -> Result<bool> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let text = Program::new(compiler)
        .args(["--print", "target-libdir", "--target", target])
        .output()
        .with_context(|| format!("rustc does not know the target {target}"))?;
    Ok(has_core(Path::new(text.trim())))
}

/// The compiler on the search path itself, not what chooses between several.
///
/// # Errors
/// If there is no compiler on the search path.
pub(crate) fn rustup_rustc() -> Result<PathBuf> {
    let sysroot = Program::new("rustc")
        .args(["--print", "sysroot"])
        .output()?;
    Ok(Path::new(sysroot.trim()).join("bin/rustc"))
}

/// The compiler on the search path can build for every target as it is.
///
/// # Errors
/// If there is no compiler on the search path.
pub(crate) fn rustup_has_targets() -> Result<bool> {
    targets().try_fold(true, |all, target| Ok(all && rustup_has(target)?))
}

/// The compiler to use where rustup has no target.
///
/// # Errors
/// If the cache folder cannot be found.
pub(crate) fn rustc() -> Result<PathBuf> {
    Ok(folder()?.join("bin/rustc"))
}

/// Every target has its libraries in our folder.
///
/// # Errors
/// If the cache folder cannot be found.
pub(crate) fn is_built() -> Result<bool> {
    let folder = folder()?;
    Ok(targets().all(|target| has_core(&libraries(&folder, target))))
}

/// Puts the folder together and compiles the libraries that are missing.
///
/// # Errors
/// If the distribution's compiler or its library source is missing, or does not compile.
pub(crate) fn build() -> Result<()> {
    if is_built()? {
        return Ok(());
    }
    let folder = folder()?;
    let system = Program::new(SYSTEM_RUSTC)
        .args(["--print", "sysroot"])
        .output()
        .context("either `rustup target add` the targets, or install rustc-web and rust-web-src")?;
    let system = Path::new(system.trim()).join("lib/rustlib");
    if !system.join("src/rust/library/Cargo.lock").exists() {
        bail!("the library source of {SYSTEM_RUSTC} is missing; install rust-web-src");
    }
    assemble(&folder, &system)?;
    for target in targets() {
        if !has_core(&libraries(&folder, target)) {
            report::line(&format!(
                "    compiling the core libraries for {target}, once"
            ));
            compile(&folder, target)?;
        }
    }
    Ok(())
}

fn has_core(libraries: &Path) -> bool {
    std::fs::read_dir(libraries).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libcore-") && name.ends_with(".rlib")
        })
    })
}

fn libraries(folder: &Path, target: &str) -> PathBuf {
    folder.join("lib/rustlib").join(target).join("lib")
}

/// One folder per version of the distribution's compiler.
fn folder() -> Result<PathBuf> {
    let version = Program::new(SYSTEM_RUSTC)
        .arg("--version")
        .output()
        .unwrap_or_default();
    let hash = cache::short_hash([version.trim().as_bytes(), RECIPE.as_bytes()]);
    Ok(cache::folder()?.join(format!("bare-metal-{hash}")))
}

fn assemble(folder: &Path, system: &Path) -> Result<()> {
    let host = folder.join("lib/rustlib").join(HOST);
    for part in [folder.join("bin"), host.join("bin")] {
        std::fs::create_dir_all(&part)
            .with_context(|| format!("cannot create {}", part.display()))?;
    }
    link(&system.join(HOST).join("lib"), &host.join("lib"))?;
    link(&system.join("src"), &folder.join("lib/rustlib/src"))?;
    // The distribution's compiler comes without the linker that rustup's brings.
    let rustup = Program::new("rustc")
        .args(["--print", "sysroot"])
        .output()?;
    let linker = Path::new(rustup.trim())
        .join("lib/rustlib")
        .join(HOST)
        .join("bin/rust-lld");
    if linker.exists() {
        link(&linker, &host.join("bin/rust-lld"))?;
    }
    let compiler = folder.join("bin/rustc");
    let text = format!(
        "#!/bin/sh\nexec {SYSTEM_RUSTC} --sysroot '{}' \"$@\"\n",
        folder.display()
    );
    std::fs::write(&compiler, text)
        .with_context(|| format!("cannot write {}", compiler.display()))?;
    make_executable(&compiler)
}

/// Compiles the libraries in a throw-away package outside the workspace, whose settings would
/// otherwise apply.
fn compile(folder: &Path, target: &str) -> Result<()> {
    let seed = folder.join(format!("seed-{target}"));
    std::fs::create_dir_all(seed.join("src")).context("cannot create the seed package")?;
    let manifest = "[package]\nname = \"seed\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
                    [workspace]\n\n[profile.release]\npanic = \"abort\"\n";
    std::fs::write(seed.join("Cargo.toml"), manifest).context("cannot write the seed package")?;
    std::fs::write(seed.join("src/lib.rs"), "#![no_std]\n").context("cannot write the seed")?;
    Program::cargo()
        .args(["build", "--release", "--target", target])
        .arg(format!("-Zbuild-std={}", LIBRARIES.join(",")))
        .arg("-Zbuild-std-features=compiler-builtins-mem")
        .arg("--target-dir")
        .arg(seed.join("target"))
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTC", folder.join("bin/rustc"))
        // With bitcode, firmware can be optimised across crates including these.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .folder(&seed)
        .run_logged(&cache::log_file(&format!("core-libraries-{target}"))?)?;
    let built = seed.join("target").join(target).join("release/deps");
    let staged = folder.join(format!("staged-{target}"));
    std::fs::create_dir_all(&staged).context("cannot create the staging folder")?;
    for entry in std::fs::read_dir(&built)
        .context("nothing was built")?
        .flatten()
    {
        let name = entry.file_name();
        let text = name.to_string_lossy();
        let wanted = LIBRARIES
            .iter()
            .any(|lib| text.starts_with(&format!("lib{lib}-")));
        if wanted && text.ends_with(".rlib") {
            std::fs::copy(entry.path(), staged.join(&name)).context("cannot copy a library")?;
        }
    }
    // The rename comes last, so that an interrupted installation is never taken for a complete one.
    let place = libraries(folder, target);
    std::fs::create_dir_all(place.parent().context("the library folder has a parent")?)?;
    std::fs::rename(&staged, &place)
        .with_context(|| format!("cannot move the libraries to {}", place.display()))?;
    std::fs::remove_dir_all(&seed).context("cannot remove the seed package")
}

#[cfg(unix)]
fn link(to: &Path, at: &Path) -> Result<()> {
    if at.is_symlink() {
        std::fs::remove_file(at).with_context(|| format!("cannot replace {}", at.display()))?;
    }
    std::os::unix::fs::symlink(to, at).with_context(|| format!("cannot link {}", at.display()))
}

#[cfg(unix)]
fn make_executable(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", file.display()))
}

#[cfg(not(unix))]
fn link(_to: &Path, _at: &Path) -> Result<()> {
    bail!(
        "here only rustup's own targets work: rustup target add {}",
        targets().collect::<Vec<_>>().join(" ")
    )
}

#[cfg(not(unix))]
fn make_executable(_file: &Path) -> Result<()> {
    Ok(())
}
