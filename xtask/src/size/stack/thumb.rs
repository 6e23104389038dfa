//! Calls and frames in the machine code of a Cortex-M.

use std::ops::Range;

use super::{Code, Found};

/// Reads one function.
pub(super) fn scan(code: &Code<'_>, function: Range<u32>) -> Found {
    let mut found = Found::default();
    let mut at = function.start;
    while at + 1 < function.end {
        let Some(first) = code.half(at) else { break };
        if !code.is_code(at) {
            // A constant: an address of a function has its lowest bit set.
            let word = code.word(at).filter(|word| word & 1 == 1);
            if let Some(target) = word.map(|word| word & !1)
                && at.is_multiple_of(4)
                && code.is_function(target)
            {
                found.calls.push(target);
                found.addresses = true;
            }
            at += 2;
            continue;
        }
        // 0b11101, 0b11110 and 0b11111 begin an instruction of 32 bits.
        let wide = first >> 11 >= 0b11101;
        let target = if wide {
            let second = code.half(at + 2).unwrap_or(0);
            found.pushed += wide_push(first, second);
            wide_branch(at, first, second)
        } else {
            found.pointers |= first & 0xFF87 == 0x4780;
            found.pushed += narrow_push(first);
            narrow_branch(at, first)
        };
        found
            .calls
            .extend(target.filter(|target| !function.contains(target)));
        at += if wide { 4 } else { 2 };
    }
    found
}

/// Bytes by which `push` and `sub sp` move the stack pointer.
fn narrow_push(first: u16) -> u64 {
    match first >> 7 {
        _ if first & 0xFE00 == 0xB400 => u64::from((first & 0x1FF).count_ones()) * 4,
        0b1_0110_0001 => u64::from(first & 0x7F) * 4,
        _ => 0,
    }
}

/// The same for `push.w`, a store that moves the stack pointer first, and `vpush`. Larger frames are not
/// made in assembly.
fn wide_push(first: u16, second: u16) -> u64 {
    match first {
        0xE92D => u64::from(second.count_ones()) * 4,
        0xF84D if second & 0x0F00 == 0x0D00 => u64::from(second & 0xFF),
        0xED2D | 0xED6D => u64::from(second & 0xFF) * 4,
        _ => 0,
    }
}

/// The target of `bl`, `b.w` and conditional `b.w` (Arm v7-M manual, A7.7.12 and A7.7.18).
fn wide_branch(at: u32, first: u16, second: u16) -> Option<u32> {
    if first >> 11 != 0b11110 || second >> 15 != 1 {
        return None;
    }
    let (first, second) = (u32::from(first), u32::from(second));
    let sign = first >> 10 & 1;
    let (j1, j2) = (second >> 13 & 1, second >> 11 & 1);
    let low = (second & 0x7FF) << 1;
    let (offset, bits) = match (second >> 14 & 1, second >> 12 & 1) {
        // `bl` and `b.w`: 25 bits.
        (_, 1) => {
            let (i1, i2) = (1 ^ j1 ^ sign, 1 ^ j2 ^ sign);
            let high = (sign << 24) | (i1 << 23) | (i2 << 22) | ((first & 0x3FF) << 12);
            (high | low, 25)
        }
        // Conditional, unless the condition is one of the two that mean something else: 21 bits.
        (0, _) if first >> 7 & 0b111 != 0b111 => {
            let high = (sign << 20) | (j2 << 19) | (j1 << 18) | ((first & 0x3F) << 12);
            (high | low, 21)
        }
        _ => return None,
    };
    Some(branch(at, offset, bits))
}

/// The target of `b` and conditional `b` (A7.7.12); `cbz` reaches too short to leave a function.
fn narrow_branch(at: u32, first: u16) -> Option<u32> {
    let first = u32::from(first);
    if first >> 11 == 0b11100 {
        return Some(branch(at, (first & 0x7FF) << 1, 12));
    }
    let condition = first >> 8 & 0xF;
    (first >> 12 == 0b1101 && condition < 0xE).then(|| branch(at, (first & 0xFF) << 1, 9))
}

/// Address plus 4 plus an offset of `bits` bits with sign.
fn branch(at: u32, offset: u32, bits: u32) -> u32 {
    let shift = 32 - bits;
    let signed = (offset << shift).cast_signed() >> shift;
    at.wrapping_add(4).wrapping_add(signed.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::{branch, narrow_branch, narrow_push, wide_branch, wide_push};

    #[test]
    fn branches_are_decoded() {
        // bl to itself, forwards by 0x100, backwards by 0x100; b.w; beq.w; b; beq.
        assert_eq!(wide_branch(0x1000, 0xF7FF, 0xFFFE), Some(0x1000));
        assert_eq!(wide_branch(0x1000, 0xF000, 0xF87E), Some(0x1100));
        assert_eq!(wide_branch(0x1000, 0xF7FF, 0xFF7E), Some(0xF00));
        assert_eq!(wide_branch(0x1000, 0xF000, 0xB87E), Some(0x1100));
        assert_eq!(wide_branch(0x1000, 0xF000, 0x807E), Some(0x1100));
        assert_eq!(narrow_branch(0x1000, 0xE7FE), Some(0x1000));
        assert_eq!(narrow_branch(0x1000, 0xD001), Some(0x1006));
        assert_eq!(branch(0, 0x7FE, 12), 0x802);
    }

    #[test]
    fn what_is_pushed_is_counted() {
        // push {r4, lr}; sub sp, #16; add sp, #16; push.w {r4-r11, lr}; str r4, [sp, #-8]!; vpush {d8}
        assert_eq!(narrow_push(0xB510), 8);
        assert_eq!(narrow_push(0xB084), 16);
        assert_eq!(narrow_push(0xB004), 0);
        assert_eq!(wide_push(0xE92D, 0x4FF0), 36);
        assert_eq!(wide_push(0xF84D, 0x4D08), 8);
        assert_eq!(wide_push(0xED2D, 0x8B02), 8);
    }

    #[test]
    fn other_instructions_are_no_branches() {
        // movw, nop, svc, udf, ldr.w
        assert_eq!(wide_branch(0, 0xF240, 0x1000), None);
        assert_eq!(narrow_branch(0, 0xBF00), None);
        assert_eq!(narrow_branch(0, 0xDF00), None);
        assert_eq!(narrow_branch(0, 0xDE00), None);
        assert_eq!(wide_branch(0, 0xF8D0, 0x1000), None);
    }
}
