//! Unix sockets in folders whose path may be too long for a socket address (108 bytes).

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// A short path to a folder, valid as long as the value lives.
#[cfg(target_os = "linux")]
struct ShortPath(std::fs::File);

#[cfg(target_os = "linux")]
impl ShortPath {
    fn to(dir: &Path) -> io::Result<Self> {
        std::fs::File::open(dir).map(Self)
    }

    fn join(&self, name: &str) -> PathBuf {
        use std::os::fd::AsRawFd;
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.0.as_raw_fd()))
    }
}

/// A short path to a folder, valid as long as the value lives.
#[cfg(not(target_os = "linux"))]
struct ShortPath(PathBuf);

#[cfg(not(target_os = "linux"))]
impl ShortPath {
    fn to(dir: &Path) -> io::Result<Self> {
        use std::hash::{BuildHasher, Hasher};
        let dir = dir.canonicalize()?;
        let unique = std::hash::RandomState::new().build_hasher().finish();
        let link = PathBuf::from(format!("/tmp/otaru-{unique:016x}"));
        std::os::unix::fs::symlink(dir, &link)?;
        Ok(Self(link))
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

#[cfg(not(target_os = "linux"))]
impl Drop for ShortPath {
    fn drop(&mut self) {
        // A link that cannot be removed is 20 bytes in /tmp.
        drop(std::fs::remove_file(&self.0));
    }
}

/// Listens on `name` in `dir`; a socket that a dead chip left there is replaced. The caller holds
/// the folder's lock.
pub(crate) fn bind(dir: &Path, name: &str) -> io::Result<UnixListener> {
    match std::fs::remove_file(dir.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    UnixListener::bind(ShortPath::to(dir)?.join(name))
}

/// Connects to `name` in `dir`.
pub(crate) fn connect(dir: &Path, name: &str) -> io::Result<UnixStream> {
    UnixStream::connect(ShortPath::to(dir)?.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn folders_with_long_paths_work() {
        let root = tempfile::tempdir().expect("temporary folder");
        let dir = root.path().join("x".repeat(200));
        std::fs::create_dir(&dir).expect("folder");
        for _ in 0..2 {
            let listener = bind(&dir, "a.sock").expect("bind");
            let mut client = connect(&dir, "a.sock").expect("connect");
            let (mut server, _) = listener.accept().expect("accept");
            client.write_all(b"x").expect("write");
            let mut byte = [0];
            server.read_exact(&mut byte).expect("read");
            assert_eq!(byte, *b"x");
        }
    }
}
