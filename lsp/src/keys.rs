//! What is known of the key files of a project: whether the one that signs is there and private, and
//! which others there are. Reads the disk, so it belongs on a blocking thread.

use otaru_lsp_build::keys::{DeviceKey, is_for_development};
use otaru_lsp_ide::KeyFile;
use otaru_lsp_project::{Manifest, Spanned};
use std::path::{Path, PathBuf};

/// How many key files are listed at most.
const PATHS_MAX: usize = 50;
/// Longest index of a repository that is looked into, in bytes.
const INDEX_LEN_MAX: u64 = 16 << 20;
/// How far above the project its repository is looked for.
const HEIGHT_MAX: usize = 16;

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The key that signs.
    pub(crate) signing: KeyFile,
    /// The devices' key, for which images are encrypted.
    pub(crate) encryption: KeyFile,
    /// Those of the manifest that were made for development, as it writes them.
    pub(crate) development: Vec<String>,
    /// All key files beside the manifest and in `keys`, relative to the folder.
    pub(crate) paths: Vec<String>,
}

/// The key files that a manifest names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Named {
    /// `[signing] key`
    pub(crate) signing: Option<String>,
    /// `[encryption] key`
    pub(crate) encryption: Option<String>,
    /// All of them, with the key table.
    pub(crate) all: Vec<String>,
}

impl Named {
    /// Those of a manifest.
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let name = |key: &Option<Spanned<String>>| key.as_ref().map(|key| key.value.clone());
        Self {
            signing: name(&manifest.signing.key),
            encryption: name(&manifest.encryption.key),
            all: manifest.key_files().map(|key| key.value.clone()).collect(),
        }
    }
}

/// Looks at the keys of a project.
pub(crate) fn look(folder: &Path, named: &Named) -> Found {
    let state = |name: &Option<String>, look: fn(&Path, &Path) -> KeyFile| {
        let path = name.as_ref().map(|name| folder.join(name));
        path.map_or(KeyFile::Unknown, |path| look(folder, &path))
    };
    let signing = state(&named.signing, key_file);
    let encryption = state(&named.encryption, encryption_key_file);
    let mut paths = Vec::new();
    for below in ["", "keys"] {
        let Ok(entries) = std::fs::read_dir(folder.join(below)) else {
            continue;
        };
        for entry in entries.flatten().take(1_000) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_key = [".pem", ".pub"].iter().any(|end| name.ends_with(end));
            if is_key && paths.len() < PATHS_MAX {
                paths.push(match below {
                    "" => name,
                    below => format!("{below}/{name}"),
                });
            }
        }
    }
    paths.sort();
    let mut development = named.all.clone();
    development.retain(|name| is_for_development(&folder.join(name)));
    Found {
        signing,
        encryption,
        development,
        paths,
    }
}

/// The public half, which everybody may have, will do to encrypt.
fn encryption_key_file(folder: &Path, path: &Path) -> KeyFile {
    let found = key_file(folder, path);
    let is_exposed = matches!(found, KeyFile::WorldReadable | KeyFile::Tracked);
    if is_exposed && DeviceKey::load(path).is_ok_and(|key| key.private.is_none()) {
        KeyFile::Present
    } else {
        found
    }
}

fn key_file(folder: &Path, path: &Path) -> KeyFile {
    let Ok(found) = std::fs::metadata(path) else {
        return KeyFile::Missing;
    };
    if !found.is_file() {
        KeyFile::Missing
    } else if is_tracked(folder, path) {
        KeyFile::Tracked
    } else if is_world_readable(&found) {
        KeyFile::WorldReadable
    } else {
        KeyFile::Present
    }
}

#[cfg(unix)]
fn is_world_readable(found: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    found.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn is_world_readable(_found: &std::fs::Metadata) -> bool {
    false
}

/// Whether git tracks the file: its path stands in the index, as a whole name that ends with a zero.
/// An index of version 4 shortens names, and a work tree of its own keeps its index elsewhere; there
/// this finds nothing, and nothing is said.
fn is_tracked(folder: &Path, path: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else {
        return false;
    };
    let Ok(path) = path.canonicalize() else {
        return false;
    };
    let Some((root, index)) = repository(&folder) else {
        return false;
    };
    let is_small = std::fs::metadata(&index).is_ok_and(|index| index.len() <= INDEX_LEN_MAX);
    let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str) else {
        return false;
    };
    let Some(index) = is_small.then(|| std::fs::read(index).ok()).flatten() else {
        return false;
    };
    // An entry has two bytes with the name's length before the name; their low twelve bits count.
    let Ok(len) = u16::try_from(name.len()) else {
        return false;
    };
    let mut wanted = len.to_be_bytes().to_vec();
    wanted.extend_from_slice(name.as_bytes());
    wanted.push(0);
    index.windows(wanted.len()).any(|window| window == wanted)
}

