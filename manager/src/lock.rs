//! One manager per folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::Path;

const FILE_NAME: &str = "manager.lock";

/// Holds the folder until it is dropped. The operating system lets go of it when the process dies,
/// however it dies.
#[derive(Debug)]
pub(crate) struct FolderLock(#[expect(dead_code, reason = "held for its lock")] File);

/// Why the folder could not be taken.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another manager has it.
    Taken,
    /// The lock file could not be made.
    Io(io::Error),
}

impl FolderLock {
    pub(crate) fn take(folder: &Path) -> Result<Self, LockError> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(FILE_NAME))
            .map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Taken),
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        // The number is for people who wonder which process it is; nothing depends on it.
        let noted = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = noted {
            tracing::warn!(%error, "could not note the process id in the lock file");
        }
        Ok(Self(file))
    }
}
