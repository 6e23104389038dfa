//! B23, B24: a module that was linked for another slot or VM is refused, from its first bytes.

use otaru_abi::{
    Binding, BindingError, HEAD_LEN, MODULE_HEADER, Mismatch, SECTION_LEN, Target, VmVersion,
};
use proptest::prelude::*;

fn module(binding: &Binding) -> Vec<u8> {
    let mut module = MODULE_HEADER.to_vec();
    module.extend_from_slice(&binding.section());
    module
}

fn linked() -> Binding {
    Binding {
        bytecode_slot: Some(1),
        vm_slot: Some(0),
        abi: (1, 0),
        vm_version: VmVersion {
            major: 1,
            minor: 2,
            revision: 0x0304,
        },
        memory_len: 0x0001_0000,
        functions: 0x0000_0000_00ff_0007,
    }
}

/// The bytes in modules that are out there; never to be changed.
#[test]
fn bytes_are_fixed() {
    let expected: [u8; HEAD_LEN] = [
        0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // module header
        0x00, 0x1e, 0x05, 0x6f, 0x74, 0x61, 0x72, 0x75, // custom section `otaru`
        0x01, 0x01, 0x00, 0x00, // format, bytecode slot, VM slot, zero
        0x01, 0x00, 0x00, 0x00, // ABI major, minor
        0x01, 0x02, 0x04, 0x03, // VM version
        0x00, 0x00, 0x01, 0x00, // memory
        0x07, 0x00, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, // functions
    ];
    assert_eq!(module(&linked()), expected);
    assert_eq!(Binding::read(&expected), Ok(linked()));
}

#[test]
fn what_is_not_linked_is_told_apart_from_what_is_no_module() {
    let mut plain = MODULE_HEADER.to_vec();
    assert_eq!(Binding::read(&plain), Err(BindingError::NotAModule));
    plain.extend_from_slice(&[1, 4, 1, 0x60, 0, 0, 3, 2]);
    assert_eq!(Binding::read(&plain), Err(BindingError::NotLinked));
    assert_eq!(Binding::read(b"\x7fELF"), Err(BindingError::NotAModule));
    for len in 0..HEAD_LEN {
        let short = &module(&linked())[..len];
        assert_eq!(Binding::read(short), Err(BindingError::NotAModule), "{len}");
    }
    let mut later = module(&linked());
    later[16] = 2;
    assert_eq!(Binding::read(&later), Err(BindingError::Format));
}

fn target() -> Target {
    Target {
        abi: (1, 0),
        vm_version: version(1, 3),
        memory_len: 0x0001_0000,
        functions: 0x00ff_ffff,
        ..Target::new(1, 0)
    }
}

fn version(major: u8, minor: u8) -> VmVersion {
    VmVersion {
        major,
        minor,
        revision: 0,
    }
}

#[test]
fn each_mismatch_has_a_name() {
    let check = |change: fn(&mut Binding), expected| {
        let mut binding = linked();
        change(&mut binding);
        assert_eq!(binding.check(&target()), expected);
    };
    check(|_| {}, Ok(()));
    check(|b| b.abi = (2, 0), Err(Mismatch::Abi));
    check(|b| b.abi = (1, 1), Err(Mismatch::Abi));
    check(|b| b.vm_version = version(1, 4), Err(Mismatch::VmVersion));
    check(|b| b.vm_version = version(0, 9), Err(Mismatch::VmVersion));
    check(|b| b.vm_slot = Some(1), Err(Mismatch::VmSlot));
    check(|b| b.bytecode_slot = Some(0), Err(Mismatch::BytecodeSlot));
    check(|b| b.memory_len = 0x0001_0001, Err(Mismatch::Memory));
    check(|b| b.functions = 1 << 40, Err(Mismatch::Function));
}

#[test]
fn what_is_bound_to_nothing_fits_everywhere() {
    let unbound = Binding {
        bytecode_slot: None,
        vm_slot: None,
        vm_version: VmVersion::default(),
        ..linked()
    };
    for (bytecode_slot, vm_slot) in [(0, 0), (0, 1), (1, 1)] {
        let target = Target {
            bytecode_slot,
            vm_slot,
            ..target()
        };
        assert_eq!(unbound.check(&target), Ok(()));
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        slots in any::<(u8, u8)>(), abi in any::<(u16, u16)>(), version in any::<(u8, u8, u16)>(),
        memory_len in any::<u32>(), functions in any::<u64>(),
    ) {
        let slot = |number: u8| (number != 0xff).then_some(number);
        let binding = Binding {
            bytecode_slot: slot(slots.0),
            vm_slot: slot(slots.1),
            abi,
            vm_version: VmVersion { major: version.0, minor: version.1, revision: version.2 },
            memory_len,
            functions,
        };
        prop_assert_eq!(Binding::read(&module(&binding)), Ok(binding));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..SECTION_LEN * 2)) {
        let mut head = MODULE_HEADER.to_vec();
        head.extend(&bytes);
        for bytes in [&bytes, &head] {
            if let Ok(binding) = Binding::read(bytes) {
                let _judged = binding.check(&Target::new(0, 0));
            }
        }
    }
}
