//! Which board an image is made for: the two UUIDs that `imgtool --vid --cid` writes.

use core::fmt;

/// A UUID as it stands in a TLV: 16 bytes, most significant first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Vendor and class of a board. A device runs only images that carry both of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BoardIds {
    /// Who makes the board: TLV 0x74, `imgtool --vid`.
    pub vid: Uuid,
    /// Which of the vendor's boards: TLV 0x75, `imgtool --cid`.
    pub cid: Uuid,
}

/// The UUIDs that `imgtool sign --vid VENDOR --cid BOARD` writes for these two strings.
///
/// A vendor is best named by its domain. `vid` is the name-based UUID (version 5) of `vendor` in
/// the DNS namespace, `cid` that of `board` in the namespace `vid`. A string that already is a
/// UUID, with hyphens or as 32 hex digits, stands for itself.
#[cfg(feature = "std")]
pub fn board_uuids(vendor: &str, board: &str) -> BoardIds {
    let vid = parsed_or_derived(&uuid::Uuid::NAMESPACE_DNS, vendor);
    let cid = parsed_or_derived(&vid, board);
    BoardIds {
        vid: Uuid(vid.into_bytes()),
        cid: Uuid(cid.into_bytes()),
    }
}

#[cfg(feature = "std")]
fn parsed_or_derived(namespace: &uuid::Uuid, text: &str) -> uuid::Uuid {
    // The parser knows more notations than imgtool; these two lengths are those both know.
    let raw = matches!(text.len(), 32 | 36)
        .then(|| uuid::Uuid::try_parse(text).ok())
        .flatten();
    raw.unwrap_or_else(|| uuid::Uuid::new_v5(namespace, text.as_bytes()))
}
