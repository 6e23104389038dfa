//! What the CPU prints: kept, stored and sent to everyone who listens.
//!
//! The last [`HISTORY_LEN`] bytes are kept in one ring. Every listener is a position in the stream
//! of all bytes ever printed; it reads from the ring at its own pace. One that falls behind the
//! ring is moved forward to the next line and told how much it missed, so a slow reader costs
//! nothing and never holds up the device.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bytes of console output that a new listener gets first.
pub const HISTORY_LEN: usize = 256 * 1024;
/// `console.log` is moved to `console.log.1` when it is longer than this, in bytes.
pub const LOG_LEN_MAX: u64 = 1024 * 1024;

const LISTENER_WRITE_LEN: usize = 0x4000;

/// The stream of everything the CPU printed.
#[derive(Debug)]
pub(super) struct Console {
    ring: Vec<u8>,
    /// Bytes ever printed.
    end: u64,
    log: Log,
}

impl Console {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            ring: Vec::new(),
            end: 0,
            log: Log::open(dir.join("console.log")),
        }
    }

    /// Bytes ever printed.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    fn start(&self) -> u64 {
        self.end - self.ring.len().min(HISTORY_LEN) as u64
    }

    /// Adds what the CPU printed.
    pub(super) fn print(&mut self, bytes: &[u8]) {
        self.log.write(bytes);
        for &byte in bytes {
            let at = Self::slot(self.end);
            match self.ring.get_mut(at) {
                Some(place) => *place = byte,
                None => self.ring.push(byte),
            }
            self.end += 1;
        }
    }

    /// Ends a line that a reset interrupted, so that the next boot starts on its own line.
    pub(super) fn end_line(&mut self) {
        if self.end > 0 && self.at(self.end - 1) != Some(b'\n') {
            self.print(b"\n");
        }
    }

    fn slot(position: u64) -> usize {
        usize::try_from(position % HISTORY_LEN as u64).unwrap_or(0)
    }

    fn at(&self, position: u64) -> Option<u8> {
        self.ring.get(Self::slot(position)).copied()
    }

    /// The first position at or behind `from` that begins a line; `from` if there is none.
    fn line_start(&self, from: u64) -> u64 {
        if from == 0 {
            return 0;
        }
        // The byte before `from` may have left the ring; then the line is taken as broken.
        let first = from.max(self.start() + 1);
        (first..self.end)
            .find(|&position| self.at(position - 1) == Some(b'\n'))
            .unwrap_or(from)
    }

    /// A listener that begins with the history.
    pub(super) fn listener(&self) -> Listener {
        let start = self.start();
        Listener {
            position: if start == 0 {
                0
            } else {
                self.line_start(start)
            },
            notice: Vec::new(),
            left: false,
        }
    }

    /// As many contiguous bytes as stand at `position`.
    fn piece(&self, position: u64) -> &[u8] {
        let at = Self::slot(position);
        let left = usize::try_from(self.end - position).unwrap_or(usize::MAX);
        let end = self
            .ring
            .len()
            .min(at.saturating_add(left.min(LISTENER_WRITE_LEN)));
        self.ring.get(at..end).unwrap_or_default()
    }
}

/// Someone who reads along.
#[derive(Debug)]
pub(super) struct Listener {
    position: u64,
    notice: Vec<u8>,
    left: bool,
}

impl Listener {
    /// Takes note that nobody listens any more.
    pub(super) fn leave(&mut self) {
        self.left = true;
    }

    /// Whether nobody listens any more.
    pub(super) fn has_left(&self) -> bool {
        self.left
    }

    /// Whether there is something to write.
    pub(super) fn is_behind(&self, console: &Console) -> bool {
        !self.notice.is_empty() || self.position < console.end()
    }

    /// Writes what fits.
    ///
    /// # Errors
    /// When the listener has gone. "Would block" is not an error.
    pub(super) fn write_to(&mut self, console: &Console, out: &mut impl Write) -> io::Result<()> {
        loop {
            if self.position < console.start() {
                let resumed = console.line_start(console.start());
                let missed = resumed - self.position;
                self.position = resumed;
                self.notice
                    .extend_from_slice(format!("\n… {missed} bytes dropped\n").as_bytes());
            }
            let from_notice = !self.notice.is_empty();
            let piece = if from_notice {
                &self.notice
            } else {
                console.piece(self.position)
            };
            if piece.is_empty() {
                return Ok(());
            }
            match out.write(piece) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) if from_notice => {
                    self.notice.drain(..written);
                }
                Ok(written) => self.position += written as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// `console.log`, bounded: when it is full it becomes `console.log.1` and a new one begins.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: Option<File>,
    len: u64,
}

impl Log {
    fn open(path: PathBuf) -> Self {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .ok();
        let len = file
            .as_ref()
            .and_then(|file| file.metadata().ok())
            .map_or(0, |metadata| metadata.len());
        Self { path, file, len }
    }

    /// A full disk must not stop the device: what cannot be stored is not stored.
    fn write(&mut self, bytes: &[u8]) {
        if self.len > LOG_LEN_MAX {
            let old = self.path.with_extension("log.1");
            if std::fs::rename(&self.path, old).is_ok() {
                *self = Self::open(std::mem::take(&mut self.path));
            }
        }
        if let Some(file) = &mut self.file
            && file.write_all(bytes).is_ok()
        {
            self.len += bytes.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    // C56: the console survives resets and slow readers
    use super::*;

    fn all(listener: &mut Listener, console: &Console) -> String {
        let mut out = Vec::new();
        listener
            .write_to(console, &mut out)
            .expect("a vector takes everything");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn listener_gets_history_first_and_then_what_follows() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let mut console = Console::new(dir.path());
        console.print(b"one\ntw");
        let mut listener = console.listener();
        assert!(listener.is_behind(&console));
        assert_eq!(all(&mut listener, &console), "one\ntw");
        console.end_line();
        console.end_line();
        assert_eq!(all(&mut listener, &console), "\n");
        assert!(!listener.is_behind(&console));
    }

    #[test]
    fn listener_that_fell_behind_is_told_how_much_it_missed() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let mut console = Console::new(dir.path());
        let mut listener = console.listener();
        let line = [b'x'; 99].iter().chain(b"\n").copied().collect::<Vec<_>>();
        for _ in 0..10_000 {
            console.print(&line);
        }
        let text = all(&mut listener, &console);
        let (notice, rest) = text.trim_start().split_once('\n').expect("lines");
        let missed: usize = notice
            .trim_start_matches("… ")
            .trim_end_matches(" bytes dropped")
            .parse()
            .expect("a number");
        assert_eq!(missed + rest.len(), 1_000_000);
        assert!(rest.len() <= HISTORY_LEN && rest.len() > HISTORY_LEN - 200);
        assert!(rest.lines().all(|line| line.len() == 99));
        // A new listener starts on a line of its own, without a notice.
        assert_eq!(all(&mut console.listener(), &console), rest);
    }

    #[test]
    fn log_is_bounded() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let mut console = Console::new(dir.path());
        for _ in 0..60 {
            console.print(&vec![b'y'; 0x1_0000]);
        }
        let len = |name: &str| {
            std::fs::metadata(dir.path().join(name))
                .expect("file")
                .len()
        };
        assert!(len("console.log") <= LOG_LEN_MAX + 0x1_0000);
        assert!(len("console.log.1") <= LOG_LEN_MAX + 0x1_0000);
        assert_eq!(std::fs::read_dir(dir.path()).expect("folder").count(), 2);
    }
}
