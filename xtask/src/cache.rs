//! The user's cache folder: what setup installs stands here, outside the clone, so that the next
//! clone finds it. A stamp is a file that is written last and says that an installation is complete.

use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// `$XDG_CACHE_HOME/otaru`, else `~/.cache/otaru`; created if missing.
///
/// # Errors
/// If neither variable is set or the folder cannot be created.
pub(crate) fn folder() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(
            std::env::var_os("HOME")
                .or_else(|| std::env::var_os("USERPROFILE"))
                .context("neither XDG_CACHE_HOME nor HOME is set; set one of them")?,
        )
        .join(".cache"),
    };
    let folder = base.join("otaru");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create the cache folder {}", folder.display()))?;
    Ok(folder)
}

/// The file that takes the output of the installation step `name`.
///
/// # Errors
/// If the folder for it cannot be created.
pub(crate) fn log_file(name: &str) -> Result<PathBuf> {
    let folder = folder()?.join("logs");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder.join(format!("{name}.log")))
}

/// Holds the installation lock until it is dropped, so that two runs never install at once.
pub(crate) struct Lock(#[expect(dead_code, reason = "closing the file releases the lock")] File);

/// Waits until no other run installs.
///
/// # Errors
/// If the lock file cannot be created or locked.
pub(crate) fn lock() -> Result<Lock> {
    let path = folder()?.join("setup.lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(Lock(file))
}

/// A short name for a content: different contents get different names, for all practical purposes.
/// FNV-1a, because it must not change between versions of the standard library.
pub(crate) fn short_hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.iter().chain(std::iter::once(&0xff)) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::short_hash;

    #[test]
    fn the_hash_depends_on_every_byte_and_on_where_parts_end() {
        let parts = |list: &[&'static str]| short_hash(list.iter().map(|part| part.as_bytes()));
        assert_eq!(parts(&["a", "b"]), parts(&["a", "b"]));
        assert_ne!(parts(&["a", "b"]), parts(&["ab"]));
        assert_ne!(parts(&["a"]), parts(&["b"]));
        // A published value of this hash, over the bytes "a" and the part end 0xff.
        assert_eq!(parts(&[]), "cbf29ce484222325");
    }
}
