//! A device that was switched off in the middle of something.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::Path;
use std::process::{Command, Stdio};

use otaru_flash::{Flash, Key, KeyKind, Layout, Slot};
use otaru_lsp_build::Job;
use otaru_lsp_build::device::{self, FlashRequest};
use otaru_lsp_project::Mode;
use otaru_record::{Download, Geometry, Image, Journal, State};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::programs::{Bootloader, key};
use crate::{Chip, Program};

/// The update that is requested.
const ATTEMPT: u64 = 42;
/// Where an image is damaged: behind its header.
const DAMAGED_AT: usize = 0x300;
/// Every cell of the flash was erased once.
const ERASED: u8 = 0xFF;

/// A device that was switched off, and the images that may run on it in the end.
#[derive(Debug)]
#[must_use = "it is nothing until it is run"]
pub struct Story {
    chip: Chip,
    bootloader: Bootloader,
    flash: Vec<u8>,
    layout: Layout,
    images: BTreeMap<&'static str, Vec<u8>>,
    ends: Vec<&'static str>,
}

/// How many cuts are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cuts {
    /// So many, chosen by the seed.
    Some(u64),
    /// Every operation in every way.
    All,
}

/// What the emulator found.
#[derive(Debug, Deserialize)]
pub struct Report {
    /// Operations of the flash controller in the life without a cut.
    pub operations: u64,
    /// Boots in all lives.
    pub boots: u64,
    /// Cuts that were tried; about half of them are second cuts.
    pub cuts: u64,
    /// How many lives ended with which image.
    pub ends: BTreeMap<String, u64>,
    /// Deepest stack of any boot that started a firmware, in bytes.
    pub stack: u64,
    /// How often one word was written between two erases, where no cut had touched it.
    pub most_writes: u64,
    /// The same of words that a cut has touched.
    pub most_writes_after_cut: u64,
    /// What went wrong.
    pub failures: Vec<String>,
}

/// The flash as it is prepared, before the device is switched on.
struct Prepared(Vec<u8>);

impl Flash for Prepared {
    type Error = std::io::Error;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> std::io::Result<()> {
        let start = offset as usize;
        let bytes = self.0.get(start..start + buf.len());
        buf.copy_from_slice(bytes.ok_or(std::io::ErrorKind::InvalidInput)?);
        Ok(())
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> std::io::Result<()> {
        let start = offset as usize;
        let place = self.0.get_mut(start..start + data.len());
        place
            .ok_or(std::io::ErrorKind::InvalidInput)?
            .copy_from_slice(data);
        Ok(())
    }

    fn erase(&mut self, offset: u32, len: u32) -> std::io::Result<()> {
        self.program(offset, &vec![ERASED; len as usize])
    }
}

impl Story {
    /// A device that was flashed with a firmware which says that it runs, as `otaru flash` does it.
    ///
    /// # Panics
    /// If a program does not build or the device cannot be flashed.
    pub fn flashed(chip: Chip, mode: Mode) -> Self {
        let old = chip.image(0, if_compiled(chip, Program::Confirms, Program::Runs));
        let board = chip.board();
        let layout = device::layout_of::<std::io::Error>(&board, mode).expect("a sound layout");
        let bootloader = chip.bootloader();
        let mut flash = Prepared(vec![ERASED; layout.flash_len as usize]);
        flash.program(0, &bootloader.bytes).expect("it fits");
        let request = FlashRequest {
            board: &board,
            mode,
            keys: vec![Key {
                public: key().public().to_bytes(),
                kind: KeyKind::Ed25519,
                development: true,
            }],
            image: &old,
            security_counter: 1,
            revoked: 0,
            decryption_key: None,
        };
        device::flash(&mut flash, &request, &Job::new().0).expect("the device is flashed");
        Self {
            chip,
            bootloader,
            flash: flash.0,
            layout,
            images: BTreeMap::from([("old", old)]),
            ends: vec!["old"],
        }
    }

    /// The same without a record.
    pub fn first_start(chip: Chip, mode: Mode) -> Self {
        let mut story = Self::flashed(chip, mode);
        let area = story.layout.record;
        let record = area.offset as usize..(area.offset + area.len) as usize;
        if let Some(record) = story.flash.get_mut(record) {
            record.fill(ERASED);
        }
        story
    }

    /// An update is parked and requested. `new` confirms itself; either image may run in the end,
    /// because a cut in the trial uses it up.
    pub fn install(chip: Chip, mode: Mode) -> Self {
        let new = if_compiled(chip, Program::Confirms, Program::Runs);
        let mut story = Self::requested(chip, mode, new);
        story.ends = vec!["old", "new"];
        story
    }

