//! The console tail: the last console lines of a firmware, kept in RAM through a reset.
//!
//! When a firmware on trial fails, the former one comes back, finds the other's last lines here
//! and sends them with the failure. RAM may hold anything after a power loss, so everything is
//! checked before it is believed, and a reset in the middle of a write costs at most one line.
//!
//! Little-endian; `n` = half of what is left, rounded down:
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0, 64 | 64 | two copies of the header, the valid one with the higher sequence counts |
//! | 128 | 144 | the note: attempt `u64`, length `u8`, 128 bytes of text, 3 bytes 0, CRC-32 |
//! | 272 | n | text area 0 |
//! | 272 + n | n | text area 1 |
//!
//! Header: magic `OTTL`, sequence `u32`, index of the running firmware's area `u8`, 3 bytes 0,
//! then for area 0 and area 1: writer (first eight bytes of the image's digest), attempt `u64`,
//! length `u16`; up to the CRC-32 in the last four bytes zeros.

use otaru_flash::crc32;

/// Bytes of a note that are kept.
pub const NOTE_LEN_MAX: usize = 128;

const MAGIC: [u8; 4] = *b"OTTL";
const HEADER_LEN: usize = 64;
const NOTE_AT: usize = 128;
const NOTE_LEN: usize = 144;
const TEXT_AT: usize = 272;

