//! Generators: the guest crate's imports, the VM's dispatch and `docs/abi.md` come from the table.
//! Each test compares, and with `OTARU_WRITE_GENERATED` in its environment it writes first.

mod dispatch;
mod guest;
mod page;

use std::path::{Path, PathBuf};

use otaru_abi::{FUNCTIONS, Function, Param};

const BANNER: &str = "// `cargo xtask codegen` writes this file from `core/abi/src/table.rs`.\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text without what a formatter may change.
fn unformatted(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && *c != ',')
        .collect()
}

fn keep_current(path: &str, expected: &str) {
    let file = root().join(path);
    if std::env::var_os("OTARU_WRITE_GENERATED").is_some() {
        std::fs::write(&file, expected).expect("the checkout can be written to");
        if file.extension().is_some_and(|ending| ending == "rs") {
            let formatted = std::process::Command::new("rustfmt")
                .args(["--edition", "2024", "--config-path"])
                .args([root().join("rustfmt.toml"), file.clone()])
                .status();
            assert!(formatted.is_ok_and(|status| status.success()), "rustfmt");
        }
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        unformatted(&found) == unformatted(expected),
        "{path} is stale; `cargo xtask codegen` renews it"
    );
}

/// Whether the host writes into the bytecode's memory while it also reads from it.
fn reads_and_writes(function: &Function) -> bool {
    let reads = |p: &Param| matches!(p, Param::Bytes { .. } | Param::Text { .. });
    let writes = |p: &Param| matches!(p, Param::Buffer { .. } | Param::Array { .. });
    function.params.iter().any(reads) && function.params.iter().any(writes)
}

#[test]
fn guest_is_current() {
    keep_current("guest/src/host.rs", &guest::render(FUNCTIONS));
}

#[test]
fn dispatch_is_current() {
    keep_current("runtime/vm/src/dispatch.rs", &dispatch::render(FUNCTIONS));
}

#[test]
fn page_is_current() {
    keep_current("docs/abi.md", &page::render(FUNCTIONS));
}

/// The dispatch copies what is read before it lets the host write.
#[test]
fn only_short_inputs_stand_beside_a_buffer() {
    for function in FUNCTIONS.iter().filter(|f| reads_and_writes(f)) {
        for param in function.params {
            match param {
                Param::Bytes { len_max, .. } | Param::Text { len_max, .. } => {
                    assert!(*len_max <= 64, "{}", function.name);
                }
                Param::Number { .. } | Param::Buffer { .. } | Param::Array { .. } => {}
            }
        }
    }
}
