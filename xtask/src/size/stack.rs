//! How deep the stack of a program for Cortex-M can become: the frame of each function, which the
//! compiler writes down, added up along the deepest path of calls.
//!
//! Calls are found in the machine code. Every branch out of a function counts as a call, and so does
//! every address of a function among its constants: the compiler loads one into a register where a
//! function is called several times. So the figure is an upper bound. It holds because there is no
//! recursion, no other call through a pointer and no interrupt; the first two are refused here.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use object::read::elf::ElfFile32;
use object::{Endianness, Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};

/// Whether this is a function written in assembly (`boards/*/src/*.s`), of which the compiler knows
/// nothing: none of them pushes anything.
fn is_without_frame(name: &str) -> bool {
    let own = [
        "reset", "fault", "memcpy", "memmove", "memset", "memcmp", "bcmp",
    ];
    own.contains(&name) || name.starts_with("__aeabi_mem")
}

/// What is granted to a function of the compiler's own library (shifts and divisions of 64 bits),
/// which says nothing about its stack; its machine code pushes eight registers at most.
const LIBRARY_FRAME: u64 = 64;

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
        if function.name.is_empty() || is_without_frame(name) {
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
                half(at + 2).and_then(|second| wide_branch(at, first, second))
            } else {
                pointers |= first & 0xFF87 == 0x4780;
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
        function.calls.sort_unstable();
        function.calls.dedup();
    }
    Ok(())
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
    let library = function.name.starts_with("__aeabi_");
    let known = match (is_without_frame(&function.name), library) {
        (true, _) => Some(0),
        (false, true) => Some(LIBRARY_FRAME),
        (false, false) => None,
    };
    let frame = function
        .frame
        .or(known)
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
    use super::{branch, narrow_branch, wide_branch};

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
    fn other_instructions_are_no_branches() {
        // movw, nop, svc, udf, ldr.w
        assert_eq!(wide_branch(0, 0xF240, 0x1000), None);
        assert_eq!(narrow_branch(0, 0xBF00), None);
        assert_eq!(narrow_branch(0, 0xDF00), None);
        assert_eq!(narrow_branch(0, 0xDE00), None);
        assert_eq!(wide_branch(0, 0xF8D0, 0x1000), None);
    }
}
