//! The link map, as lld writes it: which section of which object file the linker placed where.
//!
//! Only what can be moved is kept: sections of one function or constant each, which come from
//! `.text.…` and `.rodata.…` of an object file. The rest (vector table, start-up code, sections that
//! the linker makes itself) stays where the project's linker script puts it.

/// A section of an object file that the linker placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The object file; of an archive `archive(member)`.
    pub(super) file: String,
    /// The section.
    pub(super) section: String,
    /// Its address.
    pub(super) address: u64,
    /// Its length in bytes.
    pub(super) len: u64,
    /// Its alignment in bytes.
    pub(super) align: u64,
}

impl Entry {
    /// The address behind it.
    pub(super) const fn end(&self) -> u64 {
        self.address.saturating_add(self.len)
    }
}

/// What is read of a link map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Map {
    /// Sections that can be moved, in the order of the map.
    pub(super) movable: Vec<Entry>,
    /// Where `.text` begins.
    pub(super) text_at: u64,
    /// Bytes in `.text` and `.rodata` that stay where they are.
    pub(super) fixed_len: u64,
}

/// Output sections of the project's linker script whose content may be moved.
const OUTPUTS: [&str; 2] = [".text", ".rodata"];

/// Reads a map. `ours` is the name of the output section that holds what was placed by us.
pub(super) fn read(text: &str, ours: &str) -> Map {
    let mut map = Map::default();
    let mut output = String::new();
    for line in text.lines() {
        let Some(row) = Row::read(line) else { continue };
        match row.indent {
            0 => {
                row.name.clone_into(&mut output);
                if output == ".text" {
                    map.text_at = row.address;
                }
            }
            IN_INDENT if OUTPUTS.contains(&output.as_str()) || output == ours => {
                let Some((file, section)) = input(row.name) else {
                    continue;
                };
                if row.len == 0 || !is_movable(file, section) {
                    map.fixed_len = map
                        .fixed_len
                        .saturating_add(row.len)
                        .saturating_add(row.align);
                    continue;
                }
                map.movable.push(Entry {
                    file: file.to_owned(),
                    section: section.to_owned(),
                    address: row.address,
                    len: row.len,
                    align: row.align.max(1),
                });
            }
            _ => {}
        }
    }
    map
}

/// Columns by which the name of an input section is indented.
const IN_INDENT: usize = 8;

struct Row<'t> {
    address: u64,
    len: u64,
    align: u64,
    indent: usize,
    name: &'t str,
}

impl<'t> Row<'t> {
    /// `VMA LMA Size Align name`; the first three in hexadecimal digits.
    fn read(line: &'t str) -> Option<Self> {
        let mut rest = line;
        let mut numbers = [0_u64; 4];
        for (number, radix) in numbers.iter_mut().zip([16, 16, 16, 10]) {
            rest = rest.trim_start();
            let (word, behind) = rest.split_once(' ')?;
            *number = u64::from_str_radix(word, radix).ok()?;
            rest = behind;
        }
        let name = rest.trim_start();
        let [address, _, len, align] = numbers;
        Some(Self {
            address,
            len,
            align,
            indent: rest.len() - name.len(),
            name,
        })
    }
}

/// Takes `file:(section)` apart.
fn input(name: &str) -> Option<(&str, &str)> {
    let (file, section) = name.rsplit_once(":(")?;
    Some((file, section.strip_suffix(')')?))
}

fn is_movable(file: &str, section: &str) -> bool {
    let prefixed = OUTPUTS.iter().any(|output| {
        section
            .strip_prefix(output)
            .is_some_and(|rest| rest.starts_with('.') && rest.len() > 1)
    });
    // The name goes into a quoted pattern.
    let plain = |text: &str| !text.contains(['"', '*', '?', '[', '\\']);
    prefixed && file != "<internal>" && plain(file) && plain(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "     VMA      LMA     Size Align Out     In      Symbol
   10200    10200      100     4 .vector_table
   10204    10204        4     4         a.o:(.vector_table.reset_vector)
   10300    10300    16734     4 .text
   10300    10300        0     1         __stext = .
   10300    10300       58     4         a.o:(.Reset)
   10301    10301       3e     1                 Reset
   10358    10358       24     4         /d/libx-12.rlib(x.o):(.text._RNvC1x3run)
   10359    10359       24     1                 x::run
   26a38    26a38     2d74     8 .rodata
   26a38    26a38       38     1         <internal>:(.rodata.cst4)
   27de0    27de0       47     1         a.o:(.rodata..Lanon.61.6)
20000000    27f00        4     4 .data
20000000    27f00        4     4         a.o:(.data.COUNT)
";

    #[test]
    fn sections_of_one_function_or_constant_are_found() {
        let map = read(MAP, ".ours");
        let found: Vec<_> = map
            .movable
            .iter()
            .map(|e| {
                (
                    e.file.as_str(),
                    e.section.as_str(),
                    e.address,
                    e.len,
                    e.align,
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                (
                    "/d/libx-12.rlib(x.o)",
                    ".text._RNvC1x3run",
                    0x10358,
                    0x24,
                    4
                ),
                ("a.o", ".rodata..Lanon.61.6", 0x27de0, 0x47, 1),
            ]
        );
        assert_eq!((map.text_at, map.fixed_len), (0x10300, 0x58 + 4 + 0x38 + 1));
    }

    #[test]
    fn what_stands_in_our_own_section_is_found_as_well() {
        let text = MAP.replace(" .rodata\n", " .ours\n");
        assert_eq!(read(&text, ".ours").movable.len(), 2);
        assert_eq!(read(&text, ".other").movable.len(), 1);
    }

    #[test]
    fn anything_else_is_an_empty_map() {
        // GNU ld writes its map in another form.
        for text in [
            "",
            "Memory Configuration\n\nName Origin Length\n",
            "1 2 3",
            "\u{e4} b c d e",
        ] {
            assert_eq!(read(text, ".ours"), Map::default(), "{text:?}");
        }
    }
}
