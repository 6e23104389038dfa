//! Names and signatures of pieces.
// Requirement: a build option keeps the layout of an image stable between versions.

use super::*;

fn entry(file: &str, section: &str) -> Entry {
    Entry {
        file: file.to_owned(),
        section: section.to_owned(),
        address: 0x100,
        len: 16,
        align: 4,
    }
}

#[test]
fn names_hold_no_hash_and_no_counter() {
    for (file, section, expected) in [
        (
            "/d/lamp-069c02be91dd5bd0.lamp.bdf63bc59159faa4-cgu.0.rcgu.o",
            ".text._RNvCsgja4wARXzSa_4lamp4main",
            ".text.lamp::main",
        ),
        (
            "a.o",
            ".text._RNvCsAAAAAAAAAA_4lamp4main.llvm.123456789",
            ".text.lamp::main",
        ),
        (
            "a.o",
            ".text.unlikely._ZN4core9panicking5panic17h0123456789abcdefE",
            ".text.unlikely.core::panicking::panic",
        ),
        ("a.o", ".text.memcpy", ".text.memcpy"),
        (
            "/d/lamp-069c02be91dd5bd0.lamp.bdf63bc59159faa4-cgu.0.rcgu.o",
            ".rodata..Lanon.eeeeb75e7a253b64cd1638163d3772b4.5",
            "lamp.lamp.cgu.0.rcgu.o rodata.Lanon",
        ),
        (
            "/d/libotaru_ddi-4c44620c2631ad9c.rlib(otaru_ddi-4c44620c2631ad9c.otaru_ddi.a3a43c2b793d45fb-cgu.0.rcgu.o)",
            ".rodata.str1.1",
            "libotaru_ddi.rlib.otaru_ddi.otaru_ddi.cgu.0.rcgu.o rodata.str1",
        ),
    ] {
        assert_eq!(name(&entry(file, section)), expected, "{section}");
    }
}

#[test]
fn what_knows_the_application_is_its_own() {
    assert!(is_own(".text.<lamp::board::Chip as x::Y>::z", "lamp"));
    assert!(is_own("lamp.cgu.0.rcgu.o rodata.Lanon", "lamp"));
    assert!(!is_own(".text.lamp_driver::on", "lamp"));
    assert!(!is_own(".text.street_lamp::on", "lamp"));
}

#[test]
fn a_constant_is_the_same_wherever_it_and_what_it_points_to_stand() {
    let image = 0x1000..0x2000;
    // A slice: where its text stands, and how long it is.
    let at = |start: u64, text: &str, len: u8| {
        let mut bytes = vec![0_u8; 0x40];
        let pointed = u32::try_from(start + 0x20).unwrap();
        bytes[..4].copy_from_slice(&pointed.to_le_bytes());
        bytes[4] = len;
        bytes[0x20..0x20 + text.len()].copy_from_slice(text.as_bytes());
        let memory = Memory {
            sections: vec![(start, &bytes)],
        };
        let entry = Entry {
            address: start,
            len: 8,
            ..entry("a.o", ".rodata..Lanon.1.1")
        };
        signature(&entry, Some(&memory), &image)
    };
    assert_eq!(at(0x1000, "red", 3), at(0x1400, "red", 3));
    assert_ne!(at(0x1000, "red", 3), at(0x1000, "blue", 3));
    assert_ne!(at(0x1000, "red", 3), at(0x1000, "red", 4));
}

#[test]
fn an_address_outside_of_every_section_is_no_panic() {
    let memory = Memory {
        sections: vec![(0x1000, &[0; 4])],
    };
    let entry = Entry {
        address: u64::MAX - 20,
        ..entry("a.o", ".rodata.x")
    };
    let alone = signature(&entry, None, &(0..8));
    assert_eq!(signature(&entry, Some(&memory), &(0..8)), alone);
}
