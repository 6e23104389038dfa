//! Decides where every function and constant stands: where it stood before, if it still fits.
//!
//! Pure: from the pieces of this build and the layout of the last one to a new layout. The same
//! pieces planned against the layout that they gave once give the same layout again.

use super::piece::{Piece, Rank};
use std::collections::BTreeMap;

/// A piece's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Its first address.
    pub(super) address: u64,
    /// Bytes that it may grow to without being moved.
    pub(super) room: u64,
    /// Its length in bytes.
    pub(super) len: u64,
    /// What it held; see [`Piece::signature`].
    pub(super) signature: u64,
    /// What it is called.
    pub(super) name: String,
}

impl Place {
    fn end(&self) -> u64 {
        self.address.saturating_add(self.room)
    }
}

/// All places, by address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// The first address of the section that holds all of them.
    pub(super) start: u64,
    /// The places, in the order of their addresses.
    pub(super) places: Vec<Place>,
}

/// A layout, and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// The layout.
    pub(super) layout: Layout,
    /// For each place of the layout the piece that stands there.
    pub(super) pieces: Vec<usize>,
    /// What happened.
    pub(super) changes: Changes,
}

/// How many pieces were treated how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Stand where they stood.
    pub(super) kept: usize,
    /// Had to move because they have grown.
    pub(super) moved: usize,
    /// Are new.
    pub(super) added: usize,
    /// Are gone.
    pub(super) gone: usize,
    /// Bytes between the places that nobody uses.
    pub(super) free: u64,
}

/// A hole is filled again when more than this part of the layout is free. Before that, new pieces go
/// to the end: the last sector differs anyway, because the signature stands there.
const FREE_PART: u64 = 8;
/// Every place begins on such an address at least.
const GRAIN: u64 = 4;

/// Bytes that a piece gets so that it can grow.
fn room(piece: &Piece) -> u64 {
    let spare = match piece.rank {
        // Edited most.
        Rank::OwnCode => piece.len / 8 + 8,
        // Changes only with what is inlined into it.
        Rank::LibraryCode => piece.len / 16,
        // A pool of texts grows by a few words; a constant alone has its type's length.
        Rank::OwnData | Rank::LibraryData if piece.name.contains(".str") => piece.len / 8 + 16,
        Rank::OwnData | Rank::LibraryData => 0,
    };
    piece.len.saturating_add(spare).next_multiple_of(GRAIN)
}

/// Plans a layout. Without an `old` one it begins at `start`.
pub(super) fn plan(pieces: &[Piece], old: Option<&Layout>, start: u64) -> Plan {
    let none = Layout {
        start,
        places: Vec::new(),
    };
    let old = old.unwrap_or(&none);
    let matched = matched(pieces, &old.places);
    let mut changes = Changes::default();
    let mut taken: Vec<(Place, usize)> = Vec::new();
    let mut waiting: Vec<usize> = Vec::new();
    for (index, (piece, place)) in pieces.iter().zip(&matched).enumerate() {
        let place = place.and_then(|at| old.places.get(at));
        match place {
            Some(place) if fits(piece, place) => {
                changes.kept += 1;
                taken.push((at(piece, place.address, place.room), index));
            }
            Some(_) => {
                changes.moved += 1;
                waiting.push(index);
            }
            None => {
                changes.added += 1;
                waiting.push(index);
            }
        }
    }
    changes.gone = old.places.len() - changes.kept - changes.moved;
    waiting.sort_by(|one, other| {
        let key = |index: &usize| {
            let piece = pieces.get(*index);
            piece.map(|piece| (piece.rank, piece.name.as_str()))
        };
        key(one).cmp(&key(other)).then(one.cmp(other))
    });
    let mut holes = Holes::of(old.start, &mut taken);
    for index in waiting {
        let Some(piece) = pieces.get(index) else {
            continue;
        };
        let room = room(piece);
        let address = holes.take(room, piece.align.max(GRAIN));
        taken.push((at(piece, address, room), index));
    }
    taken.sort_by_key(|(place, _)| place.address);
    let (places, order): (Vec<Place>, Vec<usize>) = taken.into_iter().unzip();
    changes.free = holes.free;
    Plan {
        layout: Layout {
            start: old.start,
            places,
        },
        pieces: order,
        changes,
    }
}

