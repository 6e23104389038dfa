//! A whole session over a flash in memory, for fuzzing: arbitrary bytes come in on the console, and
//! whatever they are, nothing but record and storage is written, and the record stays readable.
//!
//! ```
//! use otaru_bootloader_recovery::fuzz;
//! let mut memory = [0; fuzz::MEMORY_LEN];
//! assert_eq!(fuzz::run(&mut memory, b"\x01\x06\x09AAAA\n"), Ok(()));
//! ```

use crate::framing::{self, OVERHEAD};
use crate::session::{Console, Device, FRAME_LEN_MIN, Next, Note, Session};
use otaru_bootloader::{Event, Port, Recovery, Stopped};
use otaru_flash::{Area, DeviceBlock, Flash, Key, Layout, Mode};
use otaru_image::{SignatureRejected, SignatureVerifier};
use otaru_record::{Cause, Geometry, Image, Journal, LoadError, Phase, State};

/// Bytes of memory that a run takes.
pub const MEMORY_LEN: usize = 0x7000;

const SECTOR: u32 = 512;
const CHUNKS: u32 = 8;
const LOST: u8 = 1;
const STANDBY: u8 = 2;
const FRAMED: u8 = 4;
const RUNNING: u8 = 8;

/// What must never happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// Something else than record and storage was written.
    Outside(u32),
    /// Offset or length are no multiples of write unit or sector.
    Unaligned(u32),
    /// Something was programmed over bits that were programmed already.
    NotErased(u32),
    /// The record is no more, or in a phase that recovery must not leave.
    Record,
    /// The memory has fewer than [`MEMORY_LEN`] bytes.
    Memory,
}

/// Feeds `input` into a session and looks at what it did. The first byte chooses the device: bit 0
/// the record is lost, 1 mode `standby`, 3 the execution slot verifies. With bit 2 the rest is a
/// row of messages, each behind its length in two bytes, which are framed before they go in; else
/// it goes in as it is.
///
/// # Errors
/// [`Violation`]: a mistake in recovery, found by `input`.
pub fn run(memory: &mut [u8], input: &[u8]) -> Result<(), Violation> {
    let (choice, input) = input.split_first().unwrap_or((&0, &[]));
    let layout = layout(if choice & STANDBY == 0 {
        Mode::Swap
    } else {
        Mode::Standby
    });
    let memory = memory.get_mut(..MEMORY_LEN).ok_or(Violation::Memory)?;
    memory.fill(layout.erased);
    let mut flash = Ram {
        memory,
        layout,
        violation: None,
    };
    let key = Key {
        public: [1; 32],
        kind: otaru_flash::KeyKind::Ed25519,
        development: true,
    };
    let block = DeviceBlock::new("fuzz", layout, &[key]).map_err(|_bad| Violation::Memory)?;
    let geometry = Geometry::new(&layout).map_err(|_short| Violation::Memory)?;
    let journal = if choice & LOST == 0 {
        let current = Image {
            len: SECTOR,
            digest: [2; 32],
        };
        Journal::create(&mut flash, geometry, &State::factory(current, 1)).ok()
    } else {
        None
    };
    let reason = if choice & RUNNING == 0 {
        Recovery::NoImage(Cause::DigestMismatch)
    } else {
        Recovery::Requested
    };
    let stopped = Stopped {
        reason,
        block: Some(block),
        journal,
    };
    let mut frame = [0; FRAME_LEN_MIN];
    let mut session = Session::new(stopped, &mut frame);
    let mut buf = [0; 256];
    let mut device = Device {
        flash: &mut flash,
        board: &mut Board,
        buf: &mut buf,
    };
    if choice & FRAMED == 0 {
        session.feed(input, &mut device);
    } else {
        messages(input, |line| session.feed(line, &mut device));
    }
    let lost = choice & LOST != 0;
    judge(&mut flash, &layout, lost)
}

fn judge(flash: &mut Ram<'_>, layout: &Layout, lost: bool) -> Result<(), Violation> {
    if let Some(violation) = flash.violation {
        return Err(violation);
    }
    match Journal::load(flash, layout).map(|journal| journal.state().phase()) {
        Ok(Phase::Idle | Phase::Receiving) => Ok(()),
        Err(LoadError::Lost) if lost => Ok(()),
        Ok(_) | Err(_) => Err(Violation::Record),
    }
}

/// Frames each message and passes its lines on, until one leads to a reset.
fn messages(input: &[u8], mut feed: impl FnMut(&[u8]) -> Next) {
    let mut rest = input;
    while let Some((len, behind)) = rest.split_first_chunk::<2>() {
        let len = usize::from(u16::from_le_bytes(*len)).min(behind.len());
        let len = len.min(FRAME_LEN_MIN.saturating_sub(OVERHEAD));
        let (message, later) = behind.split_at(len);
        rest = later;
        let mut reset = false;
        framing::send(message, |line| reset |= feed(line) == Next::Reset);
        if reset {
            return;
        }
    }
}

