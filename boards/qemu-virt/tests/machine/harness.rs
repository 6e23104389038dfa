//! A machine for one test: two flash files in a folder, and QEMU processes that boot from them.

use crate::programs::{BOOTLOADER_BYTES, key};
use otaru_flash::{Flash, Layout, Slot};
use otaru_lsp_build::Job;
use otaru_lsp_build::device::{self, FlashRequest};
use otaru_lsp_project::{Board, Mode};
use otaru_record::{Download, Geometry, Image, Journal, State};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Far longer than anything takes; a test that reaches it fails with what it saw.
const PATIENCE: Duration = Duration::from_mins(2);
/// Length of one flash part, as QEMU insists on it.
const PART_LEN: u64 = 32 << 20;
/// The update that the tests request.
const ATTEMPT: u64 = 42;

/// This board as the tools know it, with a watchdog that does not keep the tests waiting.
pub(crate) static BOARD: LazyLock<Board> = LazyLock::new(|| {
    let read = Board::parse(include_str!("../../board.toml"));
    assert_eq!(read.problems, []);
    let mut board = read.model.expect("a sound board file");
    board.defaults.watchdog_ms = 1000;
    board
});

/// The flash files of a machine that is switched off.
pub(crate) struct FlashFiles {
    parts: [File; 2],
}

/// A machine that is switched off.
pub(crate) struct Machine {
    folder: tempfile::TempDir,
    pub(crate) layout: Layout,
}

/// What stands in every area at some moment: offset and bytes of each.
pub(crate) struct Snapshot(pub(crate) Vec<(u32, Vec<u8>)>);

impl Machine {
    /// A machine that was flashed with `image`, as `otaru flash` does it.
    pub(crate) fn flashed(mode: Mode, image: &[u8]) -> Self {
        let layout = device::layout_of::<std::io::Error>(&BOARD, mode).expect("a sound layout");
        let machine = Self::blank(layout);
        let mut flash = machine.flash();
        let request = FlashRequest {
            board: &BOARD,
            mode,
            keys: vec![otaru_flash::Key {
                public: key().public().to_bytes(),
                kind: otaru_flash::KeyKind::Ed25519,
                development: true,
            }],
            image,
            security_counter: 1,
            revoked: 0,
            decryption_key: None,
        };
        device::flash(&mut flash, &request, &Job::new().0).expect("the device is flashed");
        machine
    }

