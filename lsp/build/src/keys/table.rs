//! The key table of a project's devices: which keys they trust, in which order, and which of them an
//! image revokes when it is confirmed.

use super::{KeyError, is_development, refuse_in_release};
use crate::explain::{ErrorClass, Explain};
use crate::project::OpenProject;
use otaru_flash::{Key, KeyKind};
use otaru_image::{PublicKey, SigningKey};
use std::path::Path;

/// The key table as `Otaru.toml` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTable {
    keys: Vec<(PublicKey, bool)>,
    revoke: u16,
}

/// Why the key table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyTableError {
    /// A key of it cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key that signs is not in it.
    #[error("the key that signs is not in `[signing] key_table`")]
    SignerMissing,
    /// A key stands there twice.
    #[error("`{0}` in `[signing] key_table` is a key that stands there already")]
    Twice(String),
    /// The image would revoke the key that signs it.
    #[error("`{0}` in `[signing] revoke` is the key that signs")]
    RevokesSigner(String),
}

impl Explain for KeyTableError {
    fn code(&self) -> &'static str {
        match self {
            Self::Key(error) => error.code(),
            Self::SignerMissing => "key-not-in-table",
            Self::Twice(_) => "key-table",
            Self::RevokesSigner(_) => "revokes-own-key",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Key(error) => return error.hint(),
            Self::SignerMissing => {
                "devices would refuse the image: sign with a key that they were flashed with"
                    .to_owned()
            }
            Self::Twice(_) => "name every key once".to_owned(),
            Self::RevokesSigner(_) => {
                "devices would refuse the image, because they could not start it again: sign with \
                 the key that you move to, `[signing] key`"
                    .to_owned()
            }
        })
    }

    fn class(&self) -> ErrorClass {
        ErrorClass::Project
    }
}

impl KeyTable {
    /// The table of a project's devices and what an image revokes that `signer` signs. Without
    /// `[signing] key_table` it is the signer alone.
    ///
    /// # Errors
    /// [`KeyTableError`]: a key cannot be read, stands there twice or is for development where the
    /// project is for devices in the field, or devices would refuse the image because of this table.
    pub fn of(
        project: &OpenProject,
        signer: PublicKey,
        development: bool,
    ) -> Result<Self, KeyTableError> {
        let settings = &project.settings;
        refuse_in_release(project, &project.key_path(), development)?;
        if settings.key_table.is_empty() {
            let keys = vec![(signer, development)];
            return Ok(Self { keys, revoke: 0 });
        }
        let mut table = Self {
            keys: Vec::new(),
            revoke: 0,
        };
        for name in &settings.key_table {
            let path = project.root.join(name);
            let key = read(&path)?;
            refuse_in_release(project, &path, key.1)?;
            if table.keys.iter().any(|(known, _)| *known == key.0) {
                return Err(KeyTableError::Twice(name.clone()));
            }
            if settings.revoke.contains(name) {
                if key.0 == signer {
                    return Err(KeyTableError::RevokesSigner(name.clone()));
                }
                table.revoke |= 1 << table.keys.len();
            }
            table.keys.push(key);
        }
        if table.keys.iter().all(|(known, _)| *known != signer) {
            return Err(KeyTableError::SignerMissing);
        }
        Ok(table)
    }

    /// The keys in the form of the device block.
    pub fn keys(&self) -> Vec<Key> {
        let key = |(public, development): &(PublicKey, bool)| Key {
            public: public.to_bytes(),
            kind: match public.kind() {
                otaru_image::KeyKind::Ed25519 => KeyKind::Ed25519,
                otaru_image::KeyKind::P256 { y_odd } => KeyKind::P256 { y_odd },
            },
            development: *development,
        };
        self.keys.iter().map(key).collect()
    }

    /// The keys that the image revokes, bit = position in the table.
    pub const fn revoke(&self) -> u16 {
        self.revoke
    }
}

/// The public half in a key file, whichever half that is, and whether it was made for development.
pub(super) fn read(path: &Path) -> Result<(PublicKey, bool), KeyError> {
    if !path.exists() {
        return Err(KeyError::MissingInTable(path.to_owned()));
    }
    let public = match SigningKey::load(path) {
        Ok(key) => key.public(),
        Err(_not_private) => PublicKey::load(path).map_err(|source| KeyError::File {
            path: path.to_owned(),
            source,
        })?,
    };
    Ok((public, is_development(path, &public.to_hex())?))
}

#[cfg(test)]
mod tests {
    // Requirement: "several keys, moving to a key provisioned in advance, revocation".
    use super::*;
    use crate::keys::{Algorithm, ProjectKey};

