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
        // The device block follows. Configurations that do not fit are only measured, never
        // flashed.
        let large = [
            "CARGO_FEATURE_DALEK",
            "CARGO_FEATURE_P256",
            "CARGO_FEATURE_ENCRYPTION",
        ];
        let is_large = large.iter().any(|name| std::env::var_os(name).is_some());
        let limit = if is_large { "0x20000" } else { "0x8000" };
        println!("cargo:rustc-link-arg-bins=--defsym=flash_limit={limit}");
    }
}
