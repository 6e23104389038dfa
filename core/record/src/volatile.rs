//! A record in memory that a reset keeps and a power loss erases.
//!
//! Two copies take turns, so a reset in the middle of a write leaves the former one whole. Memory
//! does not tear as flash does: what was written reads the same at every boot, so one copy is enough
//! and nothing has to be left blank. What a power loss leaves there is no entry, except with a
//! chance of less than 2⁻¹⁰⁰.

use crate::Body;
use crate::cell::Entry;

/// A record in lent memory.
#[derive(Debug)]
pub struct Volatile<'m, S> {
    copies: [&'m mut [u8]; 2],
    /// Which copy is the newer one.
    newest: usize,
    sequence: u32,
    state: Option<S>,
}

impl<'m, S: Body> Volatile<'m, S> {
    /// Bytes of memory that entries of `entry_len` bytes need.
    pub const fn len(entry_len: usize) -> usize {
        entry_len.saturating_mul(2)
    }

    /// Reads the record in `memory`, which may hold anything. `None` if the memory is too short.
    pub fn load(memory: &'m mut [u8], entry_len: usize) -> Option<Self> {
        let (first, rest) = memory.split_at_mut_checked(entry_len)?;
        let second = rest.get_mut(..entry_len)?;
        let seen = [
            Entry::decode(entry_len, first),
            Entry::decode(entry_len, second),
        ];
        let newest = match &seen {
            [Some(first), Some(second)] => {
                usize::from(second.sequence.wrapping_sub(first.sequence) <= u32::MAX / 2)
            }
            [None, Some(_)] => 1,
            [Some(_) | None, None] => 0,
        };
        let entry: Option<&Entry<S>> = seen.get(newest).and_then(Option::as_ref);
        let (sequence, state) =
            entry.map_or((0, None), |entry| (entry.sequence, Some(entry.state)));
        Some(Self {
            copies: [first, second],
            newest,
            sequence,
            state,
        })
    }

    /// The state in force; `None` if the record is lost.
    pub fn state(&self) -> Option<&S> {
        self.state.as_ref()
    }

    /// Writes `state` over the older copy. Whether it can be read back.
    #[must_use]
    pub fn store(&mut self, state: &S) -> bool {
        let older = 1_usize.saturating_sub(self.newest);
        let entry = Entry {
            epoch: 0,
            sequence: self.sequence.wrapping_add(1),
            state: *state,
        };
        let Some(copy) = self.copies.get_mut(older) else {
            return false;
        };
        let len = copy.len();
        let written = entry.encode(len, copy).is_some() && Entry::decode(len, copy) == Some(entry);
        if written {
            (self.newest, self.sequence, self.state) = (older, entry.sequence, Some(*state));
        }
        written
    }
}
