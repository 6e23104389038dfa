//! The driver's rules, over parts that behave like QEMU's: a program overwrites.
// B1, B7

use super::*;

const FIRST: u32 = 0x200_0000;

/// One sector and what follows it, from `FIRST` on.
struct Fake {
    bytes: Vec<u8>,
    programs: Vec<(u32, usize)>,
    status: u32,
}

fn flash() -> NorRules<Fake> {
    let parts = Fake {
        bytes: vec![0xFF; 2 * SECTOR_LEN as usize],
        programs: Vec::new(),
        status: DONE,
    };
    NorRules::new(parts, SECOND_PART)
}

impl Parts for Fake {
    fn read(&mut self, offset: u32, buf: &mut [u8]) {
        let at = (offset - FIRST) as usize;
        buf.copy_from_slice(&self.bytes[at..at + buf.len()]);
    }

    fn program(&mut self, offset: u32, words: &[u32]) -> u32 {
        self.programs.push((offset, words.len()));
        if self.status == DONE {
            let at = (offset - FIRST) as usize;
            for (index, word) in words.iter().enumerate() {
                self.bytes[at + 4 * index..][..4].copy_from_slice(&word.to_le_bytes());
            }
        }
        self.status
    }
}

#[test]
fn no_bit_is_set_without_an_erase() {
    let mut flash = flash();
    flash.program(FIRST, &[0xF0; 8]).unwrap();
    assert_eq!(
        flash.program(FIRST + 4, &[0xFF; 4]),
        Err(FlashError::NotErased)
    );
    assert_eq!(flash.program(FIRST, &[0x0F; 4]), Err(FlashError::NotErased));
    let mut found = [0; 8];
    flash.read(FIRST, &mut found).unwrap();
    assert_eq!(found, [0xF0; 8], "what is refused changes nothing");
    flash.program(FIRST, &[0; 4]).unwrap();
    flash.erase(FIRST, SECTOR_LEN).unwrap();
    flash.program(FIRST, &[0x0F; 4]).unwrap();
    flash.read(FIRST, &mut found).unwrap();
    assert_eq!(found, [0x0F, 0x0F, 0x0F, 0x0F, 0xFF, 0xFF, 0xFF, 0xFF]);
}

#[test]
fn an_erase_covers_its_sector_and_no_more() {
    let mut flash = flash();
    let len = 2 * SECTOR_LEN as usize;
    flash.program(FIRST, &vec![0; len]).unwrap();
    flash.erase(FIRST, SECTOR_LEN).unwrap();
    let (first, second) = flash.parts.bytes.split_at(SECTOR_LEN as usize);
    assert!(first.iter().all(|byte| *byte == 0xFF));
    assert!(second.iter().all(|byte| *byte == 0));
}

#[test]
fn what_is_outside_unaligned_or_protected_is_refused_before_any_command() {
    let mut flash = flash();
    let mut byte = [0];
    for (found, expected) in [
        (flash.read(FLASH_LEN, &mut byte), FlashError::OutOfBounds),
        (flash.read(u32::MAX, &mut byte), FlashError::OutOfBounds),
        (flash.program(FLASH_LEN, &[0; 4]), FlashError::OutOfBounds),
        (flash.program(FIRST + 2, &[0; 4]), FlashError::Unaligned),
        (flash.program(FIRST, &[0; 3]), FlashError::Unaligned),
        (flash.erase(FIRST + 4, SECTOR_LEN), FlashError::Unaligned),
        (flash.erase(FIRST, 4), FlashError::Unaligned),
        (flash.program(FIRST - 4, &[0; 4]), FlashError::Protected),
        (flash.erase(0, SECTOR_LEN), FlashError::Protected),
    ] {
        assert_eq!(found, Err(expected));
    }
    assert!(flash.parts.programs.is_empty());
}

#[test]
fn a_part_that_fails_ends_the_operation() {
    let mut flash = flash();
    flash.parts.status = 0x0090_0080;
    let failed = Err(FlashError::Failed(0x0090_0080));
    assert_eq!(flash.program(FIRST, &[0; 0x1000]), failed);
    assert_eq!(flash.erase(FIRST, SECTOR_LEN), failed);
    assert_eq!(flash.parts.programs, [(FIRST, 512), (FIRST, 512)]);
}