fn layout(mode: Mode) -> Layout {
    let execution = SECTOR.saturating_mul(CHUNKS);
    let storage = execution.saturating_add(SECTOR);
    let record = SECTOR.saturating_mul(24);
    let record_at = SECTOR.saturating_mul(3);
    let execution_at = record_at.saturating_add(record);
    let first = execution_at.saturating_add(execution);
    let second = first.saturating_add(storage);
    Layout {
        flash_len: second.saturating_add(storage),
        write_unit: 8,
        erased: 0xFF,
        overwrite: false,
        mode,
        chunk_len: SECTOR,
        device_block: Area::new(0, SECTOR, SECTOR),
        identity: Area::new(SECTOR, SECTOR.saturating_mul(2), SECTOR),
        record: Area::new(record_at, record, SECTOR),
        execution: Area::new(execution_at, execution, SECTOR),
        storage: match mode {
            Mode::Swap => [Area::new(first, storage, SECTOR), Area::default()],
            Mode::Standby => [
                Area::new(first, storage, SECTOR),
                Area::new(second, storage, SECTOR),
            ],
        },
    }
}

/// A flash that takes note of the first rule that is broken.
struct Ram<'m> {
    memory: &'m mut [u8],
    layout: Layout,
    violation: Option<Violation>,
}

/// The operation was refused.
#[derive(Debug)]
struct Refused;

impl Ram<'_> {
    fn at(&mut self, offset: u32, len: usize) -> Option<&mut [u8]> {
        let start = usize::try_from(offset).ok()?;
        self.memory.get_mut(start..start.checked_add(len)?)
    }

    fn broken(&mut self, violation: Violation) -> Result<(), Refused> {
        self.violation.get_or_insert(violation);
        Err(Refused)
    }

    /// Whether the range is one that recovery may write.
    fn allows(&self, offset: u32, len: usize) -> bool {
        let Ok(len) = u32::try_from(len) else {
            return false;
        };
        let range = Area::new(offset, len, SECTOR);
        let [first, second] = self.layout.storage;
        [self.layout.record, first, second].iter().any(|area| {
            let inside = range.offset >= area.offset && range.end() <= area.end();
            inside && area.len > 0
        })
    }
}

impl Flash for Ram<'_> {
    type Error = Refused;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Refused> {
        let stored = self.at(offset, buf.len()).ok_or(Refused)?;
        buf.copy_from_slice(stored);
        Ok(())
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), Refused> {
        if !self.allows(offset, data.len()) {
            return self.broken(Violation::Outside(offset));
        }
        let unit = usize::from(self.layout.write_unit);
        let aligned = offset.checked_rem(u32::from(self.layout.write_unit)) == Some(0);
        if !aligned || data.is_empty() || data.len().checked_rem(unit) != Some(0) {
            return self.broken(Violation::Unaligned(offset));
        }
        let erased = self.layout.erased;
        let stored = self.at(offset, data.len()).ok_or(Refused)?;
        if stored.iter().any(|&byte| byte != erased) {
            return self.broken(Violation::NotErased(offset));
        }
        stored.copy_from_slice(data);
        Ok(())
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), Refused> {
        let bytes = usize::try_from(len).map_err(|_too_long| Refused)?;
        if !self.allows(offset, bytes) {
            return self.broken(Violation::Outside(offset));
        }
        let whole = |n: u32| n.checked_rem(SECTOR) == Some(0);
        if !whole(offset) || !whole(len) || len == 0 {
            return self.broken(Violation::Unaligned(offset));
        }
        let erased = self.layout.erased;
        self.at(offset, bytes).ok_or(Refused)?.fill(erased);
        Ok(())
    }
}

/// A board that nobody listens to.
struct Board;

/// Accepts signatures that begin with a zero, so that fuzzing needs no private key to get on.
struct FirstByte;

impl SignatureVerifier for FirstByte {
    fn check(
        &self,
        _public: &[u8; 32],
        _message: &[u8],
        signature: &[u8; 64],
    ) -> Result<(), SignatureRejected> {
        if signature.starts_with(&[0]) {
            Ok(())
        } else {
            Err(SignatureRejected)
        }
    }
}

impl Port for Board {
    type Verifier = FirstByte;

    const DEVELOPMENT_KEYS: bool = true;

    fn verifier(&mut self) -> FirstByte {
        FirstByte
    }

    fn feed_watchdog(&mut self) {}
    fn arm_watchdog(&mut self, _timeout_ms: u32) {}
    fn now_ms(&mut self) -> u32 {
        0
    }
    fn report(&mut self, _event: Event<'_>) {}
}

impl Console for Board {
    fn send(&mut self, _line: &[u8]) {}
    fn tell(&mut self, _note: Note<'_>) {}
}