/// The nearest repository around a folder, and its index.
fn repository(folder: &Path) -> Option<(&Path, PathBuf)> {
    folder.ancestors().take(HEIGHT_MAX).find_map(|above| {
        let index = above.join(".git").join("index");
        index.is_file().then_some((above, index))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, bytes: &[u8]) {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, bytes).expect("written");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let private = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(path, private).expect("made private");
        }
    }

    // A5: a key that everybody has signs for everybody.
    #[test]
    fn a_key_in_the_index_of_git_is_tracked_and_no_other() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let project = root.path().join("lamp");
        for name in ["keys/dev.pem", "keys/dev.pem.old", "v.pem"] {
            write(&project.join(name), b"key");
        }
        let mut index = b"DIRC\0\0\0\x02".to_vec();
        index.extend_from_slice(b"\0\x11lamp/keys/dev.pem\0");
        write(&root.path().join(".git/index"), &index);
        let state = |name: &str| {
            let named = Named {
                signing: Some(name.to_owned()),
                ..Named::default()
            };
            look(&project, &named).signing
        };
        assert_eq!(state("keys/dev.pem"), KeyFile::Tracked);
        assert_eq!(state("keys/dev.pem.old"), KeyFile::Present);
        assert_eq!(state("v.pem"), KeyFile::Present);
        assert_eq!(state("keys"), KeyFile::Missing);
        let listed = look(&project, &Named::default()).paths;
        assert_eq!(listed, ["keys/dev.pem", "v.pem"]);
    }

    #[test]
    fn keys_of_the_manifest_that_were_made_for_development_are_found() {
        use otaru_lsp_build::keys::{Algorithm, ProjectKey};
        let folder = tempfile::tempdir().expect("a temporary folder");
        let make = |name: &str, development| {
            let path = folder.path().join(name);
            ProjectKey::create(&path, Algorithm::Ed25519, development).expect("a key")
        };
        make("field.pem", false);
        make("dev.pem", true);
        DeviceKey::create(&folder.path().join("device.pem"), true).expect("a key");
        let names = ["field.pem", "dev.pem", "device.pem", "lost.pem", "."];
        let named = Named {
            all: names.map(str::to_owned).into(),
            ..Named::default()
        };
        let found = look(folder.path(), &named);
        assert_eq!(found.development, ["dev.pem", "device.pem"]);
    }

    // Everybody may have what encrypts, and nobody what decrypts.
    #[test]
    fn public_half_of_the_encryption_key_may_be_seen_and_the_private_one_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let private = folder.path().join("device.pem");
        let made = DeviceKey::create(&private, true).expect("a key");
        let public = folder.path().join("device.pub");
        std::fs::write(&public, made.public.to_pem()).expect("written");
        let state = |name: &str| {
            let named = Named {
                encryption: Some(name.to_owned()),
                ..Named::default()
            };
            look(folder.path(), &named).encryption
        };
        assert_eq!(state("device.pem"), KeyFile::Present);
        assert_eq!(state("lost.pem"), KeyFile::Missing);
        #[cfg(unix)]
        for (name, mode, expected) in [
            ("device.pub", 0o644, KeyFile::Present),
            ("device.pem", 0o644, KeyFile::WorldReadable),
        ] {
            use std::os::unix::fs::PermissionsExt as _;
            let readable = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(folder.path().join(name), readable).expect("changed");
            assert_eq!(state(name), expected, "{name}");
        }
        // Under version control the same.
        for name in ["device.pem", "device.pub"] {
            let index = [b"DIRC\0\0\0\x02\0\x0a".as_slice(), name.as_bytes(), b"\0"].concat();
            write(&folder.path().join(".git/index"), &index);
            let expected = match name {
                "device.pub" => KeyFile::Present,
                _private => KeyFile::Tracked,
            };
            assert_eq!(state(name), expected, "{name}");
        }
    }
}
