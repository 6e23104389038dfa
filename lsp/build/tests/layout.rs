//! Builds a small bare-metal firmware twice and compares the images.
// Requirement: a build option keeps the layout of an image stable between versions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use otaru_lsp_build::image::{BuildOptions, build};
use otaru_lsp_build::keys::{Algorithm, ProjectKey};
use otaru_lsp_build::layout::LOCK_FILE_NAME;
use otaru_lsp_build::project::OpenProject;
use otaru_lsp_build::{Explain as _, Job};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const CHUNK_LEN: usize = 4096;

const SCRIPT: &str = "MEMORY { FLASH (rx) : ORIGIN = 0x10200, LENGTH = 256K }
ENTRY(start)
SECTIONS {
  .vectors : { KEEP(*(.vectors)) } > FLASH
  .text : { *(.text .text.*) } > FLASH
  .rodata : { *(.rodata .rodata.*) } > FLASH
  /DISCARD/ : { *(.ARM.exidx*) }
}";

/// A firmware of many functions that call each other. `at` of them is an edited one.
fn source(edited: Option<usize>) -> String {
    let mut text = String::from(
        "#![no_std]\n#![no_main]\n#[panic_handler]\nfn panic(_: &core::panic::PanicInfo) -> ! \
         { loop {} }\n#[unsafe(link_section = \".vectors\")]\n#[unsafe(no_mangle)]\n\
         pub static VECTORS: [extern \"C\" fn() -> u32; 2] = [start; 2];\n\
         #[unsafe(no_mangle)]\npub extern \"C\" fn start() -> u32 { f0(core::hint::black_box(1)) }\n\
         fn f400(value: u32) -> u32 { value }\n",
    );
    for number in 0..400_usize {
        let more = if edited == Some(number) {
            "let value = value.rotate_left(value % 7) ^ (value / 10);\n    "
        } else {
            ""
        };
        write!(
            text,
            "#[inline(never)]\nfn f{number}(value: u32) -> u32 {{\n    {more}\
             let value = (value ^ {number}).wrapping_mul(value | {}).rotate_left(5);\n    \
             if value % {} == 3 {{ return core::hint::black_box(value); }}\n    \
             f{}(value).wrapping_add(value)\n}}\n",
            number * 77 + 1,
            number + 11,
            number + 1
        )
        .unwrap();
    }
    text
}

fn project(folder: &Path, layout: &str) {
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "Cargo.toml",
        "[package]\nname = \"lamp\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[workspace]\n\
         [profile.release]\npanic = \"abort\"\n",
    );
    write("link.x", SCRIPT);
    write(
        "build.rs",
        "fn main() { println!(\"cargo:rustc-link-arg-bins=-T{}/link.x\", \
         std::env::var(\"CARGO_MANIFEST_DIR\").unwrap()); }",
    );
    write(
        "Otaru.toml",
        &format!(
            "[project]\nname = \"lamp\"\nboard = \"nrf52840\"\nimage_layout = \"{layout}\"\n\
             [signing]\nkey = \"keys/dev.pem\"\n"
        ),
    );
    ProjectKey::create(&folder.join("keys/dev.pem"), Algorithm::Ed25519, true).unwrap();
}

/// The image of this source, and its label.
async fn image(folder: &Path, main: &str) -> (Vec<u8>, String) {
    std::fs::create_dir_all(folder.join("src")).unwrap();
    std::fs::write(folder.join("src/main.rs"), main).unwrap();
    let compiler = std::env::var_os("OTARU_FIRMWARE_RUSTC").expect("`cargo xtask setup` prints it");
    let options = BuildOptions {
        compiler: Some(PathBuf::from(compiler)),
        ..BuildOptions::default()
    };
    let project = OpenProject::open(folder).unwrap();
    let built = build(&project, &options, &Job::new().0).await;
    let built = built.unwrap_or_else(|error| panic!("{error}: {:?}", error.hint()));
    (std::fs::read(built.path).unwrap(), built.label)
}

fn differing(old: &[u8], new: &[u8]) -> usize {
    let mut old = old.chunks(CHUNK_LEN);
    new.chunks(CHUNK_LEN)
        .filter(|chunk| old.next() != Some(*chunk))
        .count()
}

#[tokio::test]
#[ignore = "needs a compiler for bare metal"]
async fn a_function_that_grows_changes_few_chunks_of_a_stable_image() {
    let mut counts = Vec::new();
    for layout in ["free", "stable"] {
        let folder = tempfile::tempdir().unwrap();
        project(folder.path(), layout);
        let (first, _) = image(folder.path(), &source(None)).await;
        let (second, label) = image(folder.path(), &source(Some(200))).await;
        assert_eq!(label, "1.0.0+2");
        counts.push((differing(&first, &second), first.len().div_ceil(CHUNK_LEN)));
    }
    let [(free, _), (stable, all)] = counts[..] else {
        panic!("two layouts");
    };
    assert!(all >= 8, "the image is too small to tell: {all}");
    assert!(free * 2 > all, "without a stable layout {free} of {all}");
    // The function, its caller, header and signature.
    assert!(stable <= 4, "{stable} of {all} chunks differ");
}

#[tokio::test]
#[ignore = "needs a compiler for bare metal"]
async fn the_same_source_and_lock_file_give_the_same_image() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path(), "stable");
    let first = image(folder.path(), &source(None)).await;
    let lock = std::fs::read(folder.path().join(LOCK_FILE_NAME)).unwrap();
    assert_eq!(image(folder.path(), &source(None)).await, first);
    // From nothing but what is in version control.
    std::fs::remove_dir_all(folder.path().join("target")).unwrap();
    assert_eq!(image(folder.path(), &source(None)).await, first);
    // An edit that was taken back together with the lock file.
    image(folder.path(), &source(Some(3))).await;
    std::fs::write(folder.path().join(LOCK_FILE_NAME), &lock).unwrap();
    assert_eq!(image(folder.path(), &source(None)).await, first);
    assert_eq!(
        std::fs::read(folder.path().join(LOCK_FILE_NAME)).unwrap(),
        lock
    );
}

#[tokio::test]
async fn a_damaged_lock_file_is_told_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path(), "stable");
    std::fs::create_dir_all(folder.path().join("src")).unwrap();
    std::fs::write(folder.path().join("src/main.rs"), source(None)).unwrap();
    let path = folder.path().join(LOCK_FILE_NAME);
    std::fs::write(&path, "<<<<<<< ours\n").unwrap();
    let project = OpenProject::open(folder.path()).unwrap();
    let error = build(&project, &BuildOptions::default(), &Job::new().0)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "layout-lock", "{error}");
    assert!(error.to_string().contains("layout.lock:1:"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"<<<<<<< ours\n");
}
