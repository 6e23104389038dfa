//! Calls and frames in the machine code of a 32-bit RISC-V with compressed instructions.

use std::ops::Range;

use super::{Code, Found};

const RETURN_ADDRESS: u32 = 1;
const STACK_POINTER: u32 = 2;

/// A register that was loaded with the upper part of an address.
#[derive(Clone, Copy)]
struct Upper {
    register: u32,
    value: u32,
}

/// Reads one function.
pub(super) fn scan(code: &Code<'_>, function: Range<u32>) -> Found {
    let mut found = Found::default();
    let mut upper = None;
    let mut at = function.start;
    while at + 1 < function.end {
        let Some(half) = code.half(at) else { break };
        let wide = half & 3 == 3;
        if code.is_code(at) {
            let target = if wide {
                let word = code.word(at).unwrap_or(0);
                whole(code, at, word, &mut upper, &mut found)
            } else {
                compressed(at, u32::from(half), &mut found)
            };
            found
                .calls
                .extend(target.filter(|target| !function.contains(target)));
        }
        at += if wide { 4 } else { 2 };
    }
    found
}

/// An instruction of 32 bits; where it leads, if it leads anywhere.
fn whole(
    code: &Code<'_>,
    at: u32,
    word: u32,
    upper: &mut Option<Upper>,
    found: &mut Found,
) -> Option<u32> {
    let (destination, source) = (word >> 7 & 31, word >> 15 & 31);
    let immediate = signed(word >> 20, 12);
    let address = upper
        .filter(|upper| upper.register == source)
        .map(|upper| upper.value.wrapping_add(immediate));
    match word & 0x7F {
        // lui, auipc
        opcode @ (0x37 | 0x17) => {
            let base = if opcode == 0x17 { at } else { 0 };
            *upper = Some(Upper {
                register: destination,
                value: base.wrapping_add(word & 0xFFFF_F000),
            });
            None
        }
        // jal
        0x6F => Some(at.wrapping_add(jump(word))),
        // jalr
        0x67 => {
            found.pointers |= address.is_none() && destination == RETURN_ADDRESS;
            address
        }
        // addi: moves the stack pointer, or completes the address of a function.
        0x13 if word & 0x7000 == 0 => {
            if destination == STACK_POINTER && source == STACK_POINTER {
                found.pushed += below_zero(immediate);
            }
            let address = address.filter(|address| code.is_function(*address));
            found.addresses |= address.is_some();
            address
        }
        // Conditional branches.
        0x63 => Some(at.wrapping_add(branch(word))),
        _ => None,
    }
}

/// An instruction of 16 bits.
fn compressed(at: u32, half: u32, found: &mut Found) -> Option<u32> {
    let register = half >> 7 & 31;
    match (half & 3, half >> 13) {
        // c.jal, c.j
        (1, 0b001 | 0b101) => Some(at.wrapping_add(compressed_jump(half))),
        // c.addi
        (1, 0b000) if register == STACK_POINTER => {
            found.pushed += below_zero(signed(half >> 7 & 32 | half >> 2 & 31, 6));
            None
        }
        // c.addi16sp
        (1, 0b011) if register == STACK_POINTER => {
            let bits = bits(half, &[(12, 9), (6, 4), (5, 6), (4, 8), (3, 7), (2, 5)]);
            found.pushed += below_zero(signed(bits, 10));
            None
        }
        // c.jalr
        (2, 0b100) if half & 0x107C == 0x1000 && register != 0 => {
            found.pointers = true;
            None
        }
        _ => None,
    }
}

/// How far a number is below zero.
fn below_zero(number: u32) -> u64 {
    u64::from(number.cast_signed().min(0).unsigned_abs())
}

/// The lowest `bits` bits of a number, with sign.
fn signed(number: u32, bits: u32) -> u32 {
    let shift = 32 - bits;
    ((number << shift).cast_signed() >> shift).cast_unsigned()
}

/// Takes the bits of an instruction to their places: `(from, to)`.
fn bits(word: u32, places: &[(u32, u32)]) -> u32 {
    places
        .iter()
        .map(|(from, to)| (word >> from & 1) << to)
        .sum()
}

/// The distance in `jal`.
fn jump(word: u32) -> u32 {
    let low = word >> 20 & 0x7FE | word >> 9 & 0x800 | word & 0xF_F000;
    signed(low | word >> 11 & 0x10_0000, 21)
}

/// The distance in a conditional branch.
fn branch(word: u32) -> u32 {
    let low = word >> 7 & 0x1E | word >> 20 & 0x7E0 | word << 4 & 0x800;
    signed(low | word >> 19 & 0x1000, 13)
}

/// The distance in `c.jal` and `c.j`.
fn compressed_jump(half: u32) -> u32 {
    const PLACES: [(u32, u32); 11] = [
        (12, 11),
        (11, 4),
        (10, 9),
        (9, 8),
        (8, 10),
        (7, 6),
        (6, 7),
        (5, 3),
        (4, 2),
        (3, 1),
        (2, 5),
    ];
    signed(bits(half, &PLACES), 12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_are_decoded() {
        // jal ra, -4; jal ra, 0x100; beq a0, a1, 8; c.j 8; c.jal -4; c.j -2.
        assert_eq!(jump(0xFFDF_F0EF), 0xFFFF_FFFC);
        assert_eq!(jump(0x1000_00EF), 0x100);
        assert_eq!(branch(0x00B5_0463), 8);
        assert_eq!(compressed_jump(0xA021), 8);
        assert_eq!(compressed_jump(0x3FF5), 0xFFFF_FFFC);
        assert_eq!(compressed_jump(0xBFFD), 0xFFFF_FFFE);
    }

    #[test]
    fn what_moves_the_stack_pointer_is_counted() {
        let pushed = |half| {
            let mut found = Found::default();
            assert_eq!(compressed(0, half, &mut found), None);
            found.pushed
        };
        // c.addi sp, -16; c.addi16sp -64; c.addi16sp 64; c.addi a0, -16.
        assert_eq!(pushed(0x1141), 16);
        assert_eq!(pushed(0x7139), 64);
        assert_eq!(pushed(0x6121), 0);
        assert_eq!(pushed(0x1541), 0);
    }

    #[test]
    fn call_through_a_register_is_seen() {
        let mut found = Found::default();
        // c.jr ra is a return, c.jalr a5 a call.
        assert_eq!(compressed(0, 0x8082, &mut found), None);
        assert!(!found.pointers);
        assert_eq!(compressed(0, 0x9782, &mut found), None);
        assert!(found.pointers);
    }
}
