//! What a linker says when something does not fit, out of the text that rustc passes on. Linkers have
//! no machine-readable messages; these are the sentences of GNU ld and of LLVM's lld.

/// Something that does not fit into its place in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overflow {
    /// The memory region of the linker script, such as `FLASH`.
    pub region: String,
    /// How many bytes too many there are.
    pub bytes: u64,
    /// The section that did not fit any more, if the linker says.
    pub section: Option<String>,
}

impl Overflow {
    /// Whether the region stands for memory that loses its content, and not for the slot.
    pub fn is_memory(&self) -> bool {
        self.region.to_ascii_uppercase().contains("RAM")
    }
}

/// The overflows that a text of a linker reports: one for each region, the largest.
///
/// ```text
/// rust-lld: error: section '.text' will not fit in region 'FLASH': overflowed by 1234 bytes
/// ld: region `FLASH' overflowed by 1234 bytes
/// ```
pub fn overflows(text: &str) -> Vec<Overflow> {
    let mut found: Vec<Overflow> = Vec::new();
    for line in text.lines() {
        let Some(overflow) = overflow(line) else {
            continue;
        };
        match found
            .iter_mut()
            .find(|other| other.region == overflow.region)
        {
            Some(other) if other.bytes < overflow.bytes => *other = overflow,
            Some(_) => {}
            None => found.push(overflow),
        }
    }
    found
}

fn overflow(line: &str) -> Option<Overflow> {
    let (before, after) = line.split_once("overflowed by ")?;
    let bytes = after.split_whitespace().next()?.parse().ok()?;
    let region = quoted(before.rsplit_once("region ")?.1)?;
    let section = before
        .split_once("section ")
        .and_then(|(_, rest)| quoted(rest));
    Some(Overflow {
        region,
        bytes,
        section,
    })
}

/// The word in quotes at the beginning of a text: `'FLASH'`, or as GNU writes it, `` `FLASH' ``.
fn quoted(text: &str) -> Option<String> {
    let text = text.strip_prefix(['\'', '`', '"', '‘'])?;
    let end = text.find(['\'', '`', '"', '’'])?;
    text.get(..end).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Overflow {
        let found = overflows(line);
        assert_eq!(found.len(), 1, "{line}");
        found[0].clone()
    }

    #[test]
    fn both_linkers_are_understood() {
        let lld = "  = note: rust-lld: error: section '.text' will not fit in region 'FLASH': overflowed by 1234 bytes";
        assert_eq!(
            one(lld),
            Overflow {
                region: "FLASH".to_owned(),
                bytes: 1234,
                section: Some(".text".to_owned()),
            }
        );
        let gnu = "          arm-none-eabi-ld: region `RAM' overflowed by 16 bytes";
        let found = one(gnu);
        assert_eq!((found.region.as_str(), found.bytes), ("RAM", 16));
        assert!(found.is_memory());
    }

    #[test]
    fn the_last_word_about_a_region_counts() {
        let text = "error: section '.text' will not fit in region 'FLASH': overflowed by 10 bytes\n\
                    error: section '.rodata' will not fit in region 'FLASH': overflowed by 110 bytes\n\
                    error: section '.bss' will not fit in region 'RAM': overflowed by 4 bytes\n";
        let found = overflows(text);
        let told: Vec<_> = found
            .iter()
            .map(|found| (found.region.as_str(), found.bytes))
            .collect();
        assert_eq!(told, [("FLASH", 110), ("RAM", 4)]);
    }

    #[test]
    fn other_text_is_no_overflow() {
        for text in [
            "",
            "the stack overflowed by itself",
            "region 'FLASH' overflowed by many bytes",
            "region FLASH overflowed by 12 bytes",
            "attempt to add with overflow",
        ] {
            assert_eq!(overflows(text), [], "{text}");
        }
    }
}
