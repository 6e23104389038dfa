//! Payloads of small ELF files that are put together by hand.
// notes/lsp.md section 7: from allocated sections, refuse bytes outside the slot (nmagic trap).

use super::*;

const SLOT: Range<u64> = 0x0800_8000..0x0800_9000;

struct Section {
    address: u32,
    load: u32,
    flags: u32,
    kind: u32,
    bytes: Vec<u8>,
}

fn text(address: u32, bytes: &[u8]) -> Section {
    Section {
        address,
        load: address,
        flags: 2,
        kind: 1,
        bytes: bytes.to_vec(),
    }
}

/// A little-endian ELF32 executable. One segment per section; with `header_in_segment` the first
/// segment begins with the file's own header, as linkers make it without `--nmagic`.
fn elf(sections: &[Section], header_in_segment: bool) -> Vec<u8> {
    let segments_at = 52;
    let data_at = segments_at + 32 * sections.len();
    let mut data = Vec::new();
    let mut segments = Vec::new();
    let mut headers = vec![[0u32; 10]];
    for (index, section) in sections.iter().enumerate() {
        let offset = u32::try_from(data_at + data.len()).unwrap();
        let len = u32::try_from(section.bytes.len()).unwrap();
        let in_file = if section.kind == 8 { 0 } else { len };
        let back = if header_in_segment && index == 0 {
            offset
        } else {
            0
        };
        segments.extend([
            1,
            offset - back,
            section.address.wrapping_sub(back),
            section.load.wrapping_sub(back),
            in_file + back,
            len + back,
            5,
            4,
        ]);
        headers.push([
            0,
            section.kind,
            section.flags,
            section.address,
            offset,
            len,
            0,
            0,
            4,
            0,
        ]);
        if section.kind != 8 {
            data.extend_from_slice(&section.bytes);
        }
    }
    let names_at = u32::try_from(data_at + data.len()).unwrap();
    headers.push([0, 3, 0, 0, names_at, 1, 0, 0, 1, 0]);
    data.push(0);
    let headers_at = u32::try_from(data_at + data.len()).unwrap();
    let count = u16::try_from(headers.len()).unwrap();
    let mut file = vec![0x7F, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for half in [2u16, 40] {
        file.extend(half.to_le_bytes());
    }
    for word in [
        1,
        SLOT_START,
        u32::try_from(segments_at).unwrap(),
        headers_at,
        0,
    ] {
        file.extend(word.to_le_bytes());
    }
    let segment_count = u16::try_from(sections.len()).unwrap();
    for half in [52u16, 32, segment_count, 40, count, count - 1] {
        file.extend(half.to_le_bytes());
    }
    for word in segments {
        file.extend(word.to_le_bytes());
    }
    file.extend(data);
    for word in headers.iter().flatten() {
        file.extend(word.to_le_bytes());
    }
    file
}

const SLOT_START: u32 = 0x0800_8000;

#[test]
fn sections_become_the_bytes_of_the_slot_with_gaps_erased() {
    let file = elf(
        &[
            text(SLOT_START, &[1, 2, 3, 4]),
            text(SLOT_START + 8, &[5, 6]),
        ],
        false,
    );
    let payload = flat_payload(&file, SLOT, 0xFF).unwrap();
    assert_eq!(payload, [1, 2, 3, 4, 0xFF, 0xFF, 0xFF, 0xFF, 5, 6]);
}

#[test]
fn the_file_header_in_a_segment_does_not_reach_the_bootloader() {
    let file = elf(&[text(SLOT_START, &[1, 2, 3, 4])], true);
    assert_eq!(flat_payload(&file, SLOT, 0xFF).unwrap(), [1, 2, 3, 4]);
}

#[test]
fn initialised_data_goes_to_its_place_in_flash() {
    let data = Section {
        address: 0x2000_0000,
        ..text(SLOT_START + 4, &[9, 9])
    };
    let file = elf(&[text(SLOT_START, &[1, 2, 3, 4]), data], false);
    assert_eq!(flat_payload(&file, SLOT, 0xFF).unwrap(), [1, 2, 3, 4, 9, 9]);
}

#[test]
fn what_takes_no_flash_is_left_out() {
    let bss = Section {
        kind: 8,
        flags: 3,
        ..text(0x2000_0000, &[0; 64])
    };
    let notes = Section {
        flags: 0,
        ..text(0, &[7; 16])
    };
    let file = elf(&[text(SLOT_START, &[1]), bss, notes], false);
    assert_eq!(flat_payload(&file, SLOT, 0xFF).unwrap(), [1]);
}

#[test]
fn bytes_outside_the_slot_are_refused_with_their_place() {
    for (address, len) in [(0x0800_7FFC, 8), (0x0800_8FFE, 4), (0x0900_0000, 1), (0, 1)] {
        let mut far = text(address, &vec![1; len]);
        far.flags = 2;
        let error = flat_payload(&elf(&[text(SLOT_START, &[1]), far], false), SLOT, 0xFF);
        let Err(ElfError::OutsideSlot { start, .. }) = error else {
            panic!("{address:#x}: {error:?}")
        };
        assert_eq!(start, u64::from(address));
    }
}

#[test]
fn sections_that_share_bytes_are_refused() {
    let file = elf(
        &[text(SLOT_START, &[1, 2, 3, 4]), text(SLOT_START + 2, &[5])],
        false,
    );
    assert!(matches!(
        flat_payload(&file, SLOT, 0xFF),
        Err(ElfError::Overlap(_))
    ));
}

#[test]
fn files_that_are_no_executables_are_refused() {
    let file = elf(&[text(SLOT_START, &[1, 2, 3, 4])], false);
    assert_eq!(
        flat_payload(&elf(&[], false), SLOT, 0xFF),
        Err(ElfError::Empty)
    );
    assert!(matches!(
        flat_payload(b"", SLOT, 0xFF),
        Err(ElfError::Malformed(_))
    ));
    assert!(matches!(
        flat_payload(b"MZ not an elf", SLOT, 0xFF),
        Err(ElfError::Malformed(_))
    ));
    for len in 0..file.len() {
        // Never a panic, and never a payload other than the whole one.
        if let Ok(payload) = flat_payload(&file[..len], SLOT, 0xFF) {
            assert_eq!(payload, [1, 2, 3, 4]);
        }
    }
}

#[test]
fn damaged_headers_never_panic() {
    let file = elf(&[text(SLOT_START, &[1, 2, 3, 4])], true);
    for at in 0..file.len() {
        for value in [0x00, 0x7F, 0xFF] {
            let mut damaged = file.clone();
            damaged[at] = value;
            if let Ok(payload) = flat_payload(&damaged, SLOT, 0xFF) {
                assert!(payload.len() <= 0x1000);
            }
        }
    }
}
