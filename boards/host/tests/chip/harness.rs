//! A device for one test: a chip in a thread of its own, its CPU a real process.

use otaru_board_host::chip::{self, ChipConfig, CpuKind, CpuProgram, Geometry, NamedArea};
use otaru_board_host::control::{Client, Event, EventKind, EventStream, Moment};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Far longer than anything takes; a test that reaches it fails with what it saw.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Device {
    pub(crate) config: ChipConfig,
    thread: Option<JoinHandle<Result<(), chip::ChipError>>>,
    _folder: Option<tempfile::TempDir>,
}

pub(crate) fn geometry() -> Geometry {
    let area = |name: &str, offset, len| NamedArea {
        name: name.to_owned(),
        offset,
        len,
        erase_len: 0x1000,
    };
    Geometry {
        flash_len: 0x80_0000,
        write_unit: 8,
        erased: 0xFF,
        areas: vec![
            area("first", 0, 0x4000),
            area("second", 0x4000, 0x1000),
            area("script", 0xF000, 0x1000),
            area("image", 0x1_0000, 0x7F_0000),
        ],
    }
}

pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_otaru-host-test-program"))
}

/// The test program without what is only there for debuggers: it ends with its last segment.
pub(crate) static FIRMWARE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut elf = std::fs::read(program()).expect("the test program");
    let u16_at = |at: usize| u16::from_le_bytes([elf[at], elf[at + 1]]);
    let u64_at = |at: usize| u64::from_le_bytes(elf[at..at + 8].try_into().expect("8 bytes"));
    let (headers, size, count) = (u64_at(32), u16_at(54), u16_at(56));
    let end = (0..u64::from(count))
        .map(|index| usize::try_from(headers + index * u64::from(size)).expect("small"))
        .map(|at| u64_at(at + 8) + u64_at(at + 32))
        .max()
        .expect("a segment");
    elf.truncate(usize::try_from(end).expect("small"));
    elf[40..48].fill(0);
    elf[58..64].fill(0);
    elf
});

pub(crate) fn config(dir: &Path, script: &str) -> ChipConfig {
    ChipConfig {
        dir: dir.to_owned(),
        board: "host".to_owned(),
        geometry: Some(geometry()),
        cpu: CpuProgram {
            program: program(),
            args: vec![script.into()],
            kind: CpuKind::Process,
        },
        pty: false,
        power: true,
        seed: Some(1),
    }
}

impl Device {
    /// A device whose CPU does what `script` says, switched on.
    pub(crate) fn start(script: &str) -> Self {
        Self::start_with(script, true)
    }

    /// The same, switched off.
    pub(crate) fn start_off(script: &str) -> Self {
        Self::start_with(script, false)
    }

    fn start_with(script: &str, power: bool) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut config = config(folder.path(), script);
        config.power = power;
        Self::run_in(config, Some(folder))
    }

    pub(crate) fn run(config: ChipConfig) -> Self {
        Self::run_in(config, None)
    }

    /// Runs a chip whose folder is removed at the end, if it is given.
    pub(crate) fn run_in(config: ChipConfig, folder: Option<tempfile::TempDir>) -> Self {
        let (send, ready) = mpsc::channel();
        let thread = std::thread::spawn({
            let config = config.clone();
            move || chip::run(&config, |_| send.send(()).expect("the test waits"))
        });
        let started = ready.recv_timeout(PATIENCE);
        if let Err(silence) = started {
            panic!("the chip did not start: {silence}, {:?}", thread.join());
        }
        Self {
            config,
            thread: Some(thread),
            _folder: folder,
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.config.dir
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.dir()).expect("the chip runs")
    }

    pub(crate) fn events(&self) -> Events {
        let (_, stream) = self.client().events().expect("events");
        Events(stream)
    }

    pub(crate) fn console(&self) -> Console {
        Console::new(Client::console(self.dir()).expect("the chip runs"))
    }

    pub(crate) fn stop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.client().shutdown().expect("shutdown");
            thread
                .join()
                .expect("no panic")
                .expect("the chip ends well");
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

pub(crate) struct Events(EventStream);

impl Events {
    /// The first event that `wanted` accepts.
    pub(crate) fn wait(&mut self, wanted: impl Fn(&EventKind) -> bool) -> EventKind {
        let end = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while Instant::now() < end {
            match self.0.next(PATIENCE).expect("the chip runs") {
                Some(Event { kind, .. }) if wanted(&kind) => return kind,
                Some(event) => seen.push(event),
                None => break,
            }
        }
        panic!("the event did not come; seen: {seen:?}");
    }
}

/// Reads the console as text.
pub(crate) struct Console {
    stream: UnixStream,
    pub(crate) text: String,
}

impl Console {
    pub(crate) fn new(stream: UnixStream) -> Self {
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a time-out can be set");
        Self {
            stream,
            text: String::new(),
        }
    }

    /// Reads until the text contains `wanted`; the line that does.
    pub(crate) fn wait(&mut self, wanted: &str) -> String {
        let mut block = [0; 4096];
        loop {
            let line = self
                .text
                .split_inclusive('\n')
                .find(|line| line.contains(wanted));
            if let Some(line) = line.filter(|line| line.ends_with('\n')) {
                return line.trim_end().to_owned();
            }
            let count = self.stream.read(&mut block).unwrap_or(0);
            assert!(count > 0, "{wanted:?} did not come; seen:\n{}", self.text);
            self.text
                .push_str(&String::from_utf8_lossy(&block[..count]));
        }
    }

    /// Forgets what was read so far.
    pub(crate) fn forget(&mut self) {
        self.text.clear();
    }
}

pub(crate) fn at_operation(operation: u64) -> Moment {
    Moment {
        at_operation: Some(operation),
        ..Moment::default()
    }
}