    /// The same with a new image that hangs: the old one runs in the end.
    pub fn revert(chip: Chip, mode: Mode) -> Self {
        Self::requested(chip, mode, Program::Hangs)
    }

    /// The same with only this image allowed in the end.
    pub fn ends_with(mut self, image: &'static str) -> Self {
        self.ends = vec![image];
        self
    }

    /// The same with a bit of the execution slot turned.
    pub fn damaged(mut self) -> Self {
        let at = self.layout.execution.offset as usize + DAMAGED_AT;
        if let Some(byte) = self.flash.get_mut(at) {
            *byte ^= 1;
        }
        self
    }

    /// The same with an emulator that takes another image for the old one.
    pub fn misremembered(mut self) -> Self {
        for image in self.images.values_mut() {
            image.push(0);
        }
        self
    }

    /// Writes what an agent would have written.
    fn requested(chip: Chip, mode: Mode, new: Program) -> Self {
        let mut story = Self::flashed(chip, mode);
        let layout = story.layout;
        let new = chip.image(1, new);
        let old = story.images.get("old").expect("it was flashed");
        let mut state = State::factory(described(old), 1);
        let mut flash = Prepared(std::mem::take(&mut story.flash));
        let slot = match layout.mode {
            otaru_flash::Mode::Standby => {
                let backup = layout.slot(Slot::Storage0).offset;
                flash.program(backup, old).expect("it fits");
                state = state.backed_up(Slot::Storage0).expect("idle");
                Slot::Storage1
            }
            otaru_flash::Mode::Swap => Slot::Storage0,
        };
        let at = layout.slot(slot).offset + layout.image_offset(slot);
        flash.program(at, &new).expect("it fits");
        let download = Download {
            attempt: ATTEMPT,
            image: described(&new),
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
        let geometry = Geometry::new(&layout).expect("large enough");
        Journal::create(&mut flash, geometry, &state).expect("the record");
        story.flash = flash.0;
        story.images.insert("new", new);
        story
    }

    /// Lets the device live, once without a cut and once with each of these. Everything that is
    /// chosen by chance comes from the seed.
    ///
    /// # Panics
    /// If the emulator does not run, or prints no report.
    pub fn run(&self, cuts: Cuts, seed: u64) -> Report {
        let python = std::env::var_os("OTARU_VENV_PYTHON")
            .expect("`cargo xtask setup python` says where Python is");
        let folder = tempfile::tempdir().expect("a temporary folder");
        self.write(folder.path());
        let cuts = match cuts {
            Cuts::Some(count) => count.to_string(),
            Cuts::All => "all".to_owned(),
        };
        let jobs = std::env::var("OTARU_EMULATOR_JOBS").unwrap_or_else(|_| "2".to_owned());
        let done = Command::new(python)
            .args(["-m", "emulator"])
            .arg(folder.path().join("story.json"))
            .args([
                "--cuts",
                &cuts,
                "--seed",
                &seed.to_string(),
                "--jobs",
                &jobs,
            ])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::inherit())
            .output()
            .expect("the emulator runs");
        serde_json::from_slice(&done.stdout).expect("the emulator prints a report")
    }

    fn write(&self, folder: &Path) {
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.join(name), bytes).expect("the folder takes it");
        };
        write("flash.bin", &self.flash);
        for (name, image) in &self.images {
            write(&format!("{name}.bin"), image);
        }
        let files: BTreeMap<_, _> = self
            .images
            .keys()
            .map(|name| (name, format!("{name}.bin")))
            .collect();
        let (block, record) = (self.layout.device_block, self.layout.record);
        let story = serde_json::json!({
            "chip": self.chip.name(),
            "flash": "flash.bin",
            "writable_from": block.offset + block.len,
            "execution": self.layout.execution.offset,
            "record": [record.offset, record.offset + record.len],
            "images": files,
            "ends": self.ends,
            "static_ram": self.bootloader.static_ram,
        });
        write("story.json", story.to_string().as_bytes());
    }
}

/// A firmware that can write the record exists for one of the chips only.
fn if_compiled(chip: Chip, compiled: Program, by_hand: Program) -> Program {
    match chip {
        Chip::Microbit => compiled,
        Chip::Nrf52840 => by_hand,
    }
}

/// Length and digest of an image.
fn described(image: &[u8]) -> Image {
    Image {
        len: u32::try_from(image.len()).expect("small"),
        digest: Sha256::digest(image).into(),
    }
}

/// The seed of a run: `OTARU_SEED`, else a new one. Whoever prints it makes the run repeatable.
pub fn seed() -> u64 {
    let given = std::env::var("OTARU_SEED").ok();
    given
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| std::hash::RandomState::new().build_hasher().finish())
}
