//! How deep the stack of a program for Cortex-M can become: the frame of each function, which the
//! compiler writes down, added up along the deepest path of calls.
//!
//! Calls are found in the machine code. Every branch out of a function counts as a call, and so does
//! every address of a function among its constants: the compiler loads one into a register where a
//! function is called several times. So the figure is an upper bound. It holds because there is no
//! recursion, no other call through a pointer and no interrupt; the first two are refused here.
//!
//! Of functions in assembly and of the compiler's own library it writes down nothing. There the frame is
//! everything that any instruction of the function pushes.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use object::read::elf::ElfFile32;
use object::{Endianness, Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};

/// A function: where it ends, its frame, and whom it calls.
#[derive(Debug, Default)]
struct Function {
    name: String,
    len: u32,
    frame: Option<u64>,
    calls: Vec<u32>,
}

/// Bytes of stack at most, from the reset on.
///
/// # Errors
/// If the program says nothing about its stack, or if it could call itself or through a pointer.
pub(super) fn deepest(bytes: &[u8]) -> Result<u64> {
    let file = ElfFile32::<Endianness>::parse(bytes).context("no ELF file of a 32-bit program")?;
    let mut functions = functions(&file);
    frames(&file, &mut functions)?;
    calls(&file, &mut functions)?;
    let entry = u32::try_from(file.entry() & !1).context("the entry is no 32-bit address")?;
    depth(&functions, entry, &mut Vec::new())
}

type Functions = BTreeMap<u32, Function>;
type File<'a> = ElfFile32<'a, Endianness>;

fn functions(file: &File<'_>) -> Functions {
    let mut functions = Functions::new();
    for symbol in file.symbols() {
        let (Ok(address), Ok(len)) = (
            u32::try_from(symbol.address() & !1),
            u32::try_from(symbol.size()),
        ) else {
            continue;
        };
        if symbol.kind() != SymbolKind::Text || symbol.is_undefined() {
            continue;
        }
        let name = symbol.name().unwrap_or_default();
        if name.starts_with('$') {
            continue;
        }
        let function = functions.entry(address).or_default();
        // One address may have several names: `memcpy` and its aliases.
        if function.name.is_empty() {
            name.clone_into(&mut function.name);
        }
        function.len = function.len.max(len);
    }
    functions
}

/// Reads the section that `-Zemit-stack-sizes` makes: an address and a length in LEB128 each.
fn frames(file: &File<'_>, functions: &mut Functions) -> Result<()> {
    let section = file
        .section_by_name(".stack_sizes")
        .context("the compiler has not written stack sizes")?;
    let mut rest = section.data().context("the stack sizes cannot be read")?;
    while let Some((address, after)) = rest.split_first_chunk::<4>() {
        let address = u32::from_le_bytes(*address) & !1;
        let mut len = 0_u64;
        let mut used = 0;
        for (index, byte) in after.iter().enumerate().take(9) {
            len |= u64::from(byte & 0x7F) << (7 * index);
            used = index + 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        rest = after.get(used..).unwrap_or_default();
        if let Some(function) = functions.get_mut(&address) {
            function.frame = Some(function.frame.unwrap_or(0).max(len));
        }
    }
    Ok(())
}

/// Finds every branch that leaves its function.
fn calls(file: &File<'_>, functions: &mut Functions) -> Result<()> {
    let code = code_ranges(file);
    let text = file.section_by_name(".text").context("there is no code")?;
    let base = u32::try_from(text.address()).context("code beyond 32 bits")?;
    let bytes = text.data().context("the code cannot be read")?;
    let half = |address: u32| -> Option<u16> {
        let index = usize::try_from(address.checked_sub(base)?).ok()?;
        Some(u16::from_le_bytes(*bytes.get(index..)?.first_chunk()?))
    };
    let starts: BTreeSet<u32> = functions.keys().copied().collect();
    for (&start, function) in functions.iter_mut() {
        let end = start + function.len;
        let mut at = start;
        let (mut pointers, mut addresses) = (false, false);
        let mut pushed = 0;
        while at + 1 < end {
            let Some(first) = half(at) else { break };
            if !code.is_code(at) {
                let word = half(at + 2).map(|upper| u32::from(upper) << 16 | u32::from(first));
                if let Some(word) = word.filter(|word| at % 4 == 0 && word & 1 == 1)
                    && starts.contains(&(word & !1))
                {
                    function.calls.push(word & !1);
                    addresses = true;
                }
                at += 2;
                continue;
            }
            // 0b11101, 0b11110 and 0b11111 begin an instruction of 32 bits.
            let wide = first >> 11 >= 0b11101;
            let target = if wide {
                let second = half(at + 2).unwrap_or(0);
                pushed += wide_push(first, second);
                wide_branch(at, first, second)
            } else {
                pointers |= first & 0xFF87 == 0x4780;
                pushed += narrow_push(first);
                narrow_branch(at, first)
            };
            if let Some(target) = target
                && !(start..end).contains(&target)
            {
                function.calls.push(target);
            }
            at += if wide { 4 } else { 2 };
        }
        if pointers && !addresses {
            bail!("{} calls through a pointer", function.name);
        }
        function.frame.get_or_insert(pushed);
        function.calls.sort_unstable();
        function.calls.dedup();
    }
    Ok(())
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

/// Where code ends and data begins, from the mapping symbols `$t` and `$d`.
struct CodeRanges(BTreeMap<u32, bool>);

impl CodeRanges {
    fn is_code(&self, address: u32) -> bool {
        let last = self.0.range(..=address).next_back();
        last.is_none_or(|(_, code)| *code)
    }
}

fn code_ranges(file: &File<'_>) -> CodeRanges {
    let mut ranges = BTreeMap::new();
    for symbol in file.symbols() {
        let name = symbol.name().unwrap_or_default();
        let kind = name.split('.').next().unwrap_or_default();
        let code = match kind {
            "$t" => true,
            "$d" => false,
            _ => continue,
        };
        if let Ok(address) = u32::try_from(symbol.address() & !1) {
            ranges.insert(address, code);
        }
    }
    CodeRanges(ranges)
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

fn depth(functions: &Functions, address: u32, path: &mut Vec<u32>) -> Result<u64> {
    let Some((&start, function)) = functions.range(..=address).next_back() else {
        bail!("a call to {address:#x}, where no function is");
    };
    if path.contains(&start) {
        bail!("{} can call itself", function.name);
    }
    let frame = function
        .frame
        .with_context(|| format!("nothing is known about the stack of {}", function.name))?;
    path.push(start);
    let mut below = 0;
    for &call in &function.calls {
        below = below.max(depth(functions, call, path)?);
    }
    path.pop();
    Ok(frame + below)
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
