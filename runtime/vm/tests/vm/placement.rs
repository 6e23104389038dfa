//! Which modules are refused before anything is erased or started (B23).

use otaru_runtime_vm::abi::{Binding, BindingError, HEAD_LEN, Mismatch, Target, VmVersion};
use otaru_runtime_vm::engine::Wasmi;
use otaru_runtime_vm::{Limits, Rejection, Vm, check, check_head};

use crate::modules::{binding, bound};

const GOOD: &str = r#"(module (memory (export "memory") 1) (func (export "run")))"#;

/// What `check` and `Vm::start` say, which must be the same.
fn judge(module: &[u8], target: &Target) -> Result<(), Rejection> {
    let limits = Limits::default();
    let checked = check(&Wasmi, module, target, &limits).map(|_binding| ());
    let started = Vm::start(&Wasmi, module, target, &limits).map(|_vm| ());
    assert_eq!(checked, started);
    checked
}

fn rejection(text: &str) -> Rejection {
    judge(&bound(&binding(), text), &Target::new(0, 0)).expect_err("a bad module")
}

#[test]
fn a_module_for_another_slot_or_vm_is_refused_from_its_head() {
    let slot_1 = Binding {
        bytecode_slot: Some(1),
        ..binding()
    };
    let vm_1 = Binding {
        vm_slot: Some(1),
        ..binding()
    };
    let newer = Binding {
        vm_version: VmVersion {
            major: 0,
            minor: 1,
            revision: 0,
        },
        ..binding()
    };
    let cases = [
        (slot_1, Mismatch::BytecodeSlot),
        (vm_1, Mismatch::VmSlot),
        (newer, Mismatch::VmVersion),
    ];
    for (binding, mismatch) in cases {
        let module = bound(&binding, GOOD);
        let target = Target::new(0, 0);
        let expected = Rejection::Mismatch(mismatch);
        assert_eq!(check_head(&module[..HEAD_LEN], &target), Err(expected));
        assert_eq!(judge(&module, &target), Err(expected));
    }
    assert_eq!(judge(&bound(&slot_1, GOOD), &Target::new(1, 0)), Ok(()));
    assert_eq!(judge(&bound(&vm_1, GOOD), &Target::new(0, 1)), Ok(()));
}

#[test]
fn what_was_not_linked_is_refused() {
    let plain = wat::parse_str(GOOD).unwrap();
    let expected = Rejection::Binding(BindingError::NotLinked);
    assert_eq!(judge(&plain, &Target::new(0, 0)), Err(expected));
    let erased = [0xff; 64];
    let expected = Rejection::Binding(BindingError::NotAModule);
    assert_eq!(judge(&erased, &Target::new(0, 0)), Err(expected));
}

#[test]
fn a_binding_that_is_not_true_is_refused() {
    let text = r#"(module
        (import "otaru1" "fota_accept" (func (result i32)))
        (memory (export "memory") 1) (func (export "run")))"#;
    let silent = Binding {
        functions: 0,
        ..binding()
    };
    let target = Target::new(0, 0);
    assert_eq!(judge(&bound(&binding(), text), &target), Ok(()));
    assert_eq!(
        judge(&bound(&silent, text), &target),
        Err(Rejection::BindingUntrue)
    );
    let small = Binding {
        memory_len: 1024,
        ..binding()
    };
    assert!(judge(&bound(&small, GOOD), &target).is_err());
    let large = Binding {
        memory_len: 65_537,
        ..binding()
    };
    let expected = Rejection::Mismatch(Mismatch::Memory);
    assert_eq!(judge(&bound(&large, GOOD), &target), Err(expected));
}

#[test]
fn imports_from_elsewhere_or_of_another_type_are_refused() {
    let imports = [
        r#"(import "env" "log" (func (param i32 i32 i32) (result i32)))"#,
        r#"(import "otaru2" "log" (func (param i32 i32 i32) (result i32)))"#,
        r#"(import "otaru1" "format_flash" (func))"#,
        r#"(import "otaru1" "log" (func (param i32 i32) (result i32)))"#,
        r#"(import "otaru1" "millis" (func (result i32)))"#,
        r#"(import "otaru1" "sleep" (global i32))"#,
    ];
    for import in imports {
        let text =
            format!(r#"(module {import} (memory (export "memory") 1) (func (export "run")))"#);
        assert_eq!(rejection(&text), Rejection::Import, "{import}");
    }
}

#[test]
fn exports_are_what_the_vm_needs() {
    let texts = [
        r#"(module (func (export "run")))"#,
        r#"(module (memory (export "memory") 1))"#,
        r#"(module (memory (export "memory") 1) (func (export "run") (param i32)))"#,
        r#"(module (memory (export "memory") 1) (func (export "run") (result i32) i32.const 0))"#,
        r#"(module (memory (export "run") 1) (func (export "memory")))"#,
    ];
    for text in texts {
        assert_eq!(rejection(text), Rejection::Export, "{text}");
    }
}

#[test]
fn memory_tables_and_data_keep_to_their_limits() {
    let texts = [
        r#"(module (memory (export "memory") 2) (func (export "run")))"#,
        r#"(module (memory (export "memory") 1) (table 257 funcref) (func (export "run")))"#,
        r#"(module (memory (export "memory") 1) (data (i32.const 65535) "ab") (func (export "run")))"#,
    ];
    for text in texts {
        let module = bound(&binding(), text);
        let started = Vm::start(&Wasmi, &module, &Target::new(0, 0), &Limits::default());
        assert_eq!(started.map(|_vm| ()), Err(Rejection::Memory), "{text}");
    }
}

/// For parts with less than 64 KiB of memory.
#[test]
fn memory_can_be_counted_in_bytes() {
    let text =
        r#"(module (memory (export "memory") 2000 4000 (pagesize 1)) (func (export "run")))"#;
    let small = |memory_len| Binding {
        memory_len,
        ..binding()
    };
    let target = Target {
        memory_len: 4096,
        ..Target::new(0, 0)
    };
    assert_eq!(judge(&bound(&small(4096), text), &target), Ok(()));
    assert!(judge(&bound(&small(1999), text), &target).is_err());
}

#[test]
fn what_would_run_too_early_or_is_too_new_is_refused() {
    let texts = [
        // A start function.
        r#"(module (memory (export "memory") 1) (func $s) (start $s) (func (export "run")))"#,
        r#"(module (memory (export "memory") 1) (memory 1) (func (export "run")))"#,
        r#"(module (memory (export "memory") i64 1) (func (export "run")))"#,
        r#"(module (memory (export "memory") 1) (func $f (export "run") (return_call $f)))"#,
    ];
    for text in texts {
        let module = bound(&binding(), text);
        let started = Vm::start(&Wasmi, &module, &Target::new(0, 0), &Limits::default());
        assert!(started.is_err(), "{text}");
    }
    let long = Limits {
        module_len: 64,
        ..Limits::default()
    };
    let module = bound(&binding(), GOOD);
    assert_eq!(
        check(&Wasmi, &module, &Target::new(0, 0), &long),
        Err(Rejection::TooLong)
    );
}
