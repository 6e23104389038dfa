//! B22, B25: the example is compiled for WebAssembly, linked, and runs in the VM.

use otaru_abi::{Errno, Level, Target};
use otaru_lsp_build::bytecode::{self, Place};
use otaru_runtime_vm::engine::Wasmi;
use otaru_runtime_vm::{Host, Limits, NoFota, Turn, Vm};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A console, a store of one value, and a clock that jumps to where the bytecode waits for.
#[derive(Default)]
struct Firmware {
    now_ms: u64,
    lines: Vec<String>,
    count: Option<Vec<u8>>,
}

impl Host for Firmware {
    fn now_ms(&mut self) -> u64 {
        self.now_ms
    }

    fn line(&mut self, _level: Level, text: &[u8]) -> Result<(), Errno> {
        self.lines.push(String::from_utf8_lossy(text).into_owned());
        Ok(())
    }

    fn kv_get(&mut self, _key: &[u8], value: &mut [u8]) -> Result<usize, Errno> {
        let count = self.count.as_ref().ok_or(Errno::NotFound)?;
        value
            .get_mut(..count.len())
            .ok_or(Errno::TooLong)?
            .copy_from_slice(count);
        Ok(count.len())
    }

    fn kv_put(&mut self, _key: &[u8], value: &[u8]) -> Result<(), Errno> {
        self.count = Some(value.to_vec());
        Ok(())
    }

    fn publish(&mut self, _topic: &[u8], _payload: &[u8]) -> Result<(), Errno> {
        Ok(())
    }
}

fn compiled(target_dir: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(root)
        .args(["build", "--quiet", "--profile", "firmware"])
        .args(["-p", "bytecode-counter", "--target", bytecode::TARGET])
        .arg("--target-dir")
        .arg(target_dir);
    // Not set where rustup has the target.
    if let Some(compiler) = std::env::var_os("OTARU_WASM_RUSTC") {
        cargo.env("RUSTC", compiler);
    }
    assert!(cargo.status().is_ok_and(|status| status.success()));
    target_dir
        .join(bytecode::TARGET)
        .join("firmware/bytecode-counter.wasm")
}

#[test]
#[ignore = "needs a compiler for WebAssembly"]
fn the_example_counts_in_the_vm_and_goes_on_counting_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let module = std::fs::read(compiled(folder.path())).expect("a module");
    // The linker's own stack of 1 MiB is more than a VM grants: `otaru build` asks for less.
    let limits = Limits {
        memory_len: 2 << 20,
        ..Limits::default()
    };
    let target = Target {
        memory_len: limits.memory_len,
        ..Target::new(0, 0)
    };
    let linked = bytecode::link(&module, Place::default()).expect("it is bytecode");
    let mut firmware = Firmware::default();
    for start in ["starts at 0", "starts at 32"] {
        let mut vm: Vm<'_, Wasmi> =
            Vm::start(&Wasmi, &linked.module, &target, &limits).expect("it starts");
        let mut waits = 0;
        while waits < 40 {
            match vm.turn(&mut firmware, &mut NoFota) {
                Turn::Runnable => {}
                Turn::Waiting { until_ms } => {
                    firmware.now_ms = until_ms;
                    waits += 1;
                }
                Turn::Ended(ended) => panic!("{ended:?}: {:?}", firmware.lines),
            }
        }
        assert!(firmware.lines[0].ends_with(start), "{:?}", firmware.lines);
        firmware.lines.clear();
    }
}
