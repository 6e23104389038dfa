//! Tells the linker where flash and RAM are: the bootloader's script, and the test firmware's.

use std::path::PathBuf;

const SCRIPTS: [&str; 2] = ["bootloader.x", "firmware.x"];
const BOOTLOADER: &str = "otaru-board-microbit";
const TEST_FIRMWARE: &str = "otaru-microbit-test-firmware";

fn main() {
    for script in SCRIPTS {
        println!("cargo:rerun-if-changed={script}");
    }
    let bare_metal = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    let (true, Some(folder)) = (bare_metal, std::env::var_os("OUT_DIR")) else {
        return;
    };
    // Copies beside what is built: cargo remembers the path, and the checkout may move.
    let folder = PathBuf::from(folder);
    for script in SCRIPTS {
        std::fs::copy(script, folder.join(script)).expect("the build folder can be written");
    }
    println!("cargo:rustc-link-search={}", folder.display());
    println!("cargo:rustc-link-arg-bin={BOOTLOADER}=-Tbootloader.x");
    println!("cargo:rustc-link-arg-bin={TEST_FIRMWARE}=-Tfirmware.x");
    println!("cargo:rustc-link-arg-bins=--icf=all");
    // The device block follows. Configurations that do not fit are only measured, never flashed.
    let large = [
        "CARGO_FEATURE_DALEK",
        "CARGO_FEATURE_P256",
        "CARGO_FEATURE_ENCRYPTION",
    ];
    let is_large = large.iter().any(|name| std::env::var_os(name).is_some());
    let limit = if is_large { "0x20000" } else { "0x8000" };
    println!("cargo:rustc-link-arg-bin={BOOTLOADER}=--defsym=flash_limit={limit}");
}