    /// A machine with a bootloader and nothing else.
    pub(crate) fn blank(layout: Layout) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let machine = Self { folder, layout };
        for part in 0..2 {
            let file = File::create(machine.part(part)).expect("a flash file");
            file.set_len(PART_LEN).expect("the disk has room");
        }
        let mut flash = machine.flash();
        flash.write(0, &BOOTLOADER_BYTES);
        for (_, area) in layout.areas() {
            flash.write(area.offset, &vec![0xFF; area.len as usize]);
        }
        machine
    }

    fn part(&self, part: usize) -> PathBuf {
        self.folder.path().join(format!("flash{part}.bin"))
    }

    /// Its flash.
    pub(crate) fn flash(&self) -> FlashFiles {
        let open = |part| {
            File::options()
                .read(true)
                .write(true)
                .open(self.part(part))
                .expect("the flash file")
        };
        FlashFiles {
            parts: [open(0), open(1)],
        }
    }

    /// Writes what an agent would have written: `new` parked, its install requested.
    pub(crate) fn request_update(&self, old: &[u8], new: &[u8]) {
        let mut flash = self.flash();
        let layout = &self.layout;
        let mut state = State::factory(described(old), 1);
        let slot = match layout.mode {
            otaru_flash::Mode::Standby => {
                state = state.backed_up(Slot::Storage0).expect("idle");
                Slot::Storage1
            }
            otaru_flash::Mode::Swap => Slot::Storage0,
        };
        let at = layout.slot(slot).offset + layout.image_offset(slot);
        flash.write(at, new);
        let download = Download {
            attempt: ATTEMPT,
            image: described(new),
            deadline_s: 300,
            trials: 1,
        };
        let state = state
            .receiving(layout.mode, &download)
            .and_then(|state| state.parked())
            .and_then(|state| state.requested())
            .expect("in order");
        let area = layout.record;
        flash.erase(area.offset, area.len).expect("erased");
        let geometry = Geometry::new(layout).expect("large enough");
        Journal::create(&mut flash, geometry, &state).expect("the record");
    }

    /// What the record says.
    pub(crate) fn state(&self) -> State {
        let journal = Journal::load(&mut self.flash(), &self.layout).expect("a record");
        *journal.state()
    }

    /// Whether the execution slot holds this image.
    pub(crate) fn executes(&self, image: &[u8]) -> bool {
        let mut found = vec![0; image.len()];
        let at = self.layout.execution.offset;
        self.flash().read(at, &mut found).expect("flash reads");
        found == image
    }

    /// What stands in every area.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut flash = self.flash();
        let areas = self.layout.areas().into_iter();
        Snapshot(
            areas
                .map(|(_, area)| {
                    let mut bytes = vec![0; area.len as usize];
                    flash.read(area.offset, &mut bytes).expect("flash reads");
                    (area.offset, bytes)
                })
                .collect(),
        )
    }

    /// Brings back what stood in every area.
    pub(crate) fn restore(&self, snapshot: &Snapshot) {
        let mut flash = self.flash();
        for (offset, bytes) in &snapshot.0 {
            flash.write(*offset, bytes);
        }
    }

    /// Switches the machine on.
    pub(crate) fn power_on(&self) -> Running {
        let drive = |part| {
            let path = self.part(part);
            format!("if=pflash,unit={part},format=raw,file={}", path.display())
        };
        let arguments = ["-drive", &drive(0), "-drive", &drive(1)].map(str::to_owned);
        Running::start(self, &arguments)
    }

    /// Switches it on with a copy of its flash, and records every change of the copy, of both parts in
    /// one order. The log is complete when the process has been told to quit.
    pub(crate) fn power_on_recorded(&self) -> (Running, PathBuf) {
        let copy = self.folder.path().join("copy.bin");
        let log = self.folder.path().join("log");
        File::create(&log).expect("a file");
        let file = File::create(&copy).expect("a file");
        file.set_len(2 * PART_LEN).expect("the disk has room");
        let write = |offset: u32, bytes: &[u8]| {
            file.write_all_at(bytes, u64::from(offset))
                .expect("the file takes it");
        };
        write(0, &BOOTLOADER_BYTES);
        for (offset, bytes) in &self.snapshot().0 {
            write(*offset, bytes);
        }
        let node = |name: &str, path: &PathBuf| {
            format!("driver=file,node-name={name},filename={}", path.display())
        };
        let drive = |part: u64| {
            let offset = part * PART_LEN;
            format!(
                "if=pflash,unit={part},file=json:{{\"driver\":\"raw\",,\"offset\":{offset},,\
                 \"size\":{PART_LEN},,\"file\":\"recorded\"}}"
            )
        };
        let recorded =
            "driver=blklogwrites,node-name=recorded,file=copy,log=log,log-sector-size=512";
        let arguments = [
            "-blockdev",
            &node("copy", &copy),
            "-blockdev",
            &node("log", &log),
            "-blockdev",
            recorded,
            "-drive",
            &drive(0),
            "-drive",
            &drive(1),
        ];
        (Running::start(self, &arguments.map(str::to_owned)), log)
    }
}

/// Length and digest of an image.
pub(crate) fn described(image: &[u8]) -> Image {
    Image {
        len: u32::try_from(image.len()).expect("small"),
        digest: Sha256::digest(image).into(),
    }
}

impl FlashFiles {
    fn place(&self, offset: u32) -> (&File, u64) {
        let offset = u64::from(offset);
        let [first, second] = &self.parts;
        match offset.checked_sub(PART_LEN) {
            None => (first, offset),
            Some(rest) => (second, rest),
        }
    }

