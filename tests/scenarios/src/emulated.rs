//! The board `qemu-virt`: what its devices boot, and images of the firmware that `otaru new` makes for
//! it.

use crate::{Lab, otaru};
use otaru_image::{BoardIds, ImageBuilder, ImageHeader, Label, SigningKey, Version, board_uuids};
use otaru_lsp_build::emulator;
use otaru_lsp_project::Board;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Bytes by which two images differ.
const DIFFERING_LEN: usize = 0x8000;

/// The board.
///
/// # Panics
/// If its board.toml is broken.
pub fn emulated_board() -> &'static Board {
    otaru_lsp_project::board("qemu-virt").expect("the board is built in")
}

fn checkout() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.parent().and_then(Path::parent);
    root.expect("this package lies two folders deep")
}

/// What is compiled for the machine stands beside what is compiled for this one.
fn target_dir() -> PathBuf {
    let otaru = otaru();
    let target = otaru.parent().and_then(Path::parent);
    target.expect("a target folder").join("emulated")
}

/// Compiles the bootloader once.
///
/// # Panics
/// If it does not build.
pub(crate) async fn bootloader() -> Vec<u8> {
    let built = emulator::bootloader(emulated_board(), Some(checkout())).await;
    built.expect("the bootloader builds")
}

/// Payload of the firmware that `otaru new --board qemu-virt` makes, as `otaru build` packs it.
fn firmware() -> &'static [u8] {
    static PAYLOAD: OnceLock<Vec<u8>> = OnceLock::new();
    PAYLOAD.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let project = folder.path().join("counter");
        run(folder.path(), &["new", "counter", "--board", "qemu-virt"]);
        // The same versions of everything as in the checkout.
        std::fs::copy(checkout().join("Cargo.lock"), project.join("Cargo.lock"))
            .expect("the checkout has a lock file");
        let built = run(&project, &["--json", "build"]);
        let path = built
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find_map(|object| object["path"].as_str().map(PathBuf::from))
            .expect("a build says where the image is");
        let image = std::fs::read(project.join(path)).expect("the image can be read");
        let len = u32::try_from(image.len()).expect("small");
        let header = image.first_chunk().expect("longer than a header");
        let header = ImageHeader::parse(header, len).expect("a sound header");
        let start = usize::from(header.header_len);
        image[start..start + header.payload_len as usize].to_vec()
    })
}

fn run(folder: &Path, arguments: &[&str]) -> String {
    let done = Command::new(otaru())
        .args(arguments)
        .current_dir(folder)
        .env("OTARU_TARGET_DIR", target_dir())
        .env("XDG_CONFIG_HOME", folder)
        .output()
        .expect("otaru starts");
    let words = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "otaru {arguments:?}: {words}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// An image of that firmware; two with different labels differ in some chunks.
///
/// # Panics
/// If the label is too long, or the firmware does not build.
pub fn emulated_image(label: &str, counter: u32, key: &SigningKey) -> Vec<u8> {
    let board = emulated_board();
    let ids = board_uuids(&board.vid, &board.cid);
    builder(label, counter, ids)
        .sign(key)
        .expect("the image can be signed")
}

fn builder(label: &str, counter: u32, ids: BoardIds) -> ImageBuilder {
    let mut payload = firmware().to_vec();
    let seed = label
        .bytes()
        .fold(1_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    let noise = (0..=250_u8).cycle().take(DIFFERING_LEN);
    payload.extend(noise.map(|byte| seed.wrapping_add(byte)));
    let version = Version {
        major: 1,
        build: counter,
        ..Version::default()
    };
    ImageBuilder::new(payload, version)
        .label(Label::new(label).expect("a short label"))
        .security_counter(counter)
        .board(ids)
}

impl Lab {
    /// An image of the emulated board's firmware.
    pub fn emulated_image(&self, label: &str, counter: u32) -> Vec<u8> {
        emulated_image(label, counter, &self.key)
    }
}