/// Who wrote a text: the first eight bytes of the digest of its image.
pub type Writer = [u8; 8];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Area {
    writer: Writer,
    attempt: u64,
    len: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Header {
    sequence: u32,
    current: u8,
    areas: [Area; 2],
}

impl Header {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if crc32(body) != u32::from_le_bytes(*crc) || !body.starts_with(&MAGIC) {
            return None;
        }
        let area = |at: usize| {
            Some(Area {
                writer: array(body, at)?,
                attempt: u64::from_le_bytes(array(body, at.checked_add(8)?)?),
                len: u16::from_le_bytes(array(body, at.checked_add(16)?)?),
            })
        };
        Some(Self {
            sequence: u32::from_le_bytes(array(body, 4)?),
            current: *body.get(8)? & 1,
            areas: [area(12)?, area(30)?],
        })
    }

    fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let [first, second] = &self.areas;
        put(&mut bytes, 0, &MAGIC);
        put(&mut bytes, 4, &self.sequence.to_le_bytes());
        put(&mut bytes, 8, &[self.current]);
        for (at, area) in [(12_usize, first), (30, second)] {
            put(&mut bytes, at, &area.writer);
            put(
                &mut bytes,
                at.saturating_add(8),
                &area.attempt.to_le_bytes(),
            );
            put(&mut bytes, at.saturating_add(16), &area.len.to_le_bytes());
        }
        if let Some((body, crc)) = bytes.split_last_chunk_mut::<4>() {
            *crc = crc32(body).to_le_bytes();
        }
        bytes
    }

    /// The header in force and the index of its copy.
    fn load(buf: &[u8]) -> Option<(Self, usize)> {
        let copy = |at: usize| {
            buf.get(at..at.checked_add(HEADER_LEN)?)
                .and_then(Self::decode)
        };
        match (copy(0), copy(HEADER_LEN)) {
            (Some(a), Some(b)) if b.sequence.wrapping_sub(a.sequence) < u32::MAX / 2 => {
                Some((b, 1))
            }
            (Some(a), _) => Some((a, 0)),
            (None, Some(b)) => Some((b, 1)),
            (None, None) => None,
        }
    }

    /// Writes the header over the copy that is not in force.
    fn store(mut self, buf: &mut [u8], in_force: usize) {
        self.sequence = self.sequence.wrapping_add(1);
        let at = if in_force == 0 { HEADER_LEN } else { 0 };
        put(buf, at, &self.encode());
    }

    fn area(&self, index: u8) -> &Area {
        let [first, second] = &self.areas;
        if index == 0 { first } else { second }
    }

    fn current_mut(&mut self) -> &mut Area {
        let [first, second] = &mut self.areas;
        if self.current == 0 { first } else { second }
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Copies `data` to `at`; what does not fit is left out as a whole.
fn put(bytes: &mut [u8], at: usize, data: &[u8]) {
    let end = at.saturating_add(data.len());
    if let Some(room) = bytes.get_mut(at..end) {
        room.copy_from_slice(data);
    }
}

/// Bytes of one text area, or `None` if the buffer is too small to be of use.
fn area_len(buf: &[u8]) -> Option<usize> {
    let len = buf.len().checked_sub(TEXT_AT)? / 2;
    let len = len.min(usize::from(u16::MAX));
    (len >= 64).then_some(len)
}

fn area_start(index: u8, len: usize) -> usize {
    if index == 0 {
        TEXT_AT
    } else {
        TEXT_AT.saturating_add(len)
    }
}

/// Begins the text of the firmware `writer`, which runs as `attempt` (0 unless on trial). The text
/// of another firmware, or of another attempt, is kept as the former one; after a mere restart the
/// text goes on.
pub fn begin(buf: &mut [u8], writer: Writer, attempt: u64) {
    let (mut header, in_force) = Header::load(buf).unwrap_or_default();
    let current = header.area(header.current);
    if current.writer == writer && current.attempt == attempt && header.sequence != 0 {
        return;
    }
    if current.len > 0 || current.attempt != 0 {
        header.current = 1_u8.saturating_sub(header.current);
    }
    *header.current_mut() = Area {
        writer,
        attempt,
        len: 0,
    };
    header.store(buf, in_force);
}

/// Adds text of the running firmware. The oldest lines make room. Does nothing before [`begin`].
pub fn push(buf: &mut [u8], text: &str) {
    let (Some((mut header, in_force)), Some(capacity)) = (Header::load(buf), area_len(buf)) else {
        return;
    };
    let start = area_start(header.current, capacity);
    let Some(room) = buf.get_mut(start..start.saturating_add(capacity)) else {
        return;
    };
    // The end of a text that is longer than the whole area.
    let mut from = text.len().saturating_sub(capacity / 2);
    while !text.is_char_boundary(from) {
        from = from.saturating_add(1);
    }
    let text = text.get(from..).unwrap_or_default().as_bytes();
    let mut len = usize::from(header.current_mut().len).min(capacity);
    if len.saturating_add(text.len()) > capacity {
        len = drop_oldest(room, len, text.len());
    }
    put(room, len, text);
    let len = len.saturating_add(text.len()).min(capacity);
    header.current_mut().len = u16::try_from(len).unwrap_or(u16::MAX);
    header.store(buf, in_force);
}

/// Removes whole lines from the beginning, at least a quarter of the area so that it is not done
/// for every line; the length that is left.
fn drop_oldest(room: &mut [u8], len: usize, needed: usize) -> usize {
    let capacity = room.len();
    let over = len.saturating_add(needed).saturating_sub(capacity);
    let least = over.max(capacity / 4).min(len);
    let rest = room.get(least..len).unwrap_or_default();
    let line = rest
        .iter()
        .position(|&byte| byte == b'\n')
        .map_or(rest.len(), |at| at.saturating_add(1));
    let from = least.saturating_add(line).min(len);
    room.copy_within(from..len, 0);
    len.saturating_sub(from)
}

/// The text that the failing firmware of `attempt` left, oldest line first; empty if there is none.
pub fn of_attempt(buf: &[u8], attempt: u64) -> &str {
    let found = || {
        let (header, _) = Header::load(buf)?;
        let capacity = area_len(buf)?;
        let index = 1_u8.saturating_sub(header.current);
        let area = header.area(index);
        if attempt == 0 || area.attempt != attempt {
            return None;
        }
        let start = area_start(index, capacity);
        let len = usize::from(area.len).min(capacity);
        buf.get(start..start.checked_add(len)?)
    };
    let bytes = found().unwrap_or_default();
    match core::str::from_utf8(bytes) {
        Ok(text) => text,
        // A bit that fell over: what stands before it is still worth reading.
        Err(error) => bytes
            .get(..error.valid_up_to())
            .and_then(|good| core::str::from_utf8(good).ok())
            .unwrap_or_default(),
    }
}

/// Keeps the application's own words about `attempt`: why it refused, or what was unhealthy.
/// Shortened to [`NOTE_LEN_MAX`] bytes.
pub fn set_note(buf: &mut [u8], attempt: u64, text: &str) {
    let text = text
        .get(..text.floor_char_boundary(NOTE_LEN_MAX))
        .unwrap_or_default();
    let mut note = [0; NOTE_LEN];
    put(&mut note, 0, &attempt.to_le_bytes());
    put(&mut note, 8, &[u8::try_from(text.len()).unwrap_or(0)]);
    put(&mut note, 9, text.as_bytes());
    if let Some((body, crc)) = note.split_last_chunk_mut::<4>() {
        *crc = crc32(body).to_le_bytes();
    }
    put(buf, NOTE_AT, &note);
}

/// The application's own words about `attempt`; empty if there are none.
pub fn note_of(buf: &[u8], attempt: u64) -> &str {
    let found = || {
        let note = buf.get(NOTE_AT..NOTE_AT.checked_add(NOTE_LEN)?)?;
        let (body, crc) = note.split_last_chunk::<4>()?;
        let valid = crc32(body) == u32::from_le_bytes(*crc);
        let about = u64::from_le_bytes(array(body, 0)?);
        let len = usize::from(*body.get(8)?);
        let text = body.get(9..len.checked_add(9)?)?;
        (valid && about == attempt && attempt != 0)
            .then(|| core::str::from_utf8(text).ok())
            .flatten()
    };
    found().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    // DESIGN 5 "Trial": last console lines and panic message are kept through the reset.
    use super::*;
    use proptest::prelude::*;
    use std::string::String;
    use std::{format, vec};

    const OLD: Writer = [1; 8];
    const NEW: Writer = [2; 8];

    #[test]
    fn former_firmware_reads_the_lines_of_the_failing_one() {
        let mut ram = vec![0xA5; 4096];
        begin(&mut ram, OLD, 0);
        push(&mut ram, "old firmware\n");
        begin(&mut ram, NEW, 7);
        push(&mut ram, "new firmware\n");
        push(&mut ram, "panic: at the disco\n");
        set_note(&mut ram, 7, "sensor missing");
        begin(&mut ram, OLD, 0);
        push(&mut ram, "old again\n");
        assert_eq!(of_attempt(&ram, 7), "new firmware\npanic: at the disco\n");
        assert_eq!(note_of(&ram, 7), "sensor missing");
        assert_eq!(of_attempt(&ram, 8), "");
        assert_eq!(note_of(&ram, 8), "");
        // The former firmware is reset before it could report.
        begin(&mut ram, OLD, 0);
        assert_eq!(of_attempt(&ram, 7), "new firmware\npanic: at the disco\n");
    }

    #[test]
    fn second_trial_boot_goes_on_with_the_text() {
        let mut ram = vec![0; 4096];
        for boot in 0..3 {
            begin(&mut ram, NEW, 7);
            push(&mut ram, &format!("boot {boot}\n"));
        }
        begin(&mut ram, OLD, 0);
        assert_eq!(of_attempt(&ram, 7), "boot 0\nboot 1\nboot 2\n");
    }

    #[test]
    fn oldest_lines_make_room_for_the_newest() {
        let mut ram = vec![0; 2048];
        begin(&mut ram, NEW, 7);
        for line in 0..1000 {
            push(&mut ram, &format!("line {line} é\n"));
        }
        begin(&mut ram, OLD, 0);
        let text = String::from(of_attempt(&ram, 7));
        assert!(text.ends_with("line 999 é\n"), "{text}");
        assert!(text.starts_with("line 9"), "{text}");
        assert!(text.len() > 400, "{} bytes", text.len());
    }

    #[test]
    fn reset_in_the_middle_of_a_write_costs_one_line() {
        let mut ram = vec![0; 2048];
        begin(&mut ram, NEW, 7);
        push(&mut ram, "first\n");
        let before = ram.clone();
        push(&mut ram, "second\n");
        for cut in 0..128 {
            // The header copies are written last, byte by byte.
            let mut torn = ram.clone();
            torn[cut..128].copy_from_slice(&before[cut..128]);
            begin(&mut torn, OLD, 0);
            assert!(of_attempt(&torn, 7).starts_with("first\n"), "cut at {cut}");
        }
    }

    #[test]
    fn tiny_or_absent_memory_is_ignored() {
        for len in [0, 1, 63, 64, 128, 272, 300, 400] {
            let mut ram = vec![0xFF; len];
            begin(&mut ram, NEW, 7);
            push(&mut ram, "text\n");
            set_note(&mut ram, 7, "note");
            begin(&mut ram, OLD, 0);
            let _ = (of_attempt(&ram, 7).len(), note_of(&ram, 7).len());
        }
    }

    proptest! {
        #[test]
        fn any_memory_is_tolerated(mut ram in proptest::collection::vec(any::<u8>(), 0..1500), text in ".*") {
            prop_assert_eq!(of_attempt(&ram, 1), "");
            push(&mut ram, &text);
            begin(&mut ram, NEW, 7);
            push(&mut ram, &text);
            begin(&mut ram, OLD, 0);
            let kept = of_attempt(&ram, 7);
            prop_assert!(text.ends_with(kept));
        }
    }
}
