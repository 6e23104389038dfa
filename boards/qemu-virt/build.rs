//! Tells the linker where flash and RAM are: the bootloader's own script, and `qemu-virt.x` for
//! firmwares, which name it with `-Tqemu-virt.x`.

use std::path::PathBuf;

const BOOTLOADER: &str = "otaru-board-qemu-virt";
const TEST_FIRMWARE: &str = "otaru-qemu-virt-test-firmware";

fn main() {
    for script in ["bootloader.x", "qemu-virt.x", "sections.x"] {
        println!("cargo:rerun-if-changed={script}");
    }
    let bare_metal = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    let (true, Some(folder)) = (bare_metal, std::env::var_os("CARGO_MANIFEST_DIR")) else {
        return;
    };
    // The search path reaches the linker of every program that depends on this package.
    println!(
        "cargo:rustc-link-search={}",
        PathBuf::from(folder).display()
    );
    println!("cargo:rustc-link-arg-bin={BOOTLOADER}=-Tbootloader.x");
    println!("cargo:rustc-link-arg-bin={TEST_FIRMWARE}=-Tqemu-virt.x");
}
