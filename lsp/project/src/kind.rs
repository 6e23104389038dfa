//! What a project builds: firmware for a board, or bytecode for a VM that a firmware hosts.

use crate::reader::{Reader, Spanned};

/// What a project builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kind {
    /// What the CPU of the board executes.
    #[default]
    Firmware,
    /// A WebAssembly module that the VM of a firmware runs.
    Bytecode,
}

impl Kind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Firmware, Self::Bytecode];

    /// The word in manifests and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firmware => "firmware",
            Self::Bytecode => "bytecode",
        }
    }

    /// The kind of this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

pub(crate) fn read_kind(table: &Reader<'_>, key: &'static str) -> Option<Spanned<Kind>> {
    let word = table.string(key)?;
    let kind = Kind::named(&word.value)?;
    Some(word.with(kind))
}
