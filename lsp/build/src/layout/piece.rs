//! What is placed: a function or a constant, with a name that stays the same from version to version.

use super::map::{Entry, Map};
use object::{Object as _, ObjectSection as _};
use std::fmt::Write as _;
use std::ops::Range;

/// A function or a constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// What it is called in every version. Several pieces may have one name; then they keep their
    /// order.
    pub(super) name: String,
    /// What it holds, as far as that is the same wherever it stands; pieces with equal ones have
    /// equal lengths and alignments.
    pub(super) signature: u64,
    /// Its length in bytes.
    pub(super) len: u64,
    /// Its alignment in bytes, a power of two.
    pub(super) align: u64,
    /// Where it stands in a layout that is made anew.
    pub(super) rank: Rank,
}

/// What changes together stands together, and what changes most stands last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Code of a library.
    LibraryCode,
    /// Constants of a library.
    LibraryData,
    /// Code that knows a type or function of the application.
    OwnCode,
    /// Constants of the application.
    OwnData,
}

/// The bytes of an executable by address.
pub(super) struct Memory<'e> {
    sections: Vec<(u64, &'e [u8])>,
}

impl<'e> Memory<'e> {
    /// # Errors
    /// It is no ELF file.
    pub(super) fn of(elf: &'e [u8]) -> Result<Self, object::Error> {
        let file = object::File::parse(elf)?;
        let mut sections = Vec::new();
        for section in file.sections() {
            let object::SectionFlags::Elf { sh_flags } = section.flags() else {
                continue;
            };
            if sh_flags & u64::from(object::elf::SHF_ALLOC) == 0 {
                continue;
            }
            sections.push((section.address(), section.data()?));
        }
        Ok(Self { sections })
    }

    fn bytes(&self, range: Range<u64>) -> Option<&'e [u8]> {
        self.sections.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(range.start.checked_sub(*start)?).ok()?;
            let to = usize::try_from(range.end.checked_sub(*start)?).ok()?;
            bytes.get(from..to)
        })
    }
}

/// The pieces of a map, in its order. `own` is the name of the application's crate.
pub(super) fn pieces(map: &Map, memory: &Memory<'_>, own: &str) -> Vec<Piece> {
    let starts = map.movable.iter().map(|entry| entry.address);
    let ends = map.movable.iter().map(Entry::end);
    let image = starts.min().unwrap_or(0)..ends.max().unwrap_or(0);
    let one = |entry: &Entry| {
        let name = name(entry);
        let code = entry.section.starts_with(".text");
        let rank = match (is_own(&name, own), code) {
            (false, true) => Rank::LibraryCode,
            (false, false) => Rank::LibraryData,
            (true, true) => Rank::OwnCode,
            (true, false) => Rank::OwnData,
        };
        let signature = signature(entry, (!code).then_some(memory), &image);
        Piece {
            name,
            signature,
            len: entry.len,
            align: entry.align,
            rank,
        }
    };
    map.movable.iter().map(one).collect()
}

/// Whether the name mentions the application's crate.
fn is_own(name: &str, own: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    name.match_indices(own).any(|(at, _)| {
        let before = name[..at].chars().next_back();
        let behind = name[at + own.len()..].chars().next();
        !before.is_some_and(part_of_word) && !behind.is_some_and(part_of_word)
    })
}

/// A name without what the compiler makes of versions, folders and counters.
fn name(entry: &Entry) -> String {
    let section = &entry.section;
    let symbol = ["_ZN", "_R"].iter().filter_map(|start| {
        let at = section.find(start)?;
        let before = section[..at].chars().next_back();
        (before == Some('.')).then_some(at)
    });
    if let Some(at) = symbol.min() {
        let plain = format!("{:#}", rustc_demangle::demangle(&section[at..]));
        if plain != section[at..] {
            return format!("{}{plain}", &section[..at]);
        }
    }
    if section.starts_with(".text") && !section.contains(".L") {
        return section.clone();
    }
    // A constant without a name of its own: known by its file, and by its place among the others.
    format!("{} {}", words(file_name(&entry.file)), words(section))
}

/// The last part of a path; of an archive's member with the archive.
fn file_name(file: &str) -> &str {
    let path = file.split_once('(').map_or(file, |(archive, _)| archive);
    let at = path.rfind(['/', '\\']).map_or(0, |at| at + 1);
    &file[at..]
}

/// The words of a text without hashes and counters.
fn words(text: &str) -> String {
    let mut kept = String::new();
    for word in text.split(['.', '-', '(', ')', '/']) {
        let hash = word.len() >= 8
            && word.chars().all(|c| c.is_ascii_hexdigit())
            && word.contains(|c: char| c.is_ascii_digit());
        let counter = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
        let unit = kept.ends_with("cgu.");
        if word.is_empty() || hash || (counter && !unit) {
            continue;
        }
        // Writing into a string cannot fail.
        write!(kept, "{word}.").unwrap_or_default();
    }
    kept.truncate(kept.trim_end_matches('.').len());
    kept
}

/// Bytes that are looked at where a constant points to.
const POINTED_LEN: u64 = 16;

/// A number made of length and alignment and, with a memory, of a constant's bytes; addresses in it
/// count as what they point to. (The bytes of code depend on where it stands and whom it calls.)
fn signature(entry: &Entry, memory: Option<&Memory<'_>>, image: &Range<u64>) -> u64 {
    let mut hash = Fnv::new();
    hash.add(&entry.len.to_le_bytes());
    hash.add(&entry.align.to_le_bytes());
    let Some(memory) = memory else { return hash.0 };
    let bytes = memory.bytes(entry.address..entry.end()).unwrap_or_default();
    if entry.align < 4 {
        hash.add(bytes);
        return hash.0;
    }
    for word in bytes.chunks(4) {
        let value = <[u8; 4]>::try_from(word).map(|word| u64::from(u32::from_le_bytes(word)));
        match value {
            Ok(at) if image.contains(&at) => {
                let end = at.saturating_add(POINTED_LEN).min(image.end);
                // Code moves; what stands in it says nothing.
                hash.add(if at % 2 == 0 { b"to" } else { b"fn" });
                let text = memory.bytes(at..end).unwrap_or_default();
                let text = text.split(|byte| !byte.is_ascii_graphic()).next();
                hash.add(text.unwrap_or_default());
            }
            Ok(_) | Err(_) => hash.add(word),
        }
    }
    hash.0
}

/// FNV-1a: the lock file is read by later versions, so the hash must never change.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
#[path = "piece_tests.rs"]
mod tests;
