//! A device: its chip process, its console, its buttons.

use crate::{PATIENCE, board, lab, otaru};
use otaru_board_host::control::{Client, EventKind, EventStream};
use otaru_flash::{Flash as _, Identity, Key, TokenKind};
use otaru_image::{DecryptionKey, SigningKey};
use otaru_lsp_build::Job;
use otaru_lsp_build::device::{FlashRequest, flash, provision};
use otaru_lsp_project::Mode;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// A running chip with everything around it. Ends with this value.
#[derive(Debug)]
pub struct Device {
    chip: Child,
    dir: PathBuf,
    mode: Mode,
    /// Its id at the manager, once it is provisioned.
    pub id: String,
}

impl Device {
    /// Starts the chip of a new device, switched off or without firmware.
    ///
    /// # Panics
    /// If the chip does not start.
    pub fn start(dir: &Path, mode: Mode) -> Self {
        let chip = Self::spawn(dir, mode);
        Self {
            chip,
            dir: dir.to_owned(),
            mode,
            id: String::new(),
        }
    }

    fn spawn(dir: &Path, mode: Mode) -> Child {
        std::fs::create_dir_all(dir).expect("the folder can be made");
        let mut command = Command::new(otaru());
        command.args([
            "host-chip",
            "--board",
            "host",
            "--mode",
            mode.as_str(),
            "--power",
            "--dir",
        ]);
        let log = std::fs::File::create(dir.join("chip.log")).expect("the log can be made");
        command
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let mut chip = command.spawn().expect("otaru starts");
        let begun = Instant::now();
        while Client::connect(dir).is_err() {
            let over = chip.try_wait().expect("the chip can be asked").is_some();
            let log = || std::fs::read_to_string(dir.join("chip.log")).unwrap_or_default();
            assert!(
                !over && begun.elapsed() < PATIENCE,
                "the chip does not run: {}",
                log()
            );
            std::thread::yield_now();
        }
        chip
    }

    /// A connection to its buttons.
    ///
    /// # Panics
    /// If the chip is gone.
    pub fn control(&self) -> Client {
        Client::connect(&self.dir).expect("the chip runs")
    }

    /// Writes an image by cable and restarts.
    ///
    /// # Panics
    /// If that fails.
    pub fn flash(&self, image: &[u8], key: &SigningKey) {
        self.flash_trusting(image, &[key]);
    }

    /// The same with this key table.
    ///
    /// # Panics
    /// If that fails.
    pub fn flash_trusting(&self, image: &[u8], keys: &[&SigningKey]) {
        self.flash_decrypting(image, keys, None);
    }

    /// The same with this key table, and this key for encrypted images.
    ///
    /// # Panics
    /// If that fails.
    pub fn flash_decrypting(
        &self,
        image: &[u8],
        keys: &[&SigningKey],
        decryption_key: Option<&DecryptionKey>,
    ) {
        let mut control = self.control();
        let mut probe = control.hold().expect("the probe attaches");
        let request = FlashRequest {
            board: board(),
            mode: self.mode,
            keys: keys.iter().map(|key| trusted(key)).collect(),
            image,
            security_counter: 1,
            revoked: 0,
            decryption_key,
        };
        let (job, _events) = Job::new();
        flash(&mut probe, &request, &job).expect("the device can be flashed");
        probe.release().expect("the probe detaches");
    }

    /// Gives it an identity and restarts.
    ///
    /// # Panics
    /// If that fails.
    pub fn provision(&mut self, id: &str, token: &str, ddi_url: &str) {
        let mut control = self.control();
        let mut probe = control.hold().expect("the probe attaches");
        let identity = Identity {
            device_id: id,
            token,
            token_kind: TokenKind::Target,
            ddi_url,
            ca: &[],
        };
        provision(&mut probe, board(), &identity).expect("the identity can be stored");
        probe.release().expect("the probe detaches");
        id.clone_into(&mut self.id);
    }

