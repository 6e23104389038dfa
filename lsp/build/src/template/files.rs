//! The files of a new project besides its manifest: what is built, and how it is linked.

use super::checkout;
use otaru_lsp_project::Kind;

/// The examples are the templates, so that they are always ones that are built and tested.
const HOST_RS: &str = include_str!("../../../../examples/counter/src/main.rs");
const BYTECODE_RS: &str = include_str!("../../../../examples/bytecode-counter/src/main.rs");
const QEMU_RS: &str = include_str!("../../../../boards/qemu-virt/sample/src/main.rs");
const QEMU_BUILD_RS: &str = include_str!("../../../../boards/qemu-virt/sample/build.rs");
const QEMU_CONFIG: &str = include_str!("../../../../boards/qemu-virt/sample/.cargo/config.toml");

/// Small code: it is sent over the air, and stands in flash.
const SMALL: &str = "# Small: it is sent over the air, and stands in flash.\n\
    [profile.release]\nopt-level = \"z\"\nlto = true\ncodegen-units = 1\npanic = \"abort\"\n\n";
/// The same for a firmware, quickly: `lto` would make it a sixth smaller, and every change cost a
/// compilation of everything.
const SMALL_AND_QUICK: &str = "# Small code; with `lto = true` a sixth smaller, and slower to build.\n\
    [profile.release]\nopt-level = \"z\"\nlto = \"off\"\ncodegen-units = 1\npanic = \"abort\"\n\n";
const RUNTIME: &str = "# What a firmware links: the update agent and its application interface.\n";

/// A file's path in the project, and its text.
pub type File = (&'static str, String);

/// The files of a project for a board.
pub fn files(board: &str, kind: Kind, package: &str) -> Vec<File> {
    let (dependencies, profile, main) = match (kind, board) {
        (Kind::Bytecode, _) => (
            format!(
                "# What bytecode links: the VM's functions.\notaru-guest = {{ {} }}\n",
                source("guest")
            ),
            SMALL,
            BYTECODE_RS,
        ),
        (Kind::Firmware, "qemu-virt") => (firmware("qemu-virt"), SMALL_AND_QUICK, QEMU_RS),
        (Kind::Firmware, _) => (firmware("host"), "", HOST_RS),
    };
    let mut files = vec![
        ("Cargo.toml", cargo_toml(package, &dependencies, profile)),
        ("src/main.rs", main.to_owned()),
    ];
    if kind == Kind::Firmware && board == "qemu-virt" {
        files.push(("build.rs", QEMU_BUILD_RS.to_owned()));
        files.push((".cargo/config.toml", QEMU_CONFIG.to_owned()));
    }
    files
}

/// What a firmware for a board depends on.
fn firmware(board: &str) -> String {
    let folder = format!("boards/{board}");
    format!(
        "{RUNTIME}otaru-runtime = {{ {} }}\n\
         # The board: flash, console, network, watchdog.\n\
         otaru-board-{board} = {{ {}, default-features = false, features = [\"firmware\"] }}\n",
        source("runtime"),
        source(&folder),
    )
}

/// The manifest of a package that stands alone.
fn cargo_toml(package: &str, dependencies: &str, profile: &str) -> String {
    format!(
        "[package]\nname = \"{package}\"\nversion = \"1.0.0\"\nedition = \"2024\"\npublish = false\n\n\
         [dependencies]\n{dependencies}\n{profile}\
         # A project of its own, also inside the folder of another one.\n[workspace]\n"
    )
}

/// Where a crate of Otaru comes from: this checkout, else a registry.
fn source(path: &str) -> String {
    match checkout() {
        Some(root) => format!("path = {:?}", root.join(path).display().to_string()),
        None => format!("version = {:?}", env!("CARGO_PKG_VERSION")),
    }
}
