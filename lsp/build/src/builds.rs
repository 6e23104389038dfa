//! Automatic build numbers.
//!
//! A build number is counted up whenever the *content* of the image changed, so that a second
//! upload after an edit just works, and building twice without an edit gives the same label. The
//! numbers stand in `.otaru/builds.json`:
//!
//! ```json
//! {"format":1,"next":8,"builds":[{"number":7,"version":"1.1.0","content":"9f…"}]}
//! ```
//!
//! The file is replaced as a whole, under a lock that other processes of ours respect. One that
//! cannot be read is set aside, and counting begins anew; the manager's answer then says from
//! where to go on ([`BuildNumbers::raise_to`]).

use crate::explain::Explain;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

const FILE_NAME: &str = "builds.json";
const LOCK_NAME: &str = "lock";
const FORMAT: u32 = 1;
/// Builds that are remembered, so that going back to an older content gives its label again.
const BUILDS_MAX: usize = 200;
/// Longest file that is read, in bytes.
const FILE_LEN_MAX: u64 = 256 * 1024;

/// The numbers of one project, on disk.
#[derive(Debug, Clone)]
pub struct BuildNumbers {
    folder: PathBuf,
}

/// A number that was given to a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildNumber {
    /// The number, from 1.
    pub number: u32,
    /// Whether this content had it before.
    pub known: bool,
    /// Where a damaged file was set aside, if there was one.
    pub set_aside: Option<PathBuf>,
}