    /// Its console from the beginning.
    ///
    /// # Panics
    /// If the chip is gone.
    pub fn console(&self) -> Console {
        Console::of(&self.dir)
    }

    /// The starts of its CPU from now on.
    ///
    /// # Panics
    /// If the chip is gone.
    pub fn starts(&self) -> Starts {
        let (_, events) = self.control().events().expect("the chip tells its events");
        Starts(events)
    }

    /// The bytes of its execution slot, as long as `len`.
    ///
    /// # Panics
    /// If the flash does not read.
    pub fn execution_slot(&self, len: usize) -> Vec<u8> {
        let mut control = self.control();
        let mut probe = control.hold().expect("the probe attaches");
        let mut bytes = vec![0; len];
        let offset = lab::layout(self.mode).execution.offset;
        probe.read(offset, &mut bytes).expect("the flash reads");
        probe.release().expect("the probe detaches");
        bytes
    }

    /// Waits until its power is gone.
    ///
    /// # Panics
    /// If it stays on.
    pub fn wait_until_off(&self) {
        let (status, mut events) = self.control().events().expect("the chip tells its events");
        if !status.power {
            return;
        }
        loop {
            let event = events
                .next(PATIENCE)
                .expect("the chip runs")
                .expect("the power goes");
            if matches!(event.kind, EventKind::PowerOff { .. }) {
                return;
            }
        }
    }

    /// How often its CPU has started.
    ///
    /// # Panics
    /// If the chip is gone.
    pub fn boots(&self) -> u32 {
        self.control()
            .status()
            .expect("the chip tells how it is")
            .boots
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        drop(self.chip.kill());
        drop(self.chip.wait());
    }
}

/// A key as a device block holds it.
fn trusted(key: &SigningKey) -> Key {
    let public = key.public();
    Key {
        public: public.to_bytes(),
        kind: match public.kind() {
            otaru_image::KeyKind::Ed25519 => otaru_flash::KeyKind::Ed25519,
            otaru_image::KeyKind::P256 { y_odd } => otaru_flash::KeyKind::P256 { y_odd },
        },
        development: true,
    }
}

/// The starts of a CPU.
#[derive(Debug)]
pub struct Starts(EventStream);

impl Starts {
    /// Waits for the next start; true if a planned reset or cut came before it.
    ///
    /// # Panics
    /// If there is none in time.
    pub fn wait(&mut self) -> bool {
        let mut reached = false;
        loop {
            let event = self
                .0
                .next(PATIENCE)
                .expect("the chip runs")
                .expect("the CPU starts");
            if matches!(event.kind, EventKind::OperationReached { .. }) {
                reached = true;
            } else if matches!(event.kind, EventKind::Started { .. }) {
                return reached;
            }
        }
    }
}

/// What a device prints.
#[derive(Debug)]
pub struct Console {
    lines: BufReader<UnixStream>,
    seen: Vec<String>,
}

impl Console {
    /// The console of the device in this folder, from the beginning.
    ///
    /// # Panics
    /// If no chip runs there.
    pub fn of(dir: &Path) -> Self {
        let stream = Client::console(dir).expect("the chip runs");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket has a time-out");
        Self {
            lines: BufReader::new(stream),
            seen: Vec::new(),
        }
    }

    /// Reads until a line contains `text` and returns that line.
    ///
    /// # Panics
    /// If it does not come in time; prints what came instead.
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            let mut line = Vec::new();
            let read = (&mut self.lines).take(1 << 16).read_until(b'\n', &mut line);
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if !matches!(read, Ok(1..)) {
                let last = self.seen.len().saturating_sub(60);
                panic!(
                    "{text:?} was not printed; the last lines:\n{}",
                    self.seen[last..].join("\n")
                );
            }
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// All lines read so far.
    pub fn seen(&self) -> &[String] {
        &self.seen
    }
}
