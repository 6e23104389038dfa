//! Arguments of a request, and the ranges of memory that they name. Nothing here trusts them.

use otaru_abi::Errno;

use crate::engine::Trap;

/// Why a host function has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The bytecode is told.
    Errno(Errno),
    /// The bytecode has failed.
    Trap(Trap),
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// The arguments of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arguments([u32; 6]);

impl Arguments {
    pub(crate) fn new(words: [u32; 6]) -> Self {
        Self(words)
    }

    pub(crate) fn number(&self, word: usize) -> u32 {
        self.0.get(word).copied().unwrap_or(0)
    }

    /// Bytes of the ranges that it names are paid with fuel; a word that is no length only costs.
    pub(crate) fn len_at(&self, word: usize) -> u32 {
        self.number(word.saturating_add(1))
    }

    /// The range of a pointer and the length behind it.
    fn range(&self, word: usize, len_max: u32) -> Result<core::ops::Range<usize>, Stop> {
        let len = self.len_at(word);
        if len > len_max {
            return Err(Stop::Errno(Errno::TooLong));
        }
        range(self.number(word), len)
    }
}

fn range(start: u32, len: u32) -> Result<core::ops::Range<usize>, Stop> {
    let end = start.checked_add(len);
    let start = usize::try_from(start).ok();
    let end = end.and_then(|end| usize::try_from(end).ok());
    match (start, end) {
        (Some(start), Some(end)) => Ok(start..end),
        (_, _) => Err(Stop::Trap(Trap::BadPointer)),
    }
}

/// What the host reads.
pub(crate) fn input<'m>(
    memory: &'m [u8],
    arguments: &Arguments,
    word: usize,
    len_max: u32,
) -> Result<&'m [u8], Stop> {
    memory
        .get(arguments.range(word, len_max)?)
        .ok_or(Stop::Trap(Trap::BadPointer))
}

/// What the host reads while it also writes, which may be the same bytes.
pub(crate) fn copy<'c, const N: usize>(
    memory: &[u8],
    arguments: &Arguments,
    word: usize,
    copy: &'c mut [u8; N],
) -> Result<&'c [u8], Stop> {
    let len_max = u32::try_from(N).unwrap_or(u32::MAX);
    let input = input(memory, arguments, word, len_max)?;
    let copy = copy
        .get_mut(..input.len())
        .ok_or(Stop::Errno(Errno::TooLong))?;
    copy.copy_from_slice(input);
    Ok(copy)
}

/// What the host fills from its beginning.
pub(crate) fn buffer<'m>(
    memory: &'m mut [u8],
    arguments: &Arguments,
    word: usize,
    len_max: u32,
) -> Result<&'m mut [u8], Stop> {
    memory
        .get_mut(arguments.range(word, len_max)?)
        .ok_or(Stop::Trap(Trap::BadPointer))
}

/// What the host fills completely.
pub(crate) fn array<'m, const N: usize>(
    memory: &'m mut [u8],
    arguments: &Arguments,
    word: usize,
) -> Result<&'m mut [u8; N], Stop> {
    let len = u32::try_from(N).unwrap_or(u32::MAX);
    memory
        .get_mut(range(arguments.number(word), len)?)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(Stop::Trap(Trap::BadPointer))
}
