//! Tells the linker where flash and RAM are: the bootloader's own script, and `qemu-virt.x` for
//! firmwares, which name it with `-Tqemu-virt.x`.

use std::path::PathBuf;

const SCRIPTS: [&str; 3] = ["bootloader.x", "qemu-virt.x", "sections.x"];
const BOOTLOADER: &str = "otaru-board-qemu-virt";
const TEST_FIRMWARE: &str = "otaru-qemu-virt-test-firmware";

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
    // The search path reaches the linker of every program that depends on this package.
    println!("cargo:rustc-link-search={}", folder.display());
    println!("cargo:rustc-link-arg-bin={BOOTLOADER}=-Tbootloader.x");
    println!("cargo:rustc-link-arg-bin={TEST_FIRMWARE}=-Tqemu-virt.x");
}