fn fits(piece: &Piece, place: &Place) -> bool {
    piece.len <= place.room && place.address.is_multiple_of(piece.align)
}

fn at(piece: &Piece, address: u64, room: u64) -> Place {
    Place {
        address,
        room,
        len: piece.len,
        signature: piece.signature,
        name: piece.name.clone(),
    }
}

/// What is free between the places that are kept, and behind them.
struct Holes {
    /// First address and length of each hole.
    between: Vec<(u64, u64)>,
    end: u64,
    start: u64,
    free: u64,
}

impl Holes {
    fn of(start: u64, taken: &mut [(Place, usize)]) -> Self {
        taken.sort_by_key(|(place, _)| place.address);
        let mut between = Vec::new();
        let mut end = start;
        for (place, _) in taken.iter() {
            if place.address > end {
                between.push((end, place.address - end));
            }
            end = end.max(place.end());
        }
        let free = between.iter().map(|(_, len)| len).sum();
        Self {
            between,
            end,
            start,
            free,
        }
    }

    /// The address of a place for `room` bytes.
    fn take(&mut self, room: u64, align: u64) -> u64 {
        let much_free = self.free.saturating_mul(FREE_PART) > self.end - self.start;
        if much_free && let Some(address) = self.fill(room, align) {
            return address;
        }
        let address = self.end.next_multiple_of(align);
        if address > self.end {
            self.between.push((self.end, address - self.end));
            self.free += address - self.end;
        }
        self.end = address.saturating_add(room);
        address
    }

    /// The smallest hole that is large enough.
    fn fill(&mut self, room: u64, align: u64) -> Option<u64> {
        let fitting = self.between.iter().enumerate().filter(|(_, (at, len))| {
            at.next_multiple_of(align).saturating_add(room) <= at.saturating_add(*len)
        });
        let (index, _) = fitting.min_by_key(|(_, (at, len))| (*len, *at))?;
        let (at, len) = self.between.swap_remove(index);
        let address = at.next_multiple_of(align);
        let behind = address + room;
        if address > at {
            self.between.push((at, address - at));
        }
        if at + len > behind {
            self.between.push((behind, at + len - behind));
        }
        self.free -= room;
        Some(address)
    }
}

/// For each piece the old place of the same thing.
fn matched(pieces: &[Piece], places: &[Place]) -> Vec<Option<usize>> {
    let mut groups: BTreeMap<&str, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (index, piece) in pieces.iter().enumerate() {
        groups.entry(&piece.name).or_default().0.push(index);
    }
    for (index, place) in places.iter().enumerate() {
        // Names that nobody has any more need no place.
        if let Some(group) = groups.get_mut(place.name.as_str()) {
            group.1.push(index);
        }
    }
    let mut found = vec![None; pieces.len()];
    for (new, old) in groups.into_values() {
        let news: Vec<u64> = new.iter().map(|at| pieces[*at].signature).collect();
        let olds: Vec<u64> = old.iter().map(|at| places[*at].signature).collect();
        let free = |at: usize, to: usize| pieces[new[at]].len <= places[old[to]].room;
        for (at, to) in paired(&news, &olds, free) {
            found[new[at]] = Some(old[to]);
        }
    }
    found
}

/// Pairs two series that are much alike: first what is equal, wherever it stands; then what is left,
/// in order, where it fits.
fn paired(news: &[u64], olds: &[u64], fits: impl Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
    let mut waiting: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (index, signature) in olds.iter().enumerate().rev() {
        waiting.entry(*signature).or_default().push(index);
    }
    let mut pairs = Vec::new();
    let mut used = vec![false; olds.len()];
    let mut rest = Vec::new();
    for (index, signature) in news.iter().enumerate() {
        match waiting.get_mut(signature).and_then(Vec::pop) {
            Some(old) => {
                used[old] = true;
                pairs.push((index, old));
            }
            None => rest.push(index),
        }
    }
    let mut left: Vec<usize> = (0..olds.len()).filter(|at| !used[*at]).collect();
    for index in rest {
        if let Some(at) = left.iter().position(|old| fits(index, *old)) {
            pairs.push((index, left.remove(at)));
        }
    }
    if pairs.is_empty() && news.len() == 1 && olds.len() == 1 {
        // A function that has outgrown its place is still the same function.
        pairs.push((0, 0));
    }
    pairs
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
