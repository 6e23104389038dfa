//! The programs that are run: bootloaders as they are flashed, and what they start.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};

use object::{Object as _, ObjectSection as _, SectionKind};
use otaru_image::{ImageBuilder, SigningKey, Version, board_uuids};
use otaru_lsp_build::device;
use otaru_lsp_build::elf::flat_payload;
use otaru_lsp_project::{Board, Mode};

/// Stands before the script in the test firmware.
const SCRIPT: &[u8; 16] = b"otaru script is:";
/// Where the firmware's vector table stands in its slot: behind the header.
const HEADER_LEN: u32 = 0x200;
/// Bytes behind the program that differ between versions.
const FILLER_LEN: usize = 0x900;

/// A chip whose bootloader is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chip {
    /// nRF51822, Cortex-M0.
    Microbit,
    /// nRF52840, Cortex-M4.
    Nrf52840,
}

/// What a firmware does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Confirms a trial.
    Confirms,
    /// Sleeps without feeding the watchdog.
    Hangs,
    /// Says that it runs; nothing else.
    Runs,
}

/// A bootloader as it stands in flash, and how much RAM its variables take.
#[derive(Debug, Clone)]
pub(crate) struct Bootloader {
    pub(crate) bytes: Vec<u8>,
    pub(crate) static_ram: u64,
}

impl Chip {
    /// Its name: the board's folder, and what the emulator calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Microbit => "microbit",
            Self::Nrf52840 => "nrf52840",
        }
    }

    /// What its programs are compiled for.
    pub fn target(self) -> &'static str {
        match self {
            Self::Microbit => "thumbv6m-none-eabi",
            Self::Nrf52840 => "thumbv7em-none-eabihf",
        }
    }

    /// The board as the tools know it.
    ///
    /// # Panics
    /// If the board file has become unsound.
    pub fn board(self) -> Board {
        let text = match self {
            Self::Microbit => include_str!("../../../boards/microbit/board.toml"),
            Self::Nrf52840 => include_str!("../../../boards/nrf52840/board.toml"),
        };
        let read = Board::parse(text);
        assert_eq!(read.problems, []);
        read.model.expect("a sound board file")
    }

    /// Address of the execution slot; the flash is mapped from 0 on.
    fn execution(self) -> u32 {
        device::layout_of::<std::io::Error>(&self.board(), Mode::Standby)
            .expect("a sound layout")
            .execution
            .offset
    }

    /// The bootloader, compiled once.
    pub(crate) fn bootloader(self) -> Bootloader {
        static BUILT: Mutex<BTreeMap<Chip, Bootloader>> = Mutex::new(BTreeMap::new());
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        built
            .entry(self)
            .or_insert_with(|| {
                let elf = self.build(&format!("otaru-board-{}", self.name()));
                Bootloader {
                    bytes: flat_payload(&elf, 0..0x8000, 0xFF).expect("it fits its place"),
                    static_ram: static_ram(&elf),
                }
            })
            .clone()
    }

    /// An image of this program. Images of different `minor` versions differ in header, program and
    /// the last chunks.
    ///
    /// # Panics
    /// If the program does not build, or no image can be made of it.
    pub fn image(self, minor: u8, program: Program) -> Vec<u8> {
        let mut payload = match self {
            Self::Microbit => compiled(program),
            Self::Nrf52840 => by_hand(self.execution(), program),
        };
        let filler = (0..FILLER_LEN).map(|n| u8::try_from(n % 251).unwrap_or(0) ^ minor);
        payload.extend(filler);
        let version = Version {
            major: 1,
            minor,
            ..Version::default()
        };
        let board = self.board();
        ImageBuilder::new(payload, version)
            .security_counter(1)
            .board(board_uuids(&board.vid, &board.cid))
            .sign(&key())
            .expect("the image can be built")
    }

    fn build(self, program: &str) -> Vec<u8> {
        let compiler = std::env::var_os("OTARU_FIRMWARE_RUSTC")
            .expect("`cargo xtask setup firmware` says where the compiler is");
        let folder = bare_metal();
        let done = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--profile", "firmware"])
            .args(["-p", &format!("otaru-board-{}", self.name())])
            .args(["--target", self.target(), "--target-dir"])
            .arg(&folder)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("RUSTC", compiler)
            .status()
            .expect("cargo runs");
        assert!(done.success(), "{program} does not build");
        let file = folder.join(self.target()).join("firmware").join(program);
        std::fs::read(file).expect("the program was built")
    }
}

/// Where `cargo xtask firmware build` builds as well.
fn bare_metal() -> PathBuf {
    let test = std::env::current_exe().expect("this program has a place");
    // The target folder, the profile's, the one of tests.
    let target = test.ancestors().nth(3).expect("cargo has built it");
    target.join("bare-metal")
}

/// The key that signs, and that the devices of these tests trust.
pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed([9; 32])
}

/// The test firmware of `boards/microbit`, with its script.
fn compiled(program: Program) -> Vec<u8> {
    static ELF: LazyLock<Vec<u8>> =
        LazyLock::new(|| Chip::Microbit.build("otaru-microbit-test-firmware"));
    let mut payload = flat_payload(&ELF, 0x1_0200..0x2_0000, 0xFF).expect("it fits its place");
    let place = payload
        .windows(SCRIPT.len())
        .position(|window| window == SCRIPT)
        .expect("the test firmware has a place for the script");
    if let Some(script) = payload.get_mut(place + SCRIPT.len()) {
        *script = match program {
            Program::Confirms => b'c',
            Program::Hangs => b'h',
            Program::Runs => b'r',
        };
    }
    payload
}

/// A firmware in a few instructions: prints one line and sleeps.
fn by_hand(slot: u32, program: Program) -> Vec<u8> {
    /// Words of the vector table, and a multiple of what the CPU wants it to begin at.
    const TABLE_LEN: u32 = 0x100;
    let text = match program {
        Program::Confirms => "confirmed\n",
        Program::Hangs => "hangs\n",
        Program::Runs => "runs\n",
    };
    let entry = slot + HEADER_LEN + TABLE_LEN;
    let mut payload = Vec::new();
    payload.extend(0x2000_1000_u32.to_le_bytes());
    payload.extend((entry | 1).to_le_bytes());
    payload.resize(TABLE_LEN as usize, 0);
    let code: [u16; 10] = [
        0x4804, // ldr r0, the data register of the serial line
        0xA105, // adr r1, the text
        0x780A, // 0: ldrb r2, [r1]
        0x2A00, // cmp r2, #0
        0xD002, // beq 1f
        0x6002, // str r2, [r0]
        0x3101, // adds r1, #1
        0xE7F9, // b 0b
        0xBF30, // 1: wfi
        0xE7FD, // b 1b
    ];
    payload.extend(code.iter().flat_map(|half| half.to_le_bytes()));
    payload.extend(0x4000_251C_u32.to_le_bytes());
    payload.extend(text.bytes().chain([0; 4]));
    payload.resize(payload.len().next_multiple_of(16), 0);
    payload
}

/// Bytes of RAM that variables take.
fn static_ram(elf: &[u8]) -> u64 {
    let file = object::File::parse(elf).expect("an ELF file");
    file.sections()
        .filter(|section| {
            matches!(
                section.kind(),
                SectionKind::Data | SectionKind::UninitializedData
            )
        })
        .map(|section| section.size())
        .sum()
}
