//! B22 to B24: what is linked for a place runs there, and is refused elsewhere.

use super::*;
use otaru_abi::Mismatch;
use otaru_image::{ImageBuilder, Label, SigningKey, Version, board_uuids};

fn module() -> Vec<u8> {
    wat::parse_str(
        r#"(module
            (@custom "producers" "somebody")
            (import "otaru1" "sleep" (func (param i32) (result i32)))
            (import "otaru1" "fota_accept" (func (result i32)))
            (memory (export "memory") 1)
            (func (export "run")))"#,
    )
    .unwrap()
}

fn signed(module: &[u8]) -> Vec<u8> {
    ImageBuilder::new(module, Version::default())
        .header_len(HEADER_LEN)
        .label(Label::new("12345678.12345678.12345678+12345").unwrap())
        .board(board_uuids("example.com", "board"))
        .security_counter(1)
        .revoke(2)
        .sign(&SigningKey::from_seed([7; 32]))
        .unwrap()
}

#[test]
fn a_link_says_what_the_module_needs_and_drops_what_it_does_not() {
    let linked = link(&module(), Place::default()).unwrap();
    assert_eq!(
        function_names(linked.binding.functions),
        ["sleep", "fota_accept"]
    );
    assert_eq!(linked.binding.memory_len, 65_536);
    assert!(!linked.module.windows(8).any(|bytes| bytes == b"somebody"));
    assert_eq!(Binding::read(&linked.module), Ok(linked.binding));
    // Linking again binds anew and adds nothing.
    let place = Place {
        bytecode_slot: Some(1),
        ..Place::default()
    };
    let again = link(&linked.module, place).unwrap();
    assert_eq!(again.binding.bytecode_slot, Some(1));
    assert_eq!(again.module.len(), linked.module.len());
}

/// The artifact of a bytecode app is at most its module and 512 bytes.
#[test]
fn the_longest_frame_of_an_image_is_short() {
    let plain = stripped(&module()).unwrap();
    let image = signed(&link(&module(), Place::default()).unwrap().module);
    let more = image.len() - plain.len();
    assert!(more <= 512, "{more} bytes more than the module");
}

#[test]
fn an_image_for_another_slot_or_vm_is_refused_by_the_tool() {
    let version = |minor| VmVersion {
        major: 1,
        minor,
        revision: 0,
    };
    let place = Place {
        bytecode_slot: Some(1),
        vm_slot: Some(0),
        vm_version: version(2),
    };
    let image = signed(&link(&module(), place).unwrap().module);
    let here = Target {
        vm_version: version(2),
        ..Target::new(1, 0)
    };
    assert!(judge(&image, &here).is_ok());
    let refused = |target: Target| match judge(&image, &target) {
        Err(LinkError::Rejected(Rejection::Mismatch(mismatch))) => mismatch,
        other => panic!("{other:?}"),
    };
    let elsewhere = Target {
        bytecode_slot: 0,
        ..here
    };
    assert_eq!(refused(elsewhere), Mismatch::BytecodeSlot);
    let elsewhere = Target { vm_slot: 1, ..here };
    assert_eq!(refused(elsewhere), Mismatch::VmSlot);
    let elsewhere = Target {
        vm_version: version(1),
        ..here
    };
    assert_eq!(refused(elsewhere), Mismatch::VmVersion);
}

#[test]
fn what_no_vm_would_start_is_not_linked() {
    let browser = wat::parse_str(
        r#"(module (import "env" "alert" (func)) (memory (export "memory") 1) (func (export "run")))"#,
    )
    .unwrap();
    let error = link(&browser, Place::default()).unwrap_err();
    assert!(matches!(error, LinkError::Rejected(Rejection::Import)));
    assert!(error.hint().is_some());
    for broken in [&b"\x7fELF"[..], &MODULE_HEADER, &module()[..40]] {
        assert!(link(broken, Place::default()).is_err());
    }
    let mut long = module();
    long.extend_from_slice(&[0, 0xff, 0xff, 0xff, 0xff, 0xff]);
    assert!(matches!(
        link(&long, Place::default()),
        Err(LinkError::NotAModule)
    ));
    assert!(matches!(
        judge(b"no image", &Target::new(0, 0)),
        Err(LinkError::NotAnImage)
    ));
}
