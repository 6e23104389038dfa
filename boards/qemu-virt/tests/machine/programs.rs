//! The two programs of this package, compiled for the machine, and images made of them.

use otaru_image::{ImageBuilder, SigningKey, Version, board_uuids};
use otaru_lsp_build::elf::flat_payload;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

const TARGET: &str = "riscv32imac-unknown-none-elf";
/// First and last address of the bootloader; see `bootloader.x`.
const BOOTLOADER: Range<u64> = 0x2000_0000..0x2008_0000;
/// Addresses for which a firmware is linked; see `qemu-virt.x`.
const EXECUTION: Range<u64> = 0x2010_0200..0x2020_0000;
/// Stands before the script in the test firmware.
const SCRIPT: &[u8; 16] = b"otaru script is:";
const SCRIPT_LEN: usize = 48;

/// What the machine executes first.
pub(crate) static BOOTLOADER_BYTES: LazyLock<Vec<u8>> =
    LazyLock::new(|| flat("otaru-board-qemu-virt", BOOTLOADER));

static FIRMWARE: LazyLock<Vec<u8>> =
    LazyLock::new(|| flat("otaru-qemu-virt-test-firmware", EXECUTION));

fn flat(program: &str, range: Range<u64>) -> Vec<u8> {
    let elf = std::fs::read(build().join(program)).expect("the program was built");
    flat_payload(&elf, range, 0xFF).expect("the program fits its place")
}

/// Compiles both programs as `cargo xtask firmware build` does, into the same folder.
fn build() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .parent()
            .expect("the target folder")
            .join("bare-metal");
        let compiler = std::env::var_os("OTARU_BARE_METAL_RUSTC")
            .expect("`cargo xtask setup qemu` says where the compiler is");
        let done = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--profile", "firmware"])
            .args(["-p", "otaru-board-qemu-virt", "--target", TARGET])
            .arg("--target-dir")
            .arg(&target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("RUSTC", compiler)
            .status()
            .expect("cargo runs");
        assert!(done.success(), "the programs do not build");
        target.join(TARGET).join("firmware")
    });
    &FOLDER
}

/// The key that signs, and that the devices of these tests trust.
pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed([9; 32])
}

/// An image whose firmware does what `script` says. Images of different `minor` versions differ in
/// every chunk behind the program.
pub(crate) fn image(minor: u8, script: &str) -> Vec<u8> {
    image_for("otaru-qemu-virt", minor, script)
}

/// The same for a board of this class.
pub(crate) fn image_for(class: &str, minor: u8, script: &str) -> Vec<u8> {
    let mut payload = FIRMWARE.clone();
    let place = payload
        .windows(SCRIPT.len())
        .position(|window| window == SCRIPT)
        .expect("the test firmware has a place for the script")
        + SCRIPT.len();
    assert!(script.len() < SCRIPT_LEN, "the script is too long");
    payload[place..place + script.len()].copy_from_slice(script.as_bytes());
    payload
        .extend((0..80_000_u32).flat_map(|n| (n ^ (u32::from(minor) * 0x0101_0101)).to_le_bytes()));
    let version = Version {
        major: 1,
        minor,
        ..Version::default()
    };
    ImageBuilder::new(payload, version)
        .security_counter(1)
        .board(board_uuids("otaru.dev", class))
        .sign(&key())
        .expect("the image can be built")
}