/// Why no number could be given.
#[derive(Debug, thiserror::Error)]
pub enum BuildNumberError {
    /// The file or its folder cannot be used.
    #[error("cannot keep build numbers in {}", path.display())]
    Storage {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// 4294967295 builds were counted.
    #[error("the build number of this project cannot be counted further")]
    Exhausted,
    /// The file was written by a newer Otaru.
    #[error("{} was written by a newer version of Otaru", .0.display())]
    Newer(PathBuf),
}

impl Explain for BuildNumberError {
    fn code(&self) -> &'static str {
        match self {
            Self::Storage { .. } => "build-number-storage",
            Self::Exhausted => "build-number-exhausted",
            Self::Newer(_) => "build-number-newer",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Storage { .. } => {
                Some("check that the project's folder can be written".to_owned())
            }
            Self::Exhausted => Some("delete .otaru/builds.json and raise the version".to_owned()),
            Self::Newer(_) => Some("update Otaru, or delete the file to count anew".to_owned()),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    format: u32,
    next: u32,
    builds: Vec<StoredBuild>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredBuild {
    number: u32,
    version: String,
    content: String,
}

impl BuildNumbers {
    /// The numbers kept in a project's state folder.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The number of a content of a version: the one it had, else the next one, which is stored
    /// before it is returned.
    ///
    /// # Errors
    /// [`BuildNumberError`]
    pub fn number_for(
        &self,
        version: &str,
        content: &str,
    ) -> Result<BuildNumber, BuildNumberError> {
        let _lock = self.lock()?;
        let (mut stored, set_aside) = self.load()?;
        let same = |build: &&StoredBuild| build.version == version && build.content == content;
        if let Some(build) = stored.builds.iter().rev().find(same) {
            return Ok(BuildNumber {
                number: build.number,
                known: true,
                set_aside,
            });
        }
        let number = stored.next;
        stored.next = number.checked_add(1).ok_or(BuildNumberError::Exhausted)?;
        stored.builds.push(StoredBuild {
            number,
            version: version.to_owned(),
            content: content.to_owned(),
        });
        let surplus = stored.builds.len().saturating_sub(BUILDS_MAX);
        stored.builds.drain(..surplus);
        self.store(&stored)?;
        Ok(BuildNumber {
            number,
            known: false,
            set_aside,
        })
    }

    /// Forgets which number a content has and makes the next number greater than `taken`: another
    /// machine has used these numbers already.
    ///
    /// # Errors
    /// [`BuildNumberError`]
    pub fn raise_to(&self, taken: u32, content: &str) -> Result<(), BuildNumberError> {
        let _lock = self.lock()?;
        let (mut stored, _) = self.load()?;
        stored.builds.retain(|build| build.content != content);
        let above = taken.checked_add(1).ok_or(BuildNumberError::Exhausted)?;
        stored.next = stored.next.max(above);
        self.store(&stored)
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    fn error(&self, source: std::io::Error) -> BuildNumberError {
        BuildNumberError::Storage {
            path: self.path(),
            source,
        }
    }

    /// Held while the file is read and replaced; given back when dropped.
    fn lock(&self) -> Result<File, BuildNumberError> {
        let open = || {
            std::fs::create_dir_all(&self.folder)?;
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(self.folder.join(LOCK_NAME))?;
            file.lock()?;
            Ok(file)
        };
        open().map_err(|source| self.error(source))
    }

    /// What is stored, and where a damaged file was set aside.
    fn load(&self) -> Result<(Stored, Option<PathBuf>), BuildNumberError> {
        let path = self.path();
        let empty = Stored {
            format: FORMAT,
            next: 1,
            builds: Vec::new(),
        };
        let mut text = Vec::new();
        match File::open(&path) {
            Ok(file) => file
                .take(FILE_LEN_MAX + 1)
                .read_to_end(&mut text)
                .map_err(|source| self.error(source))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((empty, None)),
            Err(error) => return Err(self.error(error)),
        };
        match serde_json::from_slice::<Stored>(&text) {
            Ok(stored) if stored.format > FORMAT => Err(BuildNumberError::Newer(path)),
            Ok(stored) if stored.next > 0 => Ok((stored, None)),
            Ok(_) | Err(_) => {
                let aside = self.folder.join("builds.damaged.json");
                std::fs::rename(&path, &aside).map_err(|source| self.error(source))?;
                Ok((empty, Some(aside)))
            }
        }
    }

    fn store(&self, stored: &Stored) -> Result<(), BuildNumberError> {
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            serde_json::to_writer_pretty(&mut file, stored)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(self.path()).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|source| self.error(source))
    }
}

#[cfg(test)]
mod tests {
    // DESIGN section 5, Versions: the build number is counted up when the content changed.
    use super::*;

    fn numbers() -> (tempfile::TempDir, BuildNumbers) {
        let folder = tempfile::tempdir().unwrap();
        let numbers = BuildNumbers::in_folder(&folder.path().join(".otaru"));
        (folder, numbers)
    }

    fn number(numbers: &BuildNumbers, version: &str, content: &str) -> u32 {
        numbers.number_for(version, content).unwrap().number
    }

    #[test]
    fn only_a_changed_content_counts() {
        let (_folder, numbers) = numbers();
        assert_eq!(number(&numbers, "1.0.0", "a"), 1);
        assert_eq!(number(&numbers, "1.0.0", "a"), 1);
        assert_eq!(number(&numbers, "1.0.0", "b"), 2);
        assert_eq!(
            number(&numbers, "1.1.0", "b"),
            3,
            "another version is another label"
        );
        assert_eq!(
            number(&numbers, "1.0.0", "a"),
            1,
            "back to an older content"
        );
        assert!(numbers.number_for("1.0.0", "a").unwrap().known);
        assert!(!numbers.number_for("1.0.0", "c").unwrap().known);
    }

    #[test]
    fn numbers_that_another_machine_used_are_skipped() {
        let (_folder, numbers) = numbers();
        assert_eq!(number(&numbers, "1.0.0", "a"), 1);
        numbers.raise_to(6, "a").unwrap();
        assert_eq!(number(&numbers, "1.0.0", "a"), 7);
        numbers.raise_to(3, "x").unwrap();
        assert_eq!(number(&numbers, "1.0.0", "b"), 8, "never counted down");
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_named() {
        let (_folder, numbers) = numbers();
        number(&numbers, "1.0.0", "a");
        for damaged in [
            "",
            "{",
            "[]",
            "{\"format\":1,\"next\":0,\"builds\":[]}",
            "\u{0}\u{0}",
        ] {
            std::fs::write(numbers.path(), damaged).unwrap();
            let given = numbers.number_for("1.0.0", "b").unwrap();
            assert_eq!(given.number, 1, "{damaged:?}");
            let aside = given.set_aside.expect("the damaged file is set aside");
            assert_eq!(std::fs::read_to_string(aside).unwrap(), damaged);
        }
    }

    #[test]
    fn a_file_of_a_newer_tool_is_left_alone() {
        let (_folder, numbers) = numbers();
        number(&numbers, "1.0.0", "a");
        let newer = "{\"format\":2,\"next\":9,\"builds\":[]}";
        std::fs::write(numbers.path(), newer).unwrap();
        let error = numbers.number_for("1.0.0", "b").unwrap_err();
        assert_eq!(error.code(), "build-number-newer");
        assert_eq!(std::fs::read_to_string(numbers.path()).unwrap(), newer);
    }

    #[test]
    fn counting_ends_with_an_error_instead_of_beginning_anew() {
        let (_folder, numbers) = numbers();
        numbers.raise_to(u32::MAX - 1, "x").unwrap();
        let error = numbers.number_for("1.0.0", "b").unwrap_err();
        assert_eq!(error.code(), "build-number-exhausted");
    }

    #[test]
    fn the_file_stays_small() {
        let (_folder, numbers) = numbers();
        for content in 0..BUILDS_MAX + 50 {
            number(&numbers, "1.0.0", &content.to_string());
        }
        let (stored, _) = numbers.load().unwrap();
        assert_eq!(stored.builds.len(), BUILDS_MAX);
    }

    #[test]
    fn processes_counting_at_once_never_share_a_number() {
        let (_folder, numbers) = numbers();
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let numbers = numbers.clone();
                std::thread::spawn(move || {
                    (0..10)
                        .map(|round| number(&numbers, "1.0.0", &format!("{thread}-{round}")))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let mut given: Vec<u32> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        given.sort_unstable();
        assert_eq!(given, (1..=80).collect::<Vec<_>>());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_a_clear_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".otaru");
        std::fs::write(&file, "in the way").unwrap();
        let error = BuildNumbers::in_folder(&file)
            .number_for("1.0.0", "a")
            .unwrap_err();
        assert_eq!(error.code(), "build-number-storage");
        assert!(error.hint().is_some());
    }
}
