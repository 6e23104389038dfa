//! Reading a half: which entry is the newest, which marks follow it, where the written part ends.
//!
//! A unit is read three times. If the readings differ or one fails, it is torn: its bits are
//! unstable and another boot may see something else.

use crate::Body;
use crate::cell::{Stamp, mark_step};
use crate::geometry::{CELL_LEN_MAX, Geometry};
use otaru_flash::{Area, Flash};

const READINGS: usize = 3;

/// What a boot sees in one half.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Half<S> {
    /// Whether there is a valid entry beyond the first.
    pub(crate) beyond_first: bool,
    /// Whether the newest state stands there twice, neither time as the half's first entry, and one
    /// boot wrote both.
    pub(crate) twice: bool,
    /// Whether the cell before `end` holds neither an entry nor a mark.
    pub(crate) torn_end: bool,
    /// Epoch of the first valid entry; `None` if there is none.
    pub(crate) epoch: Option<u32>,
    /// Sequence number of the newest entry.
    pub(crate) sequence: u32,
    /// Cell of the last entry beyond the first.
    last: Option<u32>,
    /// First cell behind everything that does not read as erased.
    pub(crate) end: u32,
    /// The newest state, with the step of the last mark behind it.
    pub(crate) state: S,
}

/// One cell as read by this boot.
pub(crate) enum Seen {
    Blank,
    /// An entry; its state stands where the reader was told to put it.
    Entry(Stamp),
    /// Marks up to the first unit that is none; the last one's step.
    Marks(u16),
    Torn,
}

/// Reads `buf.len()` bytes three times; true if all readings agree.
pub(crate) fn stable<F: Flash>(flash: &mut F, half: &Area, at: u32, buf: &mut [u8]) -> bool {
    let mut again = [0; CELL_LEN_MAX];
    let Some(again) = again.get_mut(..buf.len()) else {
        return false;
    };
    half.read(flash, at, buf).is_ok()
        && (1..READINGS).all(|_| half.read(flash, at, again).is_ok() && again == buf)
}

/// Reads a cell into `buf` and returns how many of its bytes are stable, from the start.
///
/// Almost every cell is stable as a whole; only one that is not is read unit by unit, because marks
/// before a torn one still count.
fn read_stable<F: Flash>(
    flash: &mut F,
    half: &Area,
    geometry: &Geometry,
    cell: u32,
    buf: &mut [u8],
) -> usize {
    let base = geometry.cell_at(cell);
    let cell_len = geometry.cell_len as usize;
    if buf
        .get_mut(..cell_len)
        .is_some_and(|whole| stable(flash, half, base, whole))
    {
        return cell_len;
    }
    let mut read = 0_usize;
    for unit in 0..geometry.marks_per_cell() {
        let at = base.wrapping_add(unit.wrapping_mul(geometry.unit_len));
        let end = read.wrapping_add(geometry.unit_len as usize);
        let target = buf.get_mut(read..end);
        if !target.is_some_and(|target| stable(flash, half, at, target)) {
            break;
        }
        read = end;
    }
    read
}

/// Reads and decodes one cell. `state` is overwritten, and means something only with an entry.
pub(crate) fn see<S: Body, F: Flash>(
    flash: &mut F,
    half: &Area,
    geometry: &Geometry,
    cell: u32,
    state: &mut S,
) -> Seen {
    let mut buf = [0; CELL_LEN_MAX];
    let stable = read_stable(flash, half, geometry, cell, &mut buf);
    let Some(bytes) = buf.get_mut(..stable) else {
        return Seen::Torn;
    };
    let whole = stable == geometry.cell_len as usize;
    if whole && bytes.iter().all(|&byte| byte == geometry.erased) {
        return Seen::Blank;
    }
    // On flash that erases to zero everything is stored inverted, so that programming always
    // clears bits of what is decoded here.
    for byte in bytes.iter_mut() {
        *byte ^= !geometry.erased;
    }
    if whole && let Some(stamp) = Stamp::decode(geometry.entry_len(), bytes, state) {
        return Seen::Entry(stamp);
    }
    // Never zero; said here too, so that the compiler sees that nothing can panic.
    let units = bytes.chunks_exact(geometry.unit_len.max(1) as usize);
    match units.map_while(mark_step).last() {
        Some(step) => Seen::Marks(step),
        None => Seen::Torn,
    }
}

impl<S: Body> Half<S> {
    /// J3: the later epoch wins if it has a valid entry beyond its first. Epochs count on behind
    /// their largest number.
    pub(crate) fn wins_over(&self, other: &Self) -> bool {
        let (Some(mine), Some(others)) = (self.epoch, other.epoch) else {
            return self.epoch.is_some();
        };
        if self.beyond_first != other.beyond_first {
            return self.beyond_first;
        }
        mine != others && mine.wrapping_sub(others) <= u32::MAX / 2
    }

    /// Reads a whole half.
    pub(crate) fn scan<F: Flash>(flash: &mut F, half: &Area, geometry: &Geometry) -> Self {
        let mut seen = Self {
            beyond_first: false,
            twice: false,
            torn_end: false,
            epoch: None,
            sequence: 0,
            last: None,
            end: 0,
            state: S::default(),
        };
        let mut state = S::default();
        for cell in 0..geometry.cells {
            seen.torn_end = match see(flash, half, geometry, cell, &mut state) {
                Seen::Blank => continue,
                Seen::Entry(stamp) => {
                    seen.entry(cell, stamp, &state);
                    false
                }
                Seen::Marks(step) => {
                    seen.mark(step);
                    false
                }
                Seen::Torn => true,
            };
            seen.end = cell.wrapping_add(1);
        }
        seen
    }

    /// Two copies count only if one boot wrote both, the first of which is then whole for good: they
    /// stand side by side (another boot leaves a gap) and are numbered so (a boot that did not see
    /// the first gives its number again).
    fn entry(&mut self, cell: u32, entry: Stamp, state: &S) {
        match self.epoch {
            None => self.epoch = Some(entry.epoch),
            Some(epoch) if epoch == entry.epoch => {
                self.twice = self.last.is_some_and(|last| last.wrapping_add(1) == cell)
                    && self.sequence.wrapping_add(1) == entry.sequence
                    && self.state == *state;
                self.last = Some(cell);
                self.beyond_first = true;
            }
            Some(_) => return,
        }
        self.state = *state;
        self.sequence = entry.sequence;
    }

    #[inline(never)]
    fn mark(&mut self, step: u16) {
        if self.epoch.is_some() {
            self.state.mark(step);
            self.twice = false;
        }
    }
}
