//! Power cuts, and what an interrupted operation leaves behind.

use core::fmt;

/// What an interrupted program or erase leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tear {
    /// Nothing happened.
    Before,
    /// Everything happened.
    After,
    /// Reads as if nothing had happened, for ever; but the units are no longer fresh.
    Touched,
    /// A random subset of the bits changed, for good. With ECC: each unit is old, new or unreadable.
    Bits,
    /// Everything up to a random unit happened, nothing behind it; that unit reads differently each
    /// time.
    Prefix,
    /// Every bit reads differently each time. With ECC: so does every unit, or it fails to read.
    Flicker,
    /// Every bit reads differently at each boot.
    Boots,
    /// The next boot sees everything done, the one after it nothing, and so on: the worst case for
    /// code that believes what it reads.
    Seen,
    /// The next boot sees nothing done, the one after it everything, and so on.
    Unseen,
    /// Two boots see everything done, the next two nothing, and so on.
    SeenLong,
    /// Two boots see nothing done, the next two everything, and so on.
    UnseenLong,
}

impl Tear {
    /// Every way to tear.
    pub const ALL: [Self; 11] = [
        Self::Before,
        Self::After,
        Self::Touched,
        Self::Bits,
        Self::Prefix,
        Self::Flicker,
        Self::Boots,
        Self::Seen,
        Self::Unseen,
        Self::SeenLong,
        Self::UnseenLong,
    ];

    /// The cut between two operations, and no other: what most simulators do.
    pub const CLEAN: [Self; 1] = [Self::Before];

    /// The name used in reproductions.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::Touched => "touched",
            Self::Bits => "bits",
            Self::Prefix => "prefix",
            Self::Flicker => "flicker",
            Self::Boots => "boots",
            Self::Seen => "seen",
            Self::Unseen => "unseen",
            Self::SeenLong => "seenlong",
            Self::UnseenLong => "unseenlong",
        }
    }

    /// The tear with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tear| tear.name() == name)
    }
}

/// A power cut: how many programs and sector erases still succeed, and what the next one leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cut {
    /// Operations that still succeed, counted from the last time the power came on or the cut was
    /// planned.
    pub after: u64,
    /// What the next one leaves behind.
    pub tear: Tear,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.after, self.tear.name())
    }
}

impl core::str::FromStr for Cut {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (after, tear) = text
            .split_once(':')
            .ok_or_else(|| format!("`{text}` is not OPERATIONS:TEAR"))?;
        let after = after
            .parse()
            .map_err(|_no_number| format!("`{after}` is no number of operations"))?;
        let tear =
            Tear::from_name(tear).ok_or_else(|| format!("there is no tear called `{tear}`"))?;
        Ok(Self { after, tear })
    }
}