    struct Workshop {
        folder: tempfile::TempDir,
        old: ProjectKey,
        next: ProjectKey,
    }

    fn workshop() -> Workshop {
        let folder = tempfile::tempdir().unwrap();
        let key = |name: &str, development| {
            ProjectKey::create(&folder.path().join(name), Algorithm::Ed25519, development).unwrap()
        };
        let (old, next) = (key("old.pem", true), key("next.pem", false));
        let public = next.signing.public();
        std::fs::write(folder.path().join("next.pub"), public.to_hex()).unwrap();
        std::fs::write(folder.path().join("next.pub.pem"), public.to_pem()).unwrap();
        Workshop { folder, old, next }
    }

    impl Workshop {
        fn table(&self, signer: &ProjectKey, signing: &str) -> Result<KeyTable, KeyTableError> {
            let key = signer.path.file_name().unwrap().to_str().unwrap();
            let text = format!(
                "[project]\nname = \"lamp\"\nboard = \"host\"\n[signing]\nkey = \"{key}\"\n{signing}\n"
            );
            std::fs::write(self.folder.path().join("Otaru.toml"), text).unwrap();
            let project = OpenProject::open(self.folder.path()).unwrap();
            KeyTable::of(&project, signer.signing.public(), signer.development)
        }
    }

    #[test]
    fn without_a_table_devices_trust_the_signer() {
        let shop = workshop();
        let table = shop.table(&shop.old, "").unwrap();
        let public = shop.old.signing.public().to_bytes();
        let key = Key {
            public,
            kind: KeyKind::Ed25519,
            development: true,
        };
        assert_eq!((table.keys(), table.revoke()), (vec![key], 0));
    }

    #[test]
    fn positions_follow_the_list_and_either_half_of_a_key_will_do() {
        let shop = workshop();
        let [old, next] = [&shop.old, &shop.next].map(|key| key.signing.public().to_bytes());
        for file in ["next.pub", "next.pub.pem", "next.pem"] {
            let list = format!("key_table = [\"old.pem\", \"{file}\"]");
            let table = shop.table(&shop.old, &list).unwrap();
            let keys: Vec<_> = table.keys().iter().map(|key| key.public).collect();
            assert_eq!(keys, [old, next], "{file}");
            assert!(table.keys()[0].development && !table.keys()[1].development);
            assert_eq!(table.revoke(), 0);
            let moved = format!("{list}\nrevoke = [\"old.pem\"]");
            let table = shop.table(&shop.next, &moved).unwrap();
            assert_eq!(table.revoke(), 1);
        }
    }

    #[test]
    fn tables_that_devices_would_not_go_along_with_are_refused() {
        let shop = workshop();
        let check = |signer: &ProjectKey, signing: &str, code: &str| {
            let error = shop.table(signer, signing).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(error.hint().is_some());
        };
        check(
            &shop.next,
            "key_table = [\"old.pem\", \"next.pub\"]\nrevoke = [\"next.pub\"]",
            "revokes-own-key",
        );
        check(&shop.next, "key_table = [\"old.pem\"]", "key-not-in-table");
        check(
            &shop.next,
            "key_table = [\"next.pub\", \"next.pub.pem\"]",
            "key-table",
        );
        check(&shop.old, "key_table = [\"lost.pem\"]", "key-missing");
    }

    // A5: what a key in somebody's project folder has signed is not for devices in the field.
    #[test]
    fn development_keys_are_refused_where_devices_are_in_the_field() {
        let shop = workshop();
        let old = shop.old.signing.public();
        std::fs::write(shop.folder.path().join("old.pub"), old.to_hex()).unwrap();
        let refused = |signer: &ProjectKey, signing: &str, file: &str| {
            let error = shop.table(signer, signing).unwrap_err();
            assert_eq!(error.code(), "dev-key-in-release", "{error}");
            assert!(error.to_string().contains(file), "{error}");
            assert!(error.hint().unwrap().contains("otaru keys new --release"));
        };
        refused(&shop.old, "release = true", "old.pem");
        // Whichever half names it, and whoever signs.
        for file in ["old.pem", "old.pub"] {
            let list = format!("key_table = [\"next.pem\", \"{file}\"]");
            refused(&shop.next, &format!("{list}\nrelease = true"), file);
            assert!(shop.table(&shop.next, &list).is_ok());
        }
        for signing in [
            "release = true",
            "key_table = [\"next.pub\"]\nrelease = true",
        ] {
            let table = shop.table(&shop.next, signing).unwrap();
            assert!(!table.keys()[0].development);
        }
    }
}