    /// Puts bytes there, whatever was there before.
    pub(crate) fn write(&mut self, offset: u32, bytes: &[u8]) {
        let (file, at) = self.place(offset);
        file.write_all_at(bytes, at).expect("the file takes it");
    }
}

impl Flash for FlashFiles {
    type Error = std::io::Error;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> std::io::Result<()> {
        let (file, at) = self.place(offset);
        file.read_exact_at(buf, at)
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> std::io::Result<()> {
        self.write(offset, data);
        Ok(())
    }

    fn erase(&mut self, offset: u32, len: u32) -> std::io::Result<()> {
        self.write(offset, &vec![0xFF; len as usize]);
        Ok(())
    }
}

/// A QEMU process. Dropping it is a power cut.
pub(crate) struct Running {
    process: Child,
    output: Receiver<Vec<u8>>,
    control: PathBuf,
    /// Everything that was printed so far.
    pub(crate) text: String,
    /// How much of it `wait` has left behind.
    seen: usize,
}

impl Running {
    fn start(machine: &Machine, drives: &[String]) -> Self {
        let program = std::env::var_os("OTARU_QEMU_RISCV32")
            .expect("`cargo xtask setup qemu` says where QEMU is");
        let control = machine.folder.path().join("control");
        let mut process = Command::new(program)
            .args(["-M", "virt", "-m", "32M", "-bios", "none"])
            .args(["-display", "none", "-nic", "none", "-monitor", "none"])
            // The machine's time is its instructions', so that a busy host is no hanging firmware.
            .args(["-icount", "shift=5,sleep=off"])
            .args(["-serial", "stdio", "-qmp"])
            .arg(format!("unix:{},server=on,wait=off", control.display()))
            .args(drives)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("QEMU starts");
        let mut stdout = process.stdout.take().expect("a pipe");
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut block = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut block) {
                if sender.send(block[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            process,
            output,
            control,
            text: String::new(),
            seen: 0,
        }
    }

    /// Takes what was printed until the text behind what was waited for contains `wanted` or `end`
    /// is reached; whether it does.
    pub(crate) fn prints_until(&mut self, wanted: &str, end: Instant) -> bool {
        loop {
            if let Some(at) = self.text[self.seen..].find(wanted) {
                self.seen += at + wanted.len();
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(block) => self.text.push_str(&String::from_utf8_lossy(&block)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Waits until the console prints `wanted`.
    pub(crate) fn wait(&mut self, wanted: &str) {
        let came = self.prints_until(wanted, Instant::now() + PATIENCE);
        assert!(came, "{wanted:?} did not come; seen:\n{}", self.text);
    }

    /// Sends bytes to the console.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let stdin = self.process.stdin.as_mut().expect("a pipe");
        stdin.write_all(bytes).expect("QEMU reads its console");
        stdin.flush().expect("QEMU reads its console");
    }

    /// Presses the reset button.
    pub(crate) fn press_reset(&self) {
        self.order("system_reset");
    }

    /// Ends QEMU in an orderly way.
    pub(crate) fn quit(&mut self) {
        self.order("quit");
        self.process.wait().expect("QEMU ends");
    }

    /// Gives QEMU a command.
    fn order(&self, command: &str) {
        let mut stream = UnixStream::connect(&self.control).expect("QEMU listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
        for command in ["qmp_capabilities", command] {
            // A greeting comes before the first command, an answer before the second.
            lines.next().expect("QEMU speaks").expect("QEMU speaks");
            writeln!(stream, "{{\"execute\":\"{command}\"}}").expect("QEMU listens");
        }
        lines.next().expect("QEMU answers").expect("QEMU answers");
    }

    /// Cuts the power: the process is killed and gone when this returns, and everything it printed
    /// stands in `text`.
    pub(crate) fn cut(&mut self) {
        self.process.kill().expect("QEMU can be killed");
        self.process.wait().expect("QEMU is gone");
        while let Ok(block) = self.output.recv() {
            self.text.push_str(&String::from_utf8_lossy(&block));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
