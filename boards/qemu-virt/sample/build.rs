//! Links for the board; its package says where the script is.

fn main() {
    println!("cargo:rustc-link-arg-bins=-Tqemu-virt.x");
}
