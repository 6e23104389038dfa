//! How deep the stack of a program can become: the frame of each function, which the
//! compiler writes down, added up along the deepest path of calls.
//!
//! Calls are found in the machine code of a Cortex-M or a RISC-V. Every branch out of a function counts as
//! a call, and so does every address of a function among its constants: the compiler loads one into a register where a
//! function is called several times. So the figure is an upper bound. It holds because there is no
//! recursion, no other call through a pointer and no interrupt; the first two are refused here.
//!
//! Of functions in assembly and of the compiler's own library it writes down nothing. There the frame is
//! everything that any instruction of the function pushes.

mod riscv;
mod thumb;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use anyhow::{Context, Result, bail};
use object::elf::{EM_ARM, EM_RISCV};
use object::read::elf::{ElfFile32, FileHeader as _};
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
    let text = file.section_by_name(".text").map(|text| text.index());
    for symbol in file.symbols() {
        let (Ok(address), Ok(len)) = (
            u32::try_from(symbol.address() & !1),
            u32::try_from(symbol.size()),
        ) else {
            continue;
        };
        // What is written in assembly need not say that it is a function.
        let kind = symbol.kind();
        let in_text = text.is_some() && symbol.section_index() == text;
        let is_code = kind == SymbolKind::Text && !symbol.is_undefined()
            || kind == SymbolKind::Unknown && in_text;
        if !is_code {
            continue;
        }
        let name = symbol.name().unwrap_or_default();
        // Mapping symbols, and labels of the assembler.
        if name.is_empty() || name.starts_with('$') || name.starts_with(".L") {
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

/// What the machine code of a function says.
#[derive(Debug, Default)]
struct Found {
    /// Functions that it calls, or whose address it holds.
    calls: Vec<u32>,
    /// Bytes by which it moves the stack pointer, all together.
    pushed: u64,
    /// Whether it calls through a register.
    pointers: bool,
    /// Whether it holds the address of any function.
    addresses: bool,
}

/// The code of the program.
struct Code<'a> {
    bytes: &'a [u8],
    base: u32,
    ranges: CodeRanges,
    starts: BTreeSet<u32>,
}

impl Code<'_> {
    fn half(&self, address: u32) -> Option<u16> {
        let index = usize::try_from(address.checked_sub(self.base)?).ok()?;
        Some(u16::from_le_bytes(*self.bytes.get(index..)?.first_chunk()?))
    }

    fn word(&self, address: u32) -> Option<u32> {
        let (low, high) = (self.half(address)?, self.half(address + 2)?);
        Some(u32::from(high) << 16 | u32::from(low))
    }

    fn is_code(&self, address: u32) -> bool {
        self.ranges.is_code(address)
    }

    fn is_function(&self, address: u32) -> bool {
        self.starts.contains(&address)
    }

    /// Where a function ends: what is written in assembly does not always say it.
    fn end(&self, start: u32, len: u32) -> u32 {
        if len > 0 {
            return start + len;
        }
        let behind = self.starts.range(start + 1..).next().copied();
        let end = u32::try_from(self.bytes.len()).map_or(u32::MAX, |len| self.base + len);
        behind.unwrap_or(end)
    }
}

/// Finds every branch that leaves its function.
fn calls(file: &File<'_>, functions: &mut Functions) -> Result<()> {
    let text = file.section_by_name(".text").context("there is no code")?;
    let code = Code {
        bytes: text.data().context("the code cannot be read")?,
        base: u32::try_from(text.address()).context("code beyond 32 bits")?,
        ranges: code_ranges(file),
        starts: functions.keys().copied().collect(),
    };
    let scan: fn(&Code<'_>, Range<u32>) -> Found = match file.elf_header().e_machine(file.endian())
    {
        EM_ARM => thumb::scan,
        EM_RISCV => riscv::scan,
        other => bail!("nobody reads the code of machine {other} here"),
    };
    for (&start, function) in functions.iter_mut() {
        let found = scan(&code, start..code.end(start, function.len));
        if found.pointers && !found.addresses {
            bail!("{} calls through a pointer", function.name);
        }
        function.frame.get_or_insert(found.pushed);
        function.calls = found.calls;
        function.calls.sort_unstable();
        function.calls.dedup();
    }
    Ok(())
}

/// Where code ends and data begins, from the mapping symbols `$t` or `$x`, and `$d`.
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
        let code = match name.get(..2) {
            Some("$t" | "$x") => true,
            Some("$d") => false,
            Some(_) | None => continue,
        };
        if let Ok(address) = u32::try_from(symbol.address() & !1) {
            ranges.insert(address, code);
        }
    }
    CodeRanges(ranges)
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
