//! Tells the linker where flash and RAM are.

fn main() {
    println!("cargo:rerun-if-changed=link.x");
    let bare_metal = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    if let (true, Some(folder)) = (bare_metal, std::env::var_os("OUT_DIR")) {
        // A copy beside what is built: cargo remembers the path, and the checkout may move.
        let script = std::path::Path::new(&folder).join("link.x");
        std::fs::copy("link.x", &script).expect("the build folder can be written");
        println!("cargo:rustc-link-arg-bins=-T{}", script.display());
        println!("cargo:rustc-link-arg-bins=--icf=all");
        // The device block follows. The large verifier is only measured, never flashed.
        let limit = match std::env::var_os("CARGO_FEATURE_DALEK") {
            None => "0x8000",
            Some(_) => "0x10000",
        };
        println!("cargo:rustc-link-arg-bins=--defsym=flash_limit={limit}");
    }
}
