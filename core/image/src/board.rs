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
